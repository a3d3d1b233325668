# SPDX-License-Identifier: Apache-2.0
"""Logged encounters of the robot with pedestrians: what the delivery robot's learned barrier is learned from."""

from reflexarc_sim.encounters.log import EncounterLog as EncounterLog
from reflexarc_sim.encounters.log import EncounterRun as EncounterRun
from reflexarc_sim.encounters.log import load_run as load_run
from reflexarc_sim.encounters.policy import ExploringPolicy as ExploringPolicy
