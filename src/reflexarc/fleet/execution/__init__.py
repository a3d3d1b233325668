# SPDX-License-Identifier: Apache-2.0
"""Execution of fleet plans: order instead of time, delays, repair."""

from reflexarc.fleet.execution.dependencies import ActionGraph as ActionGraph
from reflexarc.fleet.execution.executor import Executor as Executor
from reflexarc.fleet.execution.fleet import Fleet as Fleet
from reflexarc.fleet.execution.members import FleetEvent as FleetEvent
from reflexarc.fleet.execution.members import FleetOptions as FleetOptions
from reflexarc.fleet.execution.tracks import Track as Track
from reflexarc.fleet.execution.tracks import tracks_of as tracks_of
