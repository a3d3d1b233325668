# SPDX-License-Identifier: Apache-2.0
"""Synthesis of supervisors: every policy of a cell as a probabilistic model, checked, compared and chosen."""
