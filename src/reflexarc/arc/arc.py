# SPDX-License-Identifier: Apache-2.0
"""The reflex arc: state, proposal and mode in, verdict out, at the control rate."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from reflexarc.arc.config import ArcConfig
from reflexarc.arc.stage import Stage, Tick
from reflexarc.core.types import (
    BaseState,
    ImpedanceProposal,
    JointProposal,
    JointState,
    Mode,
    Proposal,
    Status,
    Verdict,
    WalkerState,
)


class Arc:
    """Passes each tick through its stages and returns what happened.

    `tick` never raises on bad data and always returns a finite command. It is deterministic: equal calls since `reset`
    give equal verdicts, times aside. Node, simulator, benchmarks and tests all call this same function.
    """

    def __init__(
        self,
        config: ArcConfig,
        stages: Sequence[Stage],
        components: int,
        halt: Callable[[Tick], Sequence[float]] | None = None,
        uncertified: bool = False,
    ):
        """Take the stages in the order in which they act; `build_arc` makes the standard ones.

        Args:
            config: what the stages were built with.
            stages: in order.
            components: size of the command.
            halt: gives the command that stops the robot; None for zero.
            uncertified: whether one of the stages relies on a barrier without a matching certificate.
        """
        self.config = config
        self.uncertified = uncertified
        self.stages: tuple[Stage, ...] = tuple(stages)
        self._components = components
        still = (0.0,) * components
        self._halt = halt if halt is not None else lambda _: still

    def reset(self) -> None:
        """Acknowledge latched faults and forget all earlier ticks."""
        for stage in self.stages:
            stage.reset()

    def tick(
        self,
        state: BaseState | JointState | WalkerState | None,
        proposal: Proposal | JointProposal | ImpedanceProposal | None,
        mode: Mode,
        now: float,
    ) -> Verdict:
        """Judge one proposal.

        Args:
            state: newest measured state with its surroundings, or None before the first; `JointState` of an arm,
                `WalkerState` of a quadruped.
            proposal: newest proposal, or None before the first; `JointProposal` or `ImpedanceProposal` for an arm,
                `JointProposal` for a quadruped.
            mode: mode of the supervisor.
            now: time of this tick on the clock of the stamps. [s]

        Returns:
            The verdict; its command is what the robot receives.
        """
        started = before = time.perf_counter()
        tick = Tick(now, state, proposal, mode, np.zeros(self._components), self._halt)
        times = []
        for stage in self.stages:
            if not tick.done:
                stage.apply(tick)
            after = time.perf_counter()
            times.append(after - before)
            before = after
        command = tick.command
        command.setflags(write=False)
        latched = tick.status is Status.LATCHED and mode < Mode.PROTECTIVE_STOP
        return Verdict(
            now=now,
            command=command,
            status=tick.status,
            mode=Mode.PROTECTIVE_STOP if latched else mode,
            margin=tick.margin,
            slack=tick.slack,
            risk=tick.risk,
            interventions=tuple(tick.interventions),
            faults=tuple(tick.faults),
            learned_margin=tick.learned_margin,
            uncertified=self.uncertified,
            contact=tick.contact,
            walker=tick.walker,
            time_used=before - started,
            stage_times=tuple(times),
        )
