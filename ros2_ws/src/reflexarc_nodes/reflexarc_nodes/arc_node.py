# SPDX-License-Identifier: Apache-2.0
"""The reflex arc of a base as a lifecycle node: newest inputs in, velocity command and verdict out; zero stops it."""

import sys
from typing import Any

import numpy as np
from rclpy.duration import Duration

from reflexarc.arc import ArcConfig
from reflexarc.arc.inputs import ArcInputs
from reflexarc.core import wire
from reflexarc.core.types import Verdict
from reflexarc_nodes.arc_base import ArcBase
from reflexarc_nodes.arc_parameters import ArcParameters
from reflexarc_nodes.base_node import main_of
from reflexarc_nodes.convert import twist_to, verdict_to
from reflexarc_nodes.heart import HeartSender
from reflexarc_nodes.qos import advertise, listen


class ArcNode(ArcBase):
    """Ticks a base's arc at its rate while active."""

    Parameters = ArcParameters
    params: ArcParameters
    heart: HeartSender | None = None

    def __init__(self) -> None:
        super().__init__("arc_node")

    def prepare(self, config: ArcConfig) -> None:
        """Make inputs, publishers and subscriptions."""
        self.inputs = inputs = ArcInputs(config, self.params.needs_map, self.params.lidar_frame)
        n, store = inputs.components, self.store
        self.command, self.verdict = advertise(self, "cmd_vel"), advertise(self, "verdict")
        self.senders = [self.command, self.verdict]
        if self.params.heartbeat:
            self.heart = HeartSender(self, "arc")
            self.senders.append(self.heart.sender)
        self.topics = [
            listen(self, "odom", store(lambda m: wire.odometry_from(m, n), inputs.add_odometry)),
            listen(self, "obstacles", store(wire.obstacles_from, inputs.add_obstacles)),
            listen(
                self,
                "scan",
                store(lambda m: (wire.scan_from(m), m.header.frame_id), lambda s: inputs.add_scan(*s)),
            ),
            listen(self, "keepouts", store(wire.walls_from, inputs.add_keepouts)),
            listen(self, "proposal", store(lambda m: wire.proposal_from(m, n), inputs.add_proposal)),
            listen(self, "mode", store(wire.mode_from, lambda m: setattr(inputs, "mode", m))),
        ]

    def publish(self, verdict: Verdict, lateness: float, state: Any) -> None:
        """Publish command and verdict, and a heartbeat where one is wanted."""
        self.command.publish(twist_to(verdict.now, verdict.command))
        self.verdict.publish(verdict_to(verdict, self.inputs.record(self.seq, lateness, state)))
        if self.heart is not None:
            self.heart.beat(verdict.now)

    def publish_stop(self) -> None:
        """Send zero and wait a moment until it has arrived."""
        self.command.publish(twist_to(self.time.now(), np.zeros(self.inputs.components)))
        self.command.wait_for_all_acked(Duration(nanoseconds=200_000_000))


def main() -> int:
    """Run the node."""
    return main_of(ArcNode)


if __name__ == "__main__":
    sys.exit(main())
