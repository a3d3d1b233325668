# SPDX-License-Identifier: Apache-2.0
"""The simulated plant of a fleet as a lifecycle node: several robots in one world, each in a namespace, one clock.

As with one robot, time starts when every robot has been commanded, and a command that is old, delayed or not finite
becomes zero for its robot, whoever sent it.
"""

import sys
import time
from dataclasses import dataclass

import numpy as np
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from reflexarc.core import wire
from reflexarc.core.config import quantity
from reflexarc.core.errors import PlantError, ReflexArcError
from reflexarc.core.interfaces import interface
from reflexarc_nodes.base_node import EXIT_OK, NodeParts, Stop, main_of
from reflexarc_nodes.health import Health
from reflexarc_nodes.pacer import Pacer
from reflexarc_nodes.parameters import CommonParameters
from reflexarc_nodes.plant_messages import FleetMessages, PlantMessages
from reflexarc_nodes.plant_node import MAKE_UP_S, SLOW
from reflexarc_nodes.qos import listen
from reflexarc_nodes.watchdog import CommandWatchdog


@dataclass(frozen=True, slots=True)
class FleetPlantParameters(CommonParameters):
    """Parameters of fleet_plant_node."""

    start_timeout_s: float = quantity(
        240.0, unit="s", low=1.0, high=3600.0, doc="wall time to wait for every robot's first command"
    )


class FleetPlantNode(NodeParts, LifecycleNode):
    """Runs one plant of several robots while active."""

    Parameters = FleetPlantParameters

    def __init__(self) -> None:
        super().__init__("fleet_plant_node")
        self.set_up()
        self.active, self.plant = False, None
        self.problem: ReflexArcError | None = None
        self.steps = 0

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Build world, robots and crowd."""
        from reflexarc_sim.fleet_tasks import FleetTasks  # noqa: PLC0415 - loads a physics engine
        from reflexarc_sim.mujoco_plant.fleet_plant import FleetPlant  # noqa: PLC0415

        try:
            scenario = self.params.load_scenario()
            self.plant = FleetPlant(scenario)
            poses = FleetTasks(scenario, scenario.seed).start_poses()
            self.states = self.plant.reset(scenario.seed, poses)
        except ReflexArcError as error:
            self.problem = error
            self.get_logger().error(f"not configured: {error}")
            return TransitionCallbackReturn.FAILURE
        names, period = self.plant.names, 1.0 / scenario.sensors.lidar.rate_hz
        self.shared = FleetMessages(self, self.plant)
        self.messages = [PlantMessages(self, unit, period, False, unit.name) for unit in self.plant.units]
        self.watchdogs = [CommandWatchdog(interface("cmd_vel").max_age_s) for _ in names]
        self.commands = [
            listen(self, "cmd_vel", lambda m, w=dog: w.take(wire.proposal_from(m)), under=name)
            for name, dog in zip(names, self.watchdogs, strict=True)
        ]
        self.stale_steps = np.zeros(len(names), dtype=int)
        self.applied = np.zeros((len(names), 2))
        self.pace = scenario.fleet.pace
        self.pacer = Pacer(self.plant.step_period / self.pace, MAKE_UP_S)
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let time run once every robot is commanded."""
        self.active = True
        self.activated = self._mark = time.monotonic()
        self._mark_time = self.plant.time
        self.pacer.start()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop time."""
        self.active = False
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Drop the plant."""
        for subscription in self.commands:
            self.destroy_subscription(subscription)
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
            for unit, messages in zip(self.plant.units, self.messages, strict=True):
                messages.events(unit.finish())
        return EXIT_OK

    def health(self) -> Health:
        """Return real-time factor and what the watchdogs did."""
        if not self.active:
            return Health.judge([], {"active": 0}, warnings=["inactive"])
        now, simulated = time.monotonic(), self.plant.time
        factor = (simulated - self._mark_time) / max(now - self._mark, 1e-6)
        self._mark, self._mark_time = now, simulated
        stale = [
            n for n, dog in zip(self.plant.names, self.watchdogs, strict=True) if dog.stale and dog.received
        ]
        values = {
            "active": 1,
            "time_s": simulated,
            "real_time_factor": factor,
            "stale_steps": int(self.stale_steps.sum()),
            "refused_commands": sum(dog.refused for dog in self.watchdogs),
            "dropped_periods": self.pacer.dropped,
        }
        waiting = [n for n, dog in zip(self.plant.names, self.watchdogs, strict=True) if not dog.received]
        if waiting:
            return Health.judge(
                [], values, warnings=[f"waiting for the first command of {', '.join(waiting)}"]
            )
        problems = [f"cmd_vel_stale: zero velocity is applied to {', '.join(stale)}"] if stale else []
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
        if self.steps == 0 and not all(dog.received for dog in self.watchdogs):
            self._wait_for_commands()
            return
        now = self.plant.time
        for k, dog in enumerate(self.watchdogs):
            self.applied[k] = dog.command(now)
            self.stale_steps[k] += dog.stale
        self.states, events = self.plant.step(self.applied)
        self.steps += 1
        self.shared.publish(self.steps)
        for messages, state, happened in zip(self.messages, self.states, events, strict=True):
            messages.state(state)
            messages.events(happened)

    def _wait_for_commands(self) -> None:
        """Show the start to everybody, until every robot is commanded."""
        waited = time.monotonic() - self.activated
        if waited > self.params.start_timeout_s:
            raise PlantError(
                f"not every robot was commanded within {waited:.0f} s; allowed: {self.params.start_timeout_s:g} s"
            )
        self.shared.publish(0)
        for messages, state in zip(self.messages, self.states, strict=True):
            messages.state(state, waiting=True)
        self.pacer.start()
        self.spin_for(1.0 / interface("obstacles").rate_hz)
        self._mark, self._mark_time = time.monotonic(), self.plant.time


def main() -> int:
    """Run the node."""
    return main_of(FleetPlantNode)


if __name__ == "__main__":
    sys.exit(main())
