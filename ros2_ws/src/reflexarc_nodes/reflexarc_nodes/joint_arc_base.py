# SPDX-License-Identifier: Apache-2.0
"""What the nodes of arcs share that command joint by joint: a tick for every joint state, a verdict where it is due."""

from typing import Any

from reflexarc.core.joint_wire import JointRecord
from reflexarc.core.types import Verdict
from reflexarc_nodes.arc_base import ArcBase
from reflexarc_nodes.sender import Sender

UNANSWERED = 5
"""Periods of simulated time without a joint state after which the arc ticks without a new one."""


class JointArcBase(ArcBase):
    """Ticks the arc of one robot of joints at its rate while active; its parameters have `pace`."""

    in_step = True
    verdict: Sender
    """Publishes verdicts."""
    every: int
    """Ticks between two of them where nothing changes."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.simulated = bool(self.get_parameter("use_sim_time").value)
        self.answered = 0

    # ---- what each arc says

    def send(self, verdict: Verdict, state: Any) -> None:
        """Publish the command of a verdict on `state`, if there is one."""
        raise NotImplementedError

    def verdict_to(self, verdict: Verdict, record: JointRecord) -> Any:
        """Return the message of a verdict."""
        raise NotImplementedError

    def reflex(self, verdict: Verdict) -> str:
        """Return the reflex that is going on; empty if none."""
        raise NotImplementedError

    # ---- what they share

    def pace(self) -> float:
        """Return the parameter `pace`."""
        return self.params.pace

    def due(self, now: float) -> bool:
        """Whether a turn is a tick: on a robot always.

        Stages move by one period in each tick. In simulation a period is a step of the plant, however long it takes:
        every joint state is answered once, and their absence after `UNANSWERED` periods.
        """
        if not self.simulated:
            return True
        count, last = self.inputs.count, self.last
        if (
            count == self.answered
            and last is not None
            and now - last.now < UNANSWERED * self.arc.config.period
        ):
            return False
        self.answered = count
        return True

    def publish(self, verdict: Verdict, lateness: float, state: Any) -> None:
        """Publish the command of every tick, and its verdict where it is due or differs from the last."""
        self.send(verdict, state)
        last = self.last
        if last is None or self.seq % self.every == 0 or self._said(verdict) != self._said(last):
            record = self.inputs.record(self.seq, lateness, self.statistics.misses, state)
            self.verdict.publish(self.verdict_to(verdict, record))

    def _said(self, verdict: Verdict) -> tuple[Any, ...]:
        """Return what nobody may miss of a verdict."""
        return verdict.status, verdict.faults, self.reflex(verdict)
