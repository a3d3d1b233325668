# SPDX-License-Identifier: Apache-2.0
"""Robot models: limits and geometry with unit and source."""

from reflexarc.core.errors import ConfigError
from reflexarc.core.paths import robot_kind
from reflexarc.robots.base import BaseRobot as BaseRobot
from reflexarc.robots.base import load_robot as load_robot
from reflexarc.robots.legged import LeggedRobot as LeggedRobot
from reflexarc.robots.legged import load_legged as load_legged


def load_base(name: str) -> BaseRobot | LeggedRobot:
    """Read and check the parameters of a wheeled or legged base.

    Raises:
        ConfigError: the robot is unknown, or is commanded at its joints: an arm, or a quadruped.
        ModelError: as `load_robot` and `load_legged`.
    """
    kind = robot_kind(name)
    if kind in ("arm", "quadruped"):
        raise ConfigError(f"{name!r} is of kind {kind}; needed is a base that takes a body velocity")
    return load_legged(name) if kind == "legged" else load_robot(name)
