# SPDX-License-Identifier: Apache-2.0
"""What the lifecycle nodes of simulated plants share: transitions, the pace of the wall clock, waiting for commands.

Time starts when everybody has been commanded, so that no node misses the beginning.
"""

import time
from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from reflexarc.core.errors import PlantError, ReflexArcError
from reflexarc.core.interfaces import interface
from reflexarc_nodes.base_node import EXIT_OK, NodeParts, Stop
from reflexarc_nodes.health import Health
from reflexarc_nodes.pacer import Pacer

MAKE_UP_S = 0.25
"""Delay of the machine that the plant makes up; beyond it simulated time falls behind. [s]"""
SLOW = 0.95
"""Real-time factor over the wanted one below which the node reports a warning."""


class PlantBase(NodeParts, LifecycleNode):
    """Runs one plant while active."""

    pace = 1.0
    """Simulated over wall time."""
    make_up = MAKE_UP_S
    """Delay that this plant makes up. [s]"""
    stale_fault = "cmd_vel_stale: zero velocity is applied"
    """What is said while a command is stale."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.set_up()
        self.active, self.plant = False, None
        self.problem: ReflexArcError | None = None
        self.listening: list[Any] = []
        """Subscriptions of the plant."""

    # ---- what each plant says

    def build(self, scenario: Any) -> list[Any]:
        """Make the plant and what publishes it, and return the subscriptions."""
        raise NotImplementedError

    def waiting_for(self) -> str:
        """Return whose first command is missing; empty when time may run."""
        raise NotImplementedError

    def show(self) -> None:
        """Publish the start."""
        raise NotImplementedError

    def step(self) -> None:
        """Go on by one step and publish it."""
        raise NotImplementedError

    def finish(self) -> None:
        """Publish the contacts that are still going on."""
        raise NotImplementedError

    def figures(self) -> tuple[dict[str, float], str]:
        """Return more values for diagnostics, and to whom a stale command is not applied; empty if to nobody."""
        raise NotImplementedError

    # ---- what they share

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Build world, robots and crowd."""
        try:
            self.listening = self.build(self.params.load_scenario())
        except ReflexArcError as error:
            self.problem = error
            self.get_logger().error(f"not configured: {error}")
            return TransitionCallbackReturn.FAILURE
        self.pacer = Pacer(self.plant.step_period / self.pace, self.make_up)
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let time run once everybody is commanded."""
        self.active = True
        self.activated = self._mark = time.monotonic()
        self._mark_time = self.plant.time
        self.pacer.start()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop time: a simulated robot that is not stepped does not move."""
        self.active = False
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Drop the plant."""
        for subscription in self.listening:
            self.destroy_subscription(subscription)
        self.listening = []
        self.close()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop time."""
        self.active = False
        return TransitionCallbackReturn.SUCCESS

    def run(self, stop: Stop) -> int:
        """Step while active, else wait for transitions."""
        if self.params.autostart:
            self.trigger_configure()
            if self.problem is not None:
                raise self.problem
            self.trigger_activate()
        while not stop.requested:
            if self.active:
                self._turn()
            else:
                self.spin_for(self._diagnostics_period / 10)
            self.report()
        if self.plant is not None:
            self.finish()
        return EXIT_OK

    def health(self) -> Health:
        """Return real-time factor and what the watchdogs did."""
        if not self.active:
            return Health.judge([], {"active": 0}, warnings=["inactive"])
        now, simulated = time.monotonic(), self.plant.time
        factor = (simulated - self._mark_time) / max(now - self._mark, 1e-6)
        self._mark, self._mark_time = now, simulated
        more, stale = self.figures()
        values = {"active": 1, "time_s": simulated, "real_time_factor": factor} | more
        values["dropped_periods"] = self.pacer.dropped
        waiting = self.waiting_for()
        if waiting:
            return Health.judge([], values, warnings=[f"waiting for {waiting}"])
        problems = [f"{self.stale_fault}{stale}"] if stale else []
        wanted = SLOW * self.pace
        slow = [f"real-time factor {factor:.2f} is below {wanted:g}"] if factor < wanted else []
        return Health.judge(problems, values, warnings=slow)

    def close(self) -> None:
        """Drop the plant."""
        if self.plant is not None:
            self.plant.close()
            self.plant = None

    def _turn(self) -> None:
        """Handle what arrives until the next step is due, then step and publish."""
        self.spin_for(self.pacer.remaining())
        self.pacer.begin()
        if self.waiting_for():
            self._wait()
        else:
            self.step()

    def _wait(self) -> None:
        """Show the start to everybody at the rate of slow topics, until all are commanded."""
        waited, most = time.monotonic() - self.activated, self.params.start_timeout_s
        if waited > most:
            raise PlantError(
                f"{self.waiting_for()} did not arrive within {waited:.0f} s; allowed: {most:g} s"
            )
        self.show()
        self.pacer.start()
        self.spin_for(1.0 / interface("obstacles").rate_hz)
        self._mark, self._mark_time = time.monotonic(), self.plant.time
