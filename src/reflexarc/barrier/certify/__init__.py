# SPDX-License-Identifier: Apache-2.0
"""Certificates of learned barriers: grid reference, cell-wise bounds, scenario statement, and their file."""
