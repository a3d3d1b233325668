# SPDX-License-Identifier: Apache-2.0
"""Robot models: limits and geometry with unit and source."""

from reflexarc.robots.base import BaseRobot as BaseRobot
from reflexarc.robots.base import load_robot as load_robot
from reflexarc.robots.legged import LeggedRobot as LeggedRobot
from reflexarc.robots.legged import load_legged as load_legged
