# SPDX-License-Identifier: Apache-2.0
"""The simulated arm in contact as a lifecycle node: steps at the pace of the wall clock, publishes what drivers would.

Torques that are old or not finite become rest.
"""

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from reflexarc.core.arm_interfaces import EFFORT
from reflexarc.core.config import quantity
from reflexarc.core.interfaces import interface
from reflexarc.robots.resting import RestingArm
from reflexarc_nodes.arm_plant_messages import ArmPlantMessages
from reflexarc_nodes.base_node import main_of
from reflexarc_nodes.joint_plant_base import JointPlantBase
from reflexarc_nodes.parameters import CommonParameters
from reflexarc_nodes.qos import listen
from reflexarc_nodes.watchdog import EffortWatchdog


@dataclass(frozen=True, slots=True)
class ArmPlantParameters(CommonParameters):
    """Parameters of arm_plant_node."""

    pace: float = quantity(
        1.0, low=0.05, high=1.0, doc="simulated seconds per second of the machine, at most"
    )
    patience_s: float = quantity(
        0.1,
        unit="s",
        low=0.0,
        high=1.0,
        doc="wall time that a step waits for torques newer than the last step",
    )
    await_proposal: bool = quantity(
        True, doc="let time begin only after the first proposal of the task policy"
    )
    start_timeout_s: float = quantity(
        120.0, unit="s", low=1.0, high=3600.0, doc="wall time to wait for the first torques before giving up"
    )


class ArmPlantNode(JointPlantBase):
    """Runs one arm in front of a scene while active."""

    Parameters = ArmPlantParameters
    commands = "torques"
    stale_fault = "effort_stale: the arm rests"

    def __init__(self) -> None:
        super().__init__("arm_plant_node")

    def make_plant(self, scenario: Any) -> Any:
        """Build arm and scene."""
        from reflexarc_sim.plants import make_arm_plant  # noqa: PLC0415 - loads a physics engine

        return make_arm_plant(scenario)

    def connect(self, scenario: Any) -> list[Any]:
        """Advertise everything and listen."""
        arm = self.plant.arm
        resting = RestingArm(arm, scenario.cell.tool_length_m, scenario.cell.tool_mass_kg)
        self.watchdog, self.joints = EffortWatchdog(interface(EFFORT).max_age_s, resting), arm.n
        self.applied = resting.torque(self.state.position, self.state.velocity)
        self.messages = ArmPlantMessages(self, self.plant)
        return [
            listen(self, EFFORT, self._take),
            listen(self, "arm/proposal", self._heard_proposal),
        ]

    def show_state(self) -> None:
        """Publish clock, joints and wrench."""
        self.messages.state(self.state, self.applied)

    def advance(self) -> None:
        """Apply the torques, or those of rest."""
        self.applied = self.watchdog.torque(self.state, self.plant.time)
        self.state, events = self.plant.step(self.applied)
        self.show_state()
        self.messages.truth(self.state, self.applied)
        self.messages.events(events)

    def finish(self) -> None:
        """Publish the contacts that are still going on."""
        self.messages.events(self.plant.finish())

    def more_figures(self) -> dict[str, float]:
        """Return what was applied."""
        return {"applied_n_m": float(np.abs(self.applied).max())}


def main() -> int:
    """Run the node."""
    return main_of(ArmPlantNode)


if __name__ == "__main__":
    sys.exit(main())
