# SPDX-License-Identifier: Apache-2.0
"""What the nodes of simulated plants share that are commanded joint by joint: they wait for the answer to each state.

Every step waits a moment for the command that answers the one before: a machine that is too slow for the pace then
slows simulated time, and the control loop stays closed at every step.
"""

import time
from typing import Any

from reflexarc.core import joint_wire
from reflexarc_nodes.plant_base import PlantBase


class JointPlantBase(PlantBase):
    """Runs one plant of joints while active; its parameters have `pace`, `patience_s` and `await_proposal`."""

    make_up = 0.0  # simulated time falls behind instead: in a hurry the arc could not answer every step
    commands = ""
    """What it is commanded, in the plural."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.pace = self.params.pace
        self.stale_steps = self.waited_steps = 0
        self.proposed = self.shown = False

    # ---- what each plant says

    def make_plant(self, scenario: Any) -> Any:
        """Return the plant of a scenario.

        Raises:
            ReflexArcError: it cannot be built.
        """
        raise NotImplementedError

    def connect(self, scenario: Any) -> list[Any]:
        """Make `watchdog`, `joints` (their number) and what publishes the plant, and return the subscriptions."""
        raise NotImplementedError

    def show_state(self) -> None:
        """Publish what drivers would."""
        raise NotImplementedError

    def advance(self) -> None:
        """Go on by one step under what the watchdog lets through, and publish it."""
        raise NotImplementedError

    def more_figures(self) -> dict[str, float]:
        """Return values for diagnostics beside those of the watchdog."""
        raise NotImplementedError

    # ---- what they share

    def build(self, scenario: Any) -> list[Any]:
        """Build the plant."""
        self.plant = self.make_plant(scenario)
        self.state = self.plant.reset(scenario.seed)
        self.proposed = self.shown = False
        return self.connect(scenario)

    def waiting_for(self) -> str:
        """Time starts when an arc that sees the robot, and so commands it, has been proposed something."""
        if not self.watchdog.received:
            return f"the first {self.commands}"
        if self.params.await_proposal and not self.shown:
            return "the first proposal"
        return ""

    def show(self) -> None:
        """Publish the start; once the policy has proposed to an arc that sees it, the arc has all that it needs."""
        self.shown = self.proposed
        self.show_state()

    def step(self) -> None:
        """Wait for an answer to the last state, go on by one step and publish it."""
        if not self.watchdog.fresh and not self.watchdog.stale:
            self._await_answer()
        self.advance()
        self.stale_steps += self.watchdog.stale

    def figures(self) -> tuple[dict[str, float], str]:
        """Return what the watchdog did."""
        fault, stale = self.stale_fault.partition(":")[0], self.watchdog.stale
        values = {
            fault: int(stale),
            "stale_steps": self.stale_steps,
            "waited_steps": self.waited_steps,
            "refused_commands": self.watchdog.refused,
        }
        return values | self.more_figures(), f" until {self.commands} arrive" if stale else ""

    def _await_answer(self) -> None:
        """Wait for a newer command, at most `patience_s` of wall time."""
        self.waited_steps += 1
        end = time.monotonic() + self.params.patience_s
        while not self.watchdog.fresh and (left := end - time.monotonic()) > 0.0:
            self.executor_.spin_once(timeout_sec=left)

    def _take(self, message: Any) -> None:
        self.watchdog.take(joint_wire.joint_command_from(message, self.joints), self.plant.time)

    def _heard_proposal(self, message: Any) -> None:
        self.proposed = self.proposed or self.watchdog.received
