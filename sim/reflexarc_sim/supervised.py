# SPDX-License-Identifier: Apache-2.0
"""Supervisor and gate of a lock-step run, called in its loop, and the operator who acknowledges their stops.

Arc, plant and supervisor beat as their nodes do. The operator is part of the simulated world: `supervisor.operator_s`
after a stop that lasts, the operator looks and acknowledges.
"""

import math
from dataclasses import replace

from reflexarc.assurance.gate import SOURCES, Gate
from reflexarc.assurance.heartbeat import Heart
from reflexarc.assurance.supervision import Directive, Due, Supervision, load_table
from reflexarc.core.types import Array, BaseState, Mode, Verdict
from reflexarc.robots import load_base
from reflexarc_sim.scenario import Scenario


class Operator:
    """Acknowledges a protective stop that has lasted, again and again while it lasts; an emergency stop never."""

    def __init__(self, patience: float):
        """Take how long the operator waits. [s]"""
        self._patience = patience
        self._since = math.inf

    def see(self, mode: Mode, now: float) -> None:
        """Take the mode at time `now`. [s]"""
        if mode is not Mode.PROTECTIVE_STOP:
            self._since = math.inf
        elif math.isinf(self._since):
            self._since = now

    def acknowledges(self, now: float) -> bool:
        """Whether the operator acknowledges at time `now`. [s]"""
        if now - self._since < self._patience:
            return False
        self._since = now
        return True


class Supervised:
    """What stands around the arc of one run."""

    def __init__(self, scenario: Scenario):
        """Read the table.

        Raises:
            ModelError: the table is missing, damaged or was changed.
            UnknownNameError: it needs a signal that nobody computes.
        """
        config = scenario.supervisor
        self.supervision = Supervision(load_table(config.table), config, load_base(scenario.robot))
        self.gate = Gate(config.gate)
        self.directives: list[tuple[float, Directive]] = []
        """Time [s] and content of every change."""
        self.acknowledgements = 0
        """How often the operator acknowledged."""
        self._due, self._operator = Due(config.rate_hz), Operator(config.operator_s)
        self._hearts = {name: Heart() for name in (*SOURCES, "gate")}
        self._opened = False

    def mode(self, state: BaseState, now: float) -> Mode:
        """Return the mode at time `now` [s], after the supervisor's turn if one is due."""
        if self._due(now):
            acknowledged = self._operator.acknowledges(now)
            if acknowledged:
                self.acknowledgements += 1
                self.gate.acknowledge(now)
            self._keep(self.supervision.turn(state, now, now, acknowledged), now)
            self._beat("supervisor", now, self.directives[-1][1].motion)
        return self.directives[-1][1].mode

    def command(self, verdict: Verdict, state: BaseState, now: float) -> Array:
        """Return what passes the gate of a verdict's command, shape (2,) or (3,). [m/s, rad/s]"""
        simulated = replace(
            verdict, time_used=0.0
        )  # the machine's time has no place in a run that must repeat
        self.supervision.guards.arc.take(simulated, state.obstacles.stamp, now)
        self._beat("arc", now)
        self._beat("plant", now)
        look = self.gate.open(now)
        if look.ready and not self._opened:  # as parameter first_open of gate_node
            self.gate.acknowledge(now)
            self._opened = True
        if (seq := self._hearts["gate"].beat(now)) is not None:
            self.supervision.hear_gate(seq, now, self.gate.open(now).open, now)
        return self.gate.command(verdict.command, now)

    def _beat(self, source: str, now: float, motion: bool = True) -> None:
        if (seq := self._hearts[source].beat(now)) is not None:
            self.gate.beat(source, seq, now, now, motion)

    def _keep(self, directive: Directive, now: float) -> None:
        last = self.directives[-1][1] if self.directives else None
        if last is None or (last.mode, last.state, last.motion) != (
            directive.mode,
            directive.state,
            directive.motion,
        ):
            self.directives.append((now, directive))
        self._operator.see(directive.mode, now)
