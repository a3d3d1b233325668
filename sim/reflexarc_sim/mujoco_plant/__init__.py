# SPDX-License-Identifier: Apache-2.0
"""The MuJoCo plant."""

from reflexarc_sim.mujoco_plant.plant import MujocoPlant as MujocoPlant
