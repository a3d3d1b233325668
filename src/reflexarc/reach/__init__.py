# SPDX-License-Identifier: Apache-2.0
"""Density reachability: where a closed loop will be, how likely, and the risk that a plan touches something."""
