# SPDX-License-Identifier: Apache-2.0
"""Robot models: limits and geometry with unit and source."""

from reflexarc.robots.base import BaseRobot as BaseRobot
from reflexarc.robots.base import load_robot as load_robot
