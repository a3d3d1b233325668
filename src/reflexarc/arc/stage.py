# SPDX-License-Identifier: Apache-2.0
"""What a stage of the arc is, and the tick that passes through the stages."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from reflexarc.core.types import Array, ContactVerdict, Intervention, Mode, Status, WalkerVerdict


@dataclass(slots=True)
class Tick:
    """One pass through the stages: the inputs, and the command as it stands so far.

    Stages see it in order; each may change `command` through `change` or end the pass through `stop`.
    """

    now: float
    """Time of the tick. [s]"""
    state: Any
    """Newest state (`BaseState`, `JointState` of an arm, `WalkerState` of a quadruped), or None before the first."""
    proposal: Any
    """Newest proposal (`Proposal`; `JointProposal` or `ImpedanceProposal` of an arm; `JointProposal` of a quadruped),
    or None before the first."""
    mode: Mode
    """Mode set by the supervisor."""
    command: Array
    """The command as it stands, in the units of `Verdict.command`."""
    halt: Callable[["Tick"], Sequence[float]]
    """What stops the robot: zero velocity for a base, a braking command for an arm, standing for a quadruped."""
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
    contact: ContactVerdict | None = None
    """What an arm in contact does."""
    walker: WalkerVerdict | None = None
    """What critic and reflex of a quadruped did."""
    interventions: list[Intervention] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def change(
        self, stage: str, command: Sequence[float], reason: str, status: Status = Status.FILTERED
    ) -> None:
        """Replace the command and note who did it and why."""
        before = self.command.tolist()
        size = math.hypot(*(new - old for new, old in zip(command, before, strict=True)))
        self.interventions.append(Intervention(stage, reason, size))
        self.command[:] = command
        self.status = status

    def note(self, stage: str, reason: str, change: float) -> None:
        """Note that a stage changed what the command will be made of, before there is one."""
        self.interventions.append(Intervention(stage, reason, change))
        self.status = Status.FILTERED

    def stop(self, stage: str, status: Status, reason: str, fault: str = "") -> None:
        """Send what stops the robot and skip the stages that follow."""
        if fault and fault not in self.faults:
            self.faults.append(fault)
        self.change(stage, self.halt(self), reason, status)
        self.done = True


class Stage(Protocol):
    """One step of the arc. A stage never raises on bad data and never makes the command larger than it found it."""

    name: str

    def reset(self) -> None:
        """Forget everything about earlier ticks and acknowledge latched faults."""

    def apply(self, tick: Tick) -> None:
        """Judge the tick and change its command where needed."""
