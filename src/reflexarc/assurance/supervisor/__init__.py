# SPDX-License-Identifier: Apache-2.0
"""The supervisor: a verified table of modes, and what executes it."""
