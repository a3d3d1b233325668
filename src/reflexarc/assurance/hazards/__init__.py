# SPDX-License-Identifier: Apache-2.0
"""Hazard models: what can go wrong in a cell, how likely, how it is noticed, and what may be done about it."""
