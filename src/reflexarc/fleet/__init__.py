# SPDX-License-Identifier: Apache-2.0
"""Fleets: robots on one graph, planned so that they never meet."""
