# SPDX-License-Identifier: Apache-2.0
"""Standard control-affine systems, by name."""

from reflexarc.robots.systems.boat import BOAT
from reflexarc.robots.systems.system import Ball, Box, Coordinate, System

SYSTEMS = {system.name: system for system in (BOAT,)}
"""Every system of the regression suite."""

__all__ = ["SYSTEMS", "Ball", "Box", "Coordinate", "System"]
