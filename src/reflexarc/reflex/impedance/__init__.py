# SPDX-License-Identifier: Apache-2.0
"""Cartesian variable impedance of a tool's tip, with an energy tank that pays for what changes inject."""
