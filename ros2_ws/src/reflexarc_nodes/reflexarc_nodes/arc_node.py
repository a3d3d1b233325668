# SPDX-License-Identifier: Apache-2.0
"""The reflex arc as a lifecycle node: newest inputs in, command and verdict out, on absolute ticks in one
thread.

Callbacks only store what arrived. Each turn sleeps until its time, takes what is there, ticks and
publishes. Configure compiles and warms the arc; activate allows motion; deactivate, errors and signals send
zero before the node is silent.
"""

import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from reflexarc.arc import build_arc
from reflexarc.arc.inputs import ArcInputs
from reflexarc.core import wire
from reflexarc.core.errors import ReflexArcError
from reflexarc.core.types import Status, Verdict
from reflexarc_nodes.arc_parameters import ArcParameters
from reflexarc_nodes.base_node import EXIT_OK, NodeParts, Stop, main_of
from reflexarc_nodes.convert import twist_to, verdict_to
from reflexarc_nodes.health import Health, write_figures
from reflexarc_nodes.pacer import Histogram, Pacer, TickStatistics
from reflexarc_nodes.qos import advertise, listen
from reflexarc_nodes.realtime import enter_realtime, leave_realtime

MISS_LIMIT = 0.01
"""Share of late ticks above which the node reports a warning."""


class ArcNode(NodeParts, LifecycleNode):
    """Ticks the arc at its rate while active."""

    Parameters = ArcParameters

    def __init__(self) -> None:
        super().__init__("arc_node")
        self.set_up()
        self.active = False
        self.problem: ReflexArcError | None = None

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Build and warm the arc; nothing moves."""
        try:
            config = self.params.arc_config()
            self.arc = build_arc(config)
            self.inputs = ArcInputs(config, self.params.needs_map, self.params.lidar_frame)
        except ReflexArcError as error:
            self.problem = error
            self.get_logger().error(f"not configured: {error}")
            return TransitionCallbackReturn.FAILURE
        inputs, n = self.inputs, self.inputs.components
        self.command = advertise(self, "cmd_vel")
        self.verdict = advertise(self, "verdict")
        self.topics = [
            listen(self, "odom", self._store(lambda m: wire.odometry_from(m, n), inputs.add_odometry)),
            listen(self, "obstacles", self._store(wire.obstacles_from, inputs.add_obstacles)),
            listen(
                self,
                "scan",
                self._store(lambda m: (wire.scan_from(m), m.header.frame_id), lambda s: inputs.add_scan(*s)),
            ),
            listen(self, "keepouts", self._store(wire.walls_from, inputs.add_keepouts)),
            listen(self, "proposal", self._store(lambda m: wire.proposal_from(m, n), inputs.add_proposal)),
            listen(self, "mode", self._store(wire.mode_from, lambda m: setattr(inputs, "mode", m))),
        ]
        self._restart()
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Acknowledge latched faults, forget old inputs and begin to tick."""
        self.arc.reset()
        self.inputs.forget()
        if refused := enter_realtime(self.params.realtime_priority):
            self.get_logger().info(refused)
        self._restart()
        self.active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Send zero, then be silent."""
        self._halt()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Drop the arc and its topics."""
        for topic in self.topics:
            self.destroy_subscription(topic)
        self.destroy_publisher(self.command)
        self.destroy_publisher(self.verdict)
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Send zero if the node was active."""
        self._halt()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Send zero; the node is unconfigured afterwards."""
        self._halt()
        return TransitionCallbackReturn.SUCCESS

    def run(self, stop: Stop) -> int:
        """Tick while active, else wait for transitions."""
        if self.params.autostart:
            self.trigger_configure()
            if self.problem is not None:
                raise self.problem
            self.trigger_activate()
        try:
            while not stop.requested:
                if self.active:
                    self._turn()
                else:
                    self.spin_for(self._diagnostics_period / 10)
                    self.report()
        finally:
            self._halt()
        return EXIT_OK

    def health(self) -> Health:
        """Return lateness, durations and what the last verdict complained about."""
        if not self.active:
            return Health.judge([], {"active": 0}, warnings=["inactive"])
        values = self.statistics.figures() | {
            "active": 1,
            "turn_p50_us": 1e6 * self.turns.quantile(0.5),
            "turn_p99_us": 1e6 * self.turns.quantile(0.99),
            "dropped_periods": self.pacer.dropped,
            "rate_hz": self.arc.config.rate_hz,
        }
        last = self.last
        problems = (
            [f"{last.status.name}: {', '.join(last.faults)}"] if last is not None and last.faults else []
        )
        late = self.statistics.miss_fraction
        warnings = (
            [f"{100 * late:.2f} % of ticks are late, allowed {100 * MISS_LIMIT:g} %"]
            if late > MISS_LIMIT
            else []
        )
        return Health.judge(problems, values, warnings=warnings)

    def close(self) -> None:
        """Write the figures of the run."""
        if self.params.out_dir and hasattr(self, "statistics"):
            figures = self.statistics.figures() | {"turn_p99_us": 1e6 * self.turns.quantile(0.99)}
            write_figures(Path(self.params.out_dir) / "arc.json", figures)

    def _store(self, decode: Callable[[Any], Any], keep: Callable[[Any], None]) -> Callable[[Any], None]:
        return lambda message: keep(decode(message))

    def _restart(self) -> None:
        period = self.arc.config.period
        self.seq = 0
        self.last: Verdict | None = None
        self.pacer = Pacer(period)
        self.statistics, self.turns = TickStatistics(period), Histogram()

    def _turn(self) -> None:
        """Wait for the next tick, take what is there, judge and publish."""
        late = self.pacer.wait()
        began = time.perf_counter()
        self.drain()
        if not self.active:  # a transition was among what was there
            return
        state, proposal = self.inputs.state(), self.inputs.proposal
        verdict = self.arc.tick(state, proposal, self.inputs.mode, self.time.now())
        self.command.publish(twist_to(verdict.now, verdict.command))
        self.verdict.publish(verdict_to(verdict, self.inputs.record(self.seq, late, state)))
        self.seq += 1
        self.statistics.add(late, verdict.time_used)
        self.turns.add(time.perf_counter() - began)
        self._log_change(verdict)
        self.last = verdict
        if self.report():
            gc.collect(0)

    def _log_change(self, verdict: Verdict) -> None:
        """Log when faults come or go; once per change."""
        before = self.last.faults if self.last is not None else ()
        if verdict.faults != before and verdict.status is not Status.PASSED:
            reason = verdict.interventions[-1].reason if verdict.interventions else verdict.status.value
            self.get_logger().warning(
                f"{', '.join(verdict.faults) or 'faults cleared'} ({reason}); {verdict.status.value}"
            )

    def _halt(self) -> None:
        """Send zero and wait a moment until it has arrived."""
        if not self.active:
            return
        self.active = False
        leave_realtime()
        self.command.publish(twist_to(self.time.now(), np.zeros(self.inputs.components)))
        self.command.wait_for_all_acked(Duration(nanoseconds=200_000_000))


def main() -> int:
    """Run the node."""
    return main_of(ArcNode)


if __name__ == "__main__":
    sys.exit(main())
