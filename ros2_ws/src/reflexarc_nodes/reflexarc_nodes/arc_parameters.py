# SPDX-License-Identifier: Apache-2.0
"""Parameters of arc_node."""

from dataclasses import dataclass
from pathlib import Path

from reflexarc.arc import ArcConfig
from reflexarc.core.config import quantity, read_yaml
from reflexarc.core.interfaces import LIDAR_FRAME
from reflexarc_nodes.parameters import CommonParameters


@dataclass(frozen=True, slots=True)
class ArcLoopParameters(CommonParameters):
    """Parameters of every arc's node; its limits come from the scenario, or from `arc_file` where there is none."""

    arc_file: str = quantity(
        "", doc="YAML file with ArcConfig keys when no scenario is given; empty: defaults"
    )
    realtime_priority: int = quantity(
        10, low=0, high=99, doc="FIFO priority of the loop where the system allows it; 0: normal scheduling"
    )
    robot: str = quantity("", doc="robot when no scenario is given, a folder of models/")

    def arc_config(self) -> ArcConfig:
        """Return what the arc shall be like.

        Raises:
            ConfigError: the scenario or the file is missing or not acceptable.
        """
        if self.scenario:
            return self.load_scenario().arc_config
        data = read_yaml(Path(self.arc_file)) if self.arc_file else {}
        return ArcConfig.from_dict({"robot": self.robot, **data}, self.arc_file or "arc")


@dataclass(frozen=True, slots=True)
class ArcParameters(ArcLoopParameters):
    """Parameters of arc_node."""

    robot: str = quantity("segway_e1", doc="robot when no scenario is given, a folder of models/")
    needs_map: bool = quantity(True, doc="stand still until the map's keep-outs have arrived")
    lidar_frame: str = quantity(LIDAR_FRAME, doc="frame in which scans must arrive")
    heartbeat: bool = quantity(False, doc="send heartbeats for a gate")


@dataclass(frozen=True, slots=True)
class ArmArcParameters(ArcLoopParameters):
    """Parameters of arm_arc_node."""

    robot: str = quantity("panda", doc="arm when no scenario is given, a folder of models/")
    pace: float = quantity(
        1.0, low=0.05, high=1.0, doc="simulated seconds per second of the machine, as in arm_plant_node"
    )


@dataclass(frozen=True, slots=True)
class QuadrupedArcParameters(ArcLoopParameters):
    """Parameters of quadruped_arc_node."""

    robot: str = quantity("go1", doc="quadruped when no scenario is given, a folder of models/")
    pace: float = quantity(
        1.0, low=0.05, high=1.0, doc="simulated seconds per second of the machine, as in quadruped_plant_node"
    )
