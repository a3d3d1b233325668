# SPDX-License-Identifier: Apache-2.0
"""The Newton plant: the street of the MuJoCo plant, simulated from its OpenUSD stage by Newton on the processor.

World, crowd, drive, sensors and events are the code of `mujoco_plant.plant.StreetPlant`; physics and contacts are
Newton's, from masses, joints, drives, shapes, materials and labels of the stage that `reflexarc export usd` writes.
"""

from reflexarc_sim.mujoco_plant.engine import Engine
from reflexarc_sim.mujoco_plant.model import Assembly
from reflexarc_sim.mujoco_plant.plant import StreetPlant
from reflexarc_sim.newton_plant.engine import NewtonEngine
from reflexarc_sim.usd.export import export_stage
from reflexarc_sim.usd.source import scenario_source


class NewtonPlant(StreetPlant):
    """A delivery robot on a street among pedestrians, moved by Newton."""

    def _make_engine(self, assembly: Assembly, seed: int) -> Engine:
        # Source and assembly are compiled from the same world, so coordinates of one are coordinates of the other.
        source = scenario_source(self.scenario, seed)
        return NewtonEngine(export_stage(source).stage, source)
