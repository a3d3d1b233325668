# SPDX-License-Identifier: Apache-2.0
"""Barriers and safe policies learned offline, from recorded transitions alone. Needs the extra `learn` (JAX)."""
