# SPDX-License-Identifier: Apache-2.0
"""The heartbeat gate as a process between arc and plant: passes each command on while it is open, else sends zero.

It is silent until the arc has sent its first command, so that a simulated plant does not start before the arc is ready.
"""

import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node

from reflexarc.assurance.gate import SOURCES, Gate, GateConfig
from reflexarc.assurance.heartbeat import HeartbeatConfig
from reflexarc.core import wire
from reflexarc.core.config import quantity
from reflexarc.core.gate_interfaces import ACKNOWLEDGE, GATED, LEASE_S, heartbeat_topic
from reflexarc.core.interfaces import interface
from reflexarc_nodes.base_node import EXIT_OK, NodeParts, Stop, main_of
from reflexarc_nodes.convert import twist_to
from reflexarc_nodes.health import Health
from reflexarc_nodes.heart import HeartSender
from reflexarc_nodes.parameters import CommonParameters
from reflexarc_nodes.qos import advertise, listen
from reflexarc_nodes.transport import shared_memory, without_shared_memory

TURN_S = 0.01
"""Time between two looks at the leases. [s]"""

SHARED = (
    "the middleware uses shared memory: a process that is killed may delay a zero command by a second; unset "
    "FASTDDS_BUILTIN_TRANSPORTS, FASTDDS_DEFAULT_PROFILES_FILE and ROS_STATIC_PEERS, or choose UDP there"
)


@dataclass(frozen=True, slots=True)
class GateParameters(CommonParameters):
    """Parameters of gate_node. None of them can switch a check off."""

    lease_s: float = quantity(
        LEASE_S, unit="s", low=0.005, high=5.0, doc="a beat vouches for its sender so long"
    )
    max_gap: int = quantity(10, low=1, high=1000, doc="beats that may be lost between two that arrive")
    skew_s: float = quantity(
        0.05, unit="s", low=0.001, high=1.0, doc="how far a stamp may be ahead of the gate's clock"
    )
    dwell_s: float = quantity(
        0.5, unit="s", low=0.05, high=60.0, doc="all sources must be good so long before an acknowledgement"
    )
    first_open: bool = quantity(
        False, doc="open the first time without an acknowledgement, for simulations; never after a closing"
    )

    def gate_config(self) -> GateConfig:
        """Return what the gate demands."""
        return GateConfig(HeartbeatConfig(self.lease_s, self.max_gap, self.skew_s), self.dwell_s)


class GateNode(NodeParts, Node):
    """Passes commands on while everybody beats."""

    Parameters = GateParameters
    params: GateParameters

    def __init__(self) -> None:
        super().__init__("gate_node")
        self.set_up()
        self.gate = Gate(self.params.gate_config())
        self.verdict = self.gate.open(time.monotonic())
        self.heard = -np.inf
        self.passed = self.held = 0
        self.untouched = self.params.first_open
        self.max_age = interface("cmd_vel").max_age_s
        self.command = advertise(self, GATED)
        self.heart = HeartSender(self, "gate")
        self.shared = shared_memory()
        if self.shared:
            self.get_logger().warning(SHARED)
        listen(self, "cmd_vel", self._command)
        listen(self, ACKNOWLEDGE, self._acknowledge)
        for source in SOURCES:
            listen(self, heartbeat_topic(source), self._beat)

    def run(self, stop: Stop) -> int:
        """Look at the leases, beat, and hold the robot while the gate is closed or no command comes."""
        while not stop.requested:
            self.spin_for(TURN_S)
            now = time.monotonic()
            self._look(now)
            if self.heard > -np.inf and (not self.verdict.open or now - self.heard > self.max_age):
                self._hold()
            self.heart.beat(self.time.now(), self.verdict.open)
            self.report()
        self._hold()
        self.command.wait_for_all_acked(Duration(nanoseconds=200_000_000))
        return EXIT_OK

    def health(self) -> Health:
        """Return whether the gate is open, and why not; and a warning where another process can make it wait."""
        values = {"open": int(self.verdict.open), "ready": int(self.verdict.ready)}
        values |= {"passed": self.passed, "held": self.held, "closings": self.gate.closings}
        if self.verdict.open:
            return Health.judge([], values, warnings=[SHARED] if self.shared else [])
        text = f"no command passes: {self.verdict.reason}"
        if not self.verdict.fault:
            return Health.judge([], values, warnings=[text])
        return Health.judge([f"{self.verdict.fault}: {text}"], values)

    def _look(self, now: float) -> None:
        """Take the gate's verdict, open it the first time where that is allowed, and log a change."""
        verdict = self.gate.open(now)
        if verdict.ready and self.untouched:
            self.untouched = False
            self.get_logger().info("opened the first time, as parameter first_open allows")
            self.gate.acknowledge(now)
            verdict = self.gate.open(now)
        before, self.verdict = self.verdict, verdict
        if verdict.fault and verdict.fault != before.fault:
            self.get_logger().error(f"{verdict.fault}: {verdict.reason}; the plant receives zero")
            self.report(now=True)

    def _command(self, message: Any) -> None:
        """Pass a command on, or zero in its place."""
        self.heard = time.monotonic()
        parts = (message.twist.linear, message.twist.angular)
        wanted = np.array([value for p in parts for value in (p.x, p.y, p.z)])
        if self.gate.command(wanted, self.heard) is wanted:
            self.passed += 1
            self.command.publish(message)
        else:
            self._hold()

    def _hold(self) -> None:
        self.held += 1
        self.command.publish(twist_to(self.time.now(), np.zeros(2)))

    def _beat(self, message: Any) -> None:
        beat = wire.heartbeat_from(message)
        self.gate.beat(beat.source, beat.seq, beat.steady, time.monotonic(), beat.motion)

    def _acknowledge(self, message: Any) -> None:
        """Open if somebody with a name says so and everybody is good."""
        refused = (
            self.gate.acknowledge(time.monotonic()) if message.data.strip() else "nobody put a name to it"
        )
        outcome = f"refused: {refused}" if refused else "the gate is open"
        self.get_logger().warning(f"acknowledged by {message.data.strip()!r}: {outcome}")
        self._look(time.monotonic())


def main() -> int:
    """Run the node, without shared memory: Fast DDS may wait there up to a second for a reader that was stopped."""
    with without_shared_memory():
        return main_of(GateNode)


if __name__ == "__main__":
    sys.exit(main())
