# SPDX-License-Identifier: Apache-2.0
"""The simulated plant as a lifecycle node: steps at the pace of the wall clock, publishes what a robot's
drivers would.

Time starts with the first command, so that no node misses the beginning. A command that is old, delayed or
not finite becomes zero, whoever sent it.
"""

import sys
import time
from dataclasses import dataclass

import numpy as np
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from reflexarc_msgs.msg import MissionStatus

from reflexarc.core import wire
from reflexarc.core.config import quantity
from reflexarc.core.errors import PlantError, ReflexArcError
from reflexarc.core.interfaces import interface
from reflexarc_nodes.base_node import EXIT_OK, NodeParts, Stop, main_of
from reflexarc_nodes.health import Health
from reflexarc_nodes.pacer import Pacer
from reflexarc_nodes.parameters import CommonParameters
from reflexarc_nodes.plant_messages import PlantMessages
from reflexarc_nodes.qos import listen
from reflexarc_nodes.watchdog import CommandWatchdog

MAKE_UP_S = 0.25
"""Delay of the machine that the plant makes up; beyond it simulated time falls behind. [s]"""
SLOW = 0.95
"""Real-time factor below which the node reports a warning."""


@dataclass(frozen=True, slots=True)
class PlantParameters(CommonParameters):
    """Parameters of plant_node."""

    markers: bool = quantity(False, doc="publish pictures for a 3-D viewer")
    start_timeout_s: float = quantity(
        120.0, unit="s", low=1.0, high=3600.0, doc="wall time to wait for the first command before giving up"
    )


class PlantNode(NodeParts, LifecycleNode):
    """Runs one plant while active."""

    Parameters = PlantParameters

    def __init__(self) -> None:
        super().__init__("plant_node")
        self.set_up()
        self.active, self.plant = False, None
        self.problem: ReflexArcError | None = None
        self.watchdog = CommandWatchdog(interface("cmd_vel").max_age_s)
        self.applied = np.zeros(2)
        self.stale_steps = 0

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Build world, robot and crowd."""
        from reflexarc_sim import make_plant  # noqa: PLC0415 - loads a physics engine

        try:
            scenario = self.params.load_scenario()
            self.plant = make_plant(scenario)
            self.state = self.plant.reset(scenario.seed)
        except ReflexArcError as error:
            self.problem = error
            self.get_logger().error(f"not configured: {error}")
            return TransitionCallbackReturn.FAILURE
        self.messages = PlantMessages(
            self, self.plant, 1.0 / scenario.sensors.lidar.rate_hz, self.params.markers
        )
        self.commands = listen(
            self, "cmd_vel", lambda message: self.watchdog.take(wire.proposal_from(message))
        )
        self.missions = listen(self, "mission", self._mission)
        self.pacer = Pacer(self.plant.step_period, MAKE_UP_S)
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let time run once a command arrives."""
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
        self.destroy_subscription(self.commands)
        self.destroy_subscription(self.missions)
        self._drop()
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
            self.messages.events(self.plant.finish())
        return EXIT_OK

    def health(self) -> Health:
        """Return real-time factor and what the watchdog did."""
        if not self.active:
            return Health.judge([], {"active": 0}, warnings=["inactive"])
        now, simulated = time.monotonic(), self.plant.time
        factor = (simulated - self._mark_time) / max(now - self._mark, 1e-6)
        self._mark, self._mark_time = now, simulated
        values = {
            "active": 1,
            "time_s": simulated,
            "real_time_factor": factor,
            "cmd_vel_stale": int(self.watchdog.stale),
            "stale_steps": self.stale_steps,
            "refused_commands": self.watchdog.refused,
            "applied_forward_m_s": float(self.applied[0]),
            "applied_yaw_rad_s": float(self.applied[1]),
            "dropped_periods": self.pacer.dropped,
        }
        if not self.watchdog.received:
            return Health.judge([], values, warnings=["waiting for the first command"])
        problems = ["cmd_vel_stale: zero velocity is applied"] if self.watchdog.stale else []
        slow = [f"real-time factor {factor:.2f} is below {SLOW:g}"] if factor < SLOW else []
        return Health.judge(problems, values, warnings=slow)

    def close(self) -> None:
        """Drop the plant."""
        self._drop()

    def _turn(self) -> None:
        """Handle what arrives until the next step is due, then step and publish."""
        self.spin_for(self.pacer.remaining())
        self.pacer.begin()
        if not self.watchdog.received:
            self._wait_for_command()
            return
        self.applied = self.watchdog.command(self.plant.time)
        self.stale_steps += self.watchdog.stale
        self.state, events = self.plant.step(self.applied)
        self.messages.state(self.state)
        self.messages.events(events)

    def _mission(self, message: MissionStatus) -> None:
        """At the end of a run, publish the contacts that are still going on."""
        if message.state == MissionStatus.ALL_DONE and self.plant is not None:
            self.messages.events(self.plant.finish())

    def _wait_for_command(self) -> None:
        """Show the start to everybody at ten turns per second of the loop's rate, until somebody commands."""
        waited = time.monotonic() - self.activated
        if waited > self.params.start_timeout_s:
            raise PlantError(
                f"no command arrived within {waited:.0f} s; allowed: {self.params.start_timeout_s:g} s"
            )
        self.messages.state(self.state, waiting=True)
        self.pacer.start()
        self.spin_for(1.0 / interface("obstacles").rate_hz)
        self._mark, self._mark_time = time.monotonic(), self.plant.time

    def _drop(self) -> None:
        if self.plant is not None:
            self.plant.close()
            self.plant = None


def main() -> int:
    """Run the node."""
    return main_of(PlantNode)


if __name__ == "__main__":
    sys.exit(main())
