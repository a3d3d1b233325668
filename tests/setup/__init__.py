# SPDX-License-Identifier: Apache-2.0
"""Tests of the set-up, the doctor and the repository's own rules."""
