# SPDX-License-Identifier: Apache-2.0
"""Scenario regression: cases that cover every pair of factors, judged by requirements against a committed baseline."""
