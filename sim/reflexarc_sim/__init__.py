# SPDX-License-Identifier: Apache-2.0
"""Simulated plants, worlds, crowds and scenarios for reflexarc."""

import ctypes
import os
import sys


def _choose_drawing() -> None:
    """Let MuJoCo, before it is imported, draw headless through EGL where that exists and nobody chose otherwise."""
    if sys.platform != "linux" or "MUJOCO_GL" in os.environ or "mujoco" in sys.modules:
        return
    try:
        ctypes.CDLL("libEGL.so.1")
    except OSError:
        return
    os.environ["MUJOCO_GL"] = "egl"


_choose_drawing()

from reflexarc_sim.missions import plan_missions as plan_missions  # noqa: E402 - after the choice above
from reflexarc_sim.missions import scenario_missions as scenario_missions  # noqa: E402
from reflexarc_sim.plants import PLANTS as PLANTS  # noqa: E402
from reflexarc_sim.plants import make_arm_plant as make_arm_plant  # noqa: E402
from reflexarc_sim.plants import make_plant as make_plant  # noqa: E402
from reflexarc_sim.scenario import Scenario as Scenario  # noqa: E402
from reflexarc_sim.scenario import load_scenario as load_scenario  # noqa: E402
from reflexarc_sim.scenario import scenario_names as scenario_names  # noqa: E402
from reflexarc_sim.world import World as World  # noqa: E402
