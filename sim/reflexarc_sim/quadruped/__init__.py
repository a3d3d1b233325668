# SPDX-License-Identifier: Apache-2.0
"""Quadrupeds at the level of their joints: model, terrain, the task of walking, and many of them side by side."""
