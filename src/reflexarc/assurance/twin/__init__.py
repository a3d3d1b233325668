# SPDX-License-Identifier: Apache-2.0
"""Validation of a digital twin against logs: split, replay, gap, closed loop, verdict."""
