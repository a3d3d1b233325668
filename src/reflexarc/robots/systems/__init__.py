# SPDX-License-Identifier: Apache-2.0
"""Standard control-affine systems, by name."""

from reflexarc.robots.systems.adaptive_cruise import ADAPTIVE_CRUISE
from reflexarc.robots.systems.boat import BOAT
from reflexarc.robots.systems.cart_pole import CART_POLE
from reflexarc.robots.systems.double_integrator import DOUBLE_INTEGRATOR
from reflexarc.robots.systems.double_integrator_2d import DOUBLE_INTEGRATOR_2D
from reflexarc.robots.systems.dubins import DUBINS
from reflexarc.robots.systems.inverted_pendulum import INVERTED_PENDULUM
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

__all__ = ["SYSTEMS", "Ball", "Box", "Coordinate", "System"]
