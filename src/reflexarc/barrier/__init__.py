# SPDX-License-Identifier: Apache-2.0
"""Barriers and the quadratic programme that enforces them."""
