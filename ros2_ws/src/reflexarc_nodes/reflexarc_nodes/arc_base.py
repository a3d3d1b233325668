# SPDX-License-Identifier: Apache-2.0
"""What the nodes of all reflex arcs share: the lifecycle, and a loop on absolute ticks in one thread.

Callbacks only store what arrived. Each turn sleeps until its time, takes what is there, ticks and
publishes. Configure compiles and warms the arc; activate allows motion; deactivate, errors and signals send
what stops the robot before the node is silent.
"""

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from reflexarc.arc import ArcConfig, build_arc
from reflexarc.core.types import Status, Verdict
from reflexarc_nodes.arc_parameters import ArcLoopParameters
from reflexarc_nodes.base_node import EXIT_OK, NodeParts, Stop
from reflexarc_nodes.health import Health, write_figures
from reflexarc_nodes.pacer import Histogram, Pacer, TickStatistics
from reflexarc_nodes.realtime import enter_realtime, leave_realtime
from reflexarc_nodes.sender import Sender

MISS_LIMIT = 0.01
"""Share of late ticks above which the node reports a warning."""


class ArcBase(NodeParts, LifecycleNode):
    """Ticks an arc at its rate while active."""

    Parameters: type[ArcLoopParameters] = ArcLoopParameters
    params: ArcLoopParameters

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.set_up()
        self.active = False
        self.problem: Exception | None = None
        self.inputs: Any = None
        self.topics: list[Any] = []
        """Subscriptions of the arc's inputs."""
        self.senders: list[Sender] = []
        """Publishers of what the arc decides."""

    # ---- what each arc says

    def prepare(self, config: ArcConfig) -> None:
        """Make `inputs`, then `senders` and `topics`.

        Raises:
            ReflexArcError: this node has no use for such an arc.
        """
        raise NotImplementedError

    def publish(self, verdict: Verdict, lateness: float, state: Any) -> None:
        """Publish the command first, then the verdict on `state` in a tick that began `lateness` [s] late."""
        raise NotImplementedError

    def publish_stop(self) -> None:
        """Publish what stops the robot and wait a moment until it has arrived."""
        raise NotImplementedError

    def due(self, now: float) -> bool:
        """Whether a turn at time `now` [s] is a tick; where it is none nothing is published."""
        return True

    def idle(self) -> None:
        """Wait for transitions for a while; nothing is judged."""
        self.spin_for(self._diagnostics_period / 10)

    def pace(self) -> float:
        """Return simulated over wall time, where the plant is known to run slower."""
        return 1.0

    # ---- what they share

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Build and warm the arc; nothing moves."""
        try:
            config = self.params.arc_config()
            self.arc = build_arc(config)
            self.prepare(config)
        except Exception as error:  # the lifecycle would swallow it, and nobody would know why nothing moves
            self.problem = error
            self.get_logger().error(f"not configured: {error}")
            return TransitionCallbackReturn.FAILURE
        self.problem = None
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
        """Stop the robot, then be silent."""
        self._halt()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Drop the arc and its topics."""
        for topic in self.topics:
            self.destroy_subscription(topic)
        for sender in self.senders:
            self.destroy_publisher(sender)
        self.topics, self.senders = [], []
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the robot if the node was active."""
        self._halt()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the robot; the node is unconfigured afterwards."""
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
                    self.idle()
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
            figures = self.statistics.figures() | {
                "turn_p50_us": 1e6 * self.turns.quantile(0.5),
                "turn_p99_us": 1e6 * self.turns.quantile(0.99),
                "dropped_periods": self.pacer.dropped,
            }
            write_figures(Path(self.params.out_dir) / "arc.json", figures)

    def store(self, decode: Callable[[Any], Any], keep: Callable[[Any], None]) -> Callable[[Any], None]:
        """Return a callback that decodes a message and keeps what it says."""
        return lambda message: keep(decode(message))

    def _restart(self) -> None:
        period = self.arc.config.period / self.pace()
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
        now = self.time.now()
        if self.due(now):
            self._tick(now, late, began)
        if self.report():
            gc.collect(0)

    def _tick(self, now: float, late: float, began: float) -> None:
        """Judge and publish at time `now` [s]; the turn was `late` [s] and began at `began` [s]."""
        state = self.inputs.state()
        verdict = self.arc.tick(state, self.inputs.proposal, self.inputs.mode, now)
        self.publish(verdict, late, state)
        self.seq += 1
        self.statistics.add(late, verdict.time_used)
        self.turns.add(time.perf_counter() - began)
        self._log_change(verdict)
        self.last = verdict

    def _log_change(self, verdict: Verdict) -> None:
        """Log when faults come or go; once per change."""
        before = self.last.faults if self.last is not None else ()
        if verdict.faults != before and verdict.status is not Status.PASSED:
            reason = verdict.interventions[-1].reason if verdict.interventions else verdict.status.value
            self.get_logger().warning(
                f"{', '.join(verdict.faults) or 'faults cleared'} ({reason}); {verdict.status.value}"
            )

    def _halt(self) -> None:
        """Stop the robot and leave real time."""
        if not self.active:
            return
        self.active = False
        leave_realtime()
        self.publish_stop()
