# SPDX-License-Identifier: Apache-2.0
"""What the plant of an arm publishes: clock, joints and wrench in every step, the truth in batches."""

from typing import Any

import numpy as np
from rclpy.node import Node
from reflexarc_msgs import msg as messages

from reflexarc.core.arm_interfaces import ARM_FRAME
from reflexarc.core.interfaces import interface
from reflexarc.core.types import Array, JointState
from reflexarc_nodes.arm_convert import tool_contact_to, wrench_to
from reflexarc_nodes.convert import clock_to, header_to
from reflexarc_nodes.joint_convert import joints_to
from reflexarc_nodes.qos import advertise


class ArmPlantMessages:
    """Publishers of an arm's plant."""

    def __init__(self, node: Node, plant: Any):
        """Advertise everything."""
        self.plant = plant
        self._clock, self._joints = advertise(node, "clock"), advertise(node, "arm/joint_states")
        self._wrench, self._truth = advertise(node, "arm/wrench"), advertise(node, "arm/truth")
        self._contacts = advertise(node, "arm/contact_events")
        self._steps = max(1, round(1.0 / (interface("arm/truth").rate_hz * plant.step_period)))
        self._rows: list[Array] = []
        self._work = 0.0

    def state(self, state: JointState, effort: Array) -> None:
        """Publish the clock, the joints with their torques [N m] and the newest wrench, if there is one."""
        self._clock.publish(clock_to(state.stamp))
        if state.wrench is not None:
            self._wrench.publish(wrench_to(state.wrench))
        self._joints.publish(joints_to(state, state.velocity, effort))

    def truth(self, state: JointState, effort: Array) -> None:
        """Take down a step that ended in `state` under torques `effort` [N m]; publish it when it is due."""
        plant = self.plant
        self._work += float(np.abs(effort * state.velocity).sum()) * plant.step_period
        self._rows.append(np.concatenate([plant.tip(), plant.tip_velocity(), plant.force()]))
        if len(self._rows) >= self._steps:
            self.flush()

    def flush(self) -> None:
        """Publish what has not been published yet."""
        if not self._rows:
            return
        table = np.array(self._rows)
        self._rows.clear()
        self._truth.publish(
            messages.ToolTruth(
                header=header_to(self.plant.time, ARM_FRAME),
                period=self.plant.step_period,
                tip=table[:, 0:3].reshape(-1).tolist(),
                velocity=table[:, 3:6].reshape(-1).tolist(),
                force=table[:, 6:9].reshape(-1).tolist(),
                balls=self.plant.balls().reshape(-1).tolist(),
                work=self._work,
                pushes=sum(push.start < self.plant.time for push in self.plant.pushes),
            )
        )

    def events(self, events: tuple[Any, ...]) -> None:
        """Publish encounters of the tool that are over."""
        for event in events:
            self._contacts.publish(tool_contact_to(event))
