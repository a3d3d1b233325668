# SPDX-License-Identifier: Apache-2.0
"""The work of the arm: the activities and tasks of `models/cells/welding.yaml`, each taking the time that it takes."""

from reflexarc_sim.welding.arm import Arm
from reflexarc_sim.welding.geometry import Point
from reflexarc_sim.welding.parameters import WeldingPlant

VALUES = {"pick": 2.0, "weld": 10.0, "put_back": 2.0}
"""Value of a finished task, as in the hazard model."""
PHASES = ("to_bench", "at_bench", "to_weld", "weld", "idle")
"""What the arm may be doing."""
WORKING = ("exchange", "welding")
"""Activities in which the arm counts as working."""


class Process:
    """Activity, gripper and support, with the hazard model's words for them."""

    def __init__(self, plant: WeldingPlant, support: str = "left"):
        """Begin idle with an open gripper."""
        self._plant = plant
        self.activity, self.gripper, self.support = "idle", "open", support
        self.value = 0.0
        """Sum of `VALUES` of what was done."""
        self.finished = 0
        """Workpieces put back."""
        self._left = 0.0
        self._busy = False

    @property
    def phase(self) -> str:
        """One of `PHASES`."""
        if self.activity not in WORKING:
            return "idle"
        if self.activity == "exchange":
            return "at_bench" if self._busy else "to_bench"
        return "weld" if self._busy else "to_weld"

    @property
    def goal(self) -> Point | None:
        """Where the tool has to be; None where it rests. [m]"""
        layout = self._plant.layout
        if self.activity == "exchange":
            return layout.finished_spot if self.gripper == "finished" else layout.raw_spot
        return layout.weld_spot if self.activity == "welding" else None

    @property
    def wants_operator(self) -> bool:
        """Whether the bench has no raw workpiece, or a finished one to take away."""
        return self.support != "left"

    def resume(self, activity: str) -> None:
        """Go on with an activity that the supervisor names."""
        if activity != self.activity:
            self.activity, self._busy, self._left = activity, False, 0.0

    def serve(self) -> None:
        """Let the operator do one of the model's exchanges: bring where there is room, else take and bring."""
        self.support = {"empty": "left", "right": "both", "both": "left", "left": "left"}[self.support]

    def step(self, arm: Arm, dt: float, halted: bool) -> None:
        """Advance by `dt` [s]; nothing goes on while the process is halted."""
        if halted:
            return
        if not self._choose():
            return
        goal = self.goal
        if goal is None or not (arm.at(goal) or (self._busy and arm.near(goal))):
            self._busy = False
            return
        if not self._busy:
            self._busy = True
            if self._left <= 0.0:  # else an interrupted seam goes on
                welding = self.activity == "welding"
                self._left = self._plant.process.weld_s if welding else self._plant.process.exchange_s
        self._left -= dt
        if self._left <= 1e-9:
            self._done()

    def _choose(self) -> bool:
        """Change activity where no time passes; return whether there is something to do."""
        raw, room = self.support in ("left", "both"), self.support in ("empty", "left")
        gripper = self.gripper
        useful = gripper == "raw" or (room if gripper == "finished" else raw)
        if self.activity == "shut_down":
            self.activity = "idle"
        elif self.activity == "idle" and useful:
            self.activity = "exchange"
        elif self.activity == "exchange" and gripper == "raw":
            self.activity = "welding"
        elif self.activity == "exchange" and not useful:
            self.activity = "idle"
        elif self.activity == "welding" and gripper != "raw":
            self.activity = "exchange"
        else:
            return self.activity in WORKING
        self._busy, self._left = False, 0.0
        return False

    def _done(self) -> None:
        self._busy, self._left = False, 0.0
        if self.activity == "welding":
            self.gripper, self.activity = "finished", "exchange"
            self.value += VALUES["weld"]
        elif self.gripper == "open":
            self.gripper, self.activity = "raw", "welding"
            self.support = "right" if self.support == "both" else "empty"
            self.value += VALUES["pick"]
        else:
            self.gripper, self.activity = "open", "idle"
            self.support = "right" if self.support == "empty" else "both"
            self.finished += 1
            self.value += VALUES["put_back"]
