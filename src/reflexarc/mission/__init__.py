# SPDX-License-Identifier: Apache-2.0
"""Missions, their outcomes and the summary of a run."""

from reflexarc.mission.monitor import Mission as Mission
from reflexarc.mission.monitor import MissionEnded as MissionEnded
from reflexarc.mission.monitor import MissionEvent as MissionEvent
from reflexarc.mission.monitor import MissionMonitor as MissionMonitor
from reflexarc.mission.monitor import MissionStarted as MissionStarted
from reflexarc.mission.monitor import Outcome as Outcome
from reflexarc.mission.summary import RunStatistics as RunStatistics
from reflexarc.mission.summary import RunSummary as RunSummary
