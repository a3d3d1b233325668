# SPDX-License-Identifier: Apache-2.0
"""Standard control-affine systems, by name."""

from collections.abc import Callable
from functools import partial

from reflexarc.core.errors import UnknownNameError
from reflexarc.robots.systems.adaptive_cruise import ADAPTIVE_CRUISE
from reflexarc.robots.systems.boat import BOAT
from reflexarc.robots.systems.cart_pole import CART_POLE
from reflexarc.robots.systems.double_integrator import DOUBLE_INTEGRATOR
from reflexarc.robots.systems.double_integrator_2d import DOUBLE_INTEGRATOR_2D
from reflexarc.robots.systems.dubins import DUBINS
from reflexarc.robots.systems.inverted_pendulum import INVERTED_PENDULUM
from reflexarc.robots.systems.legged_encounter import legged_encounter
from reflexarc.robots.systems.panda_cell import panda_cell
from reflexarc.robots.systems.planar_quadrotor import QUADROTOR_A, QUADROTOR_B
from reflexarc.robots.systems.point_robot import POINT_ROBOT
from reflexarc.robots.systems.segway import SEGWAY
from reflexarc.robots.systems.system import Ball, Box, Coordinate, System
from reflexarc.robots.systems.unicycle import UNICYCLE

SYSTEMS = {
    system.name: system
    for system in (
        BOAT,
        DOUBLE_INTEGRATOR,
        DOUBLE_INTEGRATOR_2D,
        UNICYCLE,
        DUBINS,
        POINT_ROBOT,
        ADAPTIVE_CRUISE,
        INVERTED_PENDULUM,
        CART_POLE,
        QUADROTOR_A,
        QUADROTOR_B,
        SEGWAY,
    )
}
"""Every system of the regression suite."""

ROBOT_SYSTEMS: dict[str, Callable[[], System]] = {
    "panda_cell": panda_cell,
    "go2_encounter": partial(legged_encounter, "go2"),
}
"""Robots of `models/` in their surroundings, by name; each is built when it is asked for, because that reads the
robot's files and, for an arm, needs pinocchio."""
ARM_SYSTEMS = ROBOT_SYSTEMS
"""Name of the same table from when it held arms only."""


def find_system(name: str, where: str = "") -> System:
    """Return a system of either table.

    Args:
        name: of the system.
        where: what named it, for the error.

    Raises:
        UnknownNameError: there is no such system; the message lists those that exist.
        ModelError: a robot's system, and its files or an arm's pinocchio are not installed.
    """
    if name in SYSTEMS:
        return SYSTEMS[name]
    if name in ROBOT_SYSTEMS:
        return ROBOT_SYSTEMS[name]()
    raise UnknownNameError("system", name, (*SYSTEMS, *ROBOT_SYSTEMS), where)


__all__ = ["ARM_SYSTEMS", "ROBOT_SYSTEMS", "SYSTEMS", "Ball", "Box", "Coordinate", "System", "find_system"]
