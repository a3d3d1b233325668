# SPDX-License-Identifier: Apache-2.0
"""Fault injection: what is broken, how, what must notice it and by when, and how a campaign is scored."""
