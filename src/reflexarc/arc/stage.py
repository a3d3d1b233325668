# SPDX-License-Identifier: Apache-2.0
"""What a stage of the arc is, and the tick that passes through the stages."""

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from reflexarc.core.types import Array, BaseState, Intervention, Mode, Proposal, Status


@dataclass(slots=True)
class Tick:
    """One pass through the stages: the inputs, and the command as it stands so far.

    Stages see it in order; each may change `command` through `change` or end the pass through `stop`.
    """

    now: float
    """Time of the tick. [s]"""
    state: BaseState | None
    """Newest state, or None before the first."""
    proposal: Proposal | None
    """Newest proposal, or None before the first."""
    mode: Mode
    """Mode set by the supervisor."""
    command: Array = field(default_factory=lambda: np.zeros(2))
    """Forward and yaw velocity as it stands. [m/s, rad/s]"""
    status: Status = Status.PASSED
    done: bool = False
    """Set by `stop`: later stages are skipped."""
    margin: float = math.nan
    """Smallest barrier value at the command. [m]"""
    slack: float = 0.0
    """Violation that no command can avoid. [m]"""
    learned_margin: float = math.nan
    """Smallest value of the learned barrier among the people near; NaN without one. [m]"""
    risk: float = math.nan
    """Critic's estimate."""
    interventions: list[Intervention] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def change(
        self, stage: str, forward: float, yaw: float, reason: str, status: Status = Status.FILTERED
    ) -> None:
        """Replace the command and note who did it and why."""
        command = self.command
        size = math.hypot(forward - command[0], yaw - command[1])
        self.interventions.append(Intervention(stage, reason, size))
        command[0], command[1] = forward, yaw
        self.status = status

    def stop(self, stage: str, status: Status, reason: str, fault: str = "") -> None:
        """Command zero velocity and skip the stages that follow."""
        if fault and fault not in self.faults:
            self.faults.append(fault)
        self.change(stage, 0.0, 0.0, reason, status)
        self.done = True


class Stage(Protocol):
    """One step of the arc. A stage never raises on bad data and never makes the command larger than it found it."""

    name: str

    def reset(self) -> None:
        """Forget everything about earlier ticks and acknowledge latched faults."""

    def apply(self, tick: Tick) -> None:
        """Judge the tick and change its command where needed."""
