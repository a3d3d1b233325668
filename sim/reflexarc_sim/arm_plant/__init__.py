# SPDX-License-Identifier: Apache-2.0
"""MuJoCo plant of an arm whose tool touches things: mazes with balls, a hole, an uneven surface."""

from reflexarc_sim.arm_plant.plant import ArmPlant as ArmPlant
from reflexarc_sim.arm_plant.plant import ToolContact as ToolContact
from reflexarc_sim.arm_plant.scenes import Scene as Scene
from reflexarc_sim.arm_plant.scenes import make_scene as make_scene
