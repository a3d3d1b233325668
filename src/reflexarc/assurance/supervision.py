# SPDX-License-Identifier: Apache-2.0
"""The supervisor's turn: signals, table, and what the gate says; the same in a node and in lock-step."""

import math
from dataclasses import dataclass, field

from reflexarc.assurance.gate import GateConfig
from reflexarc.assurance.guards import SIGNALS, Base, GuardConfig, Guards
from reflexarc.assurance.heartbeat import Pulse
from reflexarc.assurance.supervisor.supervisor import Supervisor
from reflexarc.assurance.supervisor.table import SupervisorTable, read_table
from reflexarc.core.config import quantity
from reflexarc.core.errors import UnknownNameError
from reflexarc.core.paths import model_file
from reflexarc.core.types import BaseState, Mode


@dataclass(frozen=True, slots=True)
class SupervisionConfig:
    """Supervisor and gate of a base."""

    enabled: bool = quantity(False, doc="whether supervisor and gate stand around the arc")
    table: str = quantity("cells/sidewalk.table.json", doc="verified table, under models/ or a path")
    dwell_s: float = quantity(
        1.0, unit="s", low=0.0, high=600.0, doc="a hazard must be gone so long before its mitigation ends"
    )
    rate_hz: float = quantity(50.0, unit="Hz", low=20.0, high=200.0, doc="turns of the supervisor")
    operator_s: float = quantity(
        2.0,
        unit="s",
        low=0.1,
        high=600.0,
        doc="the operator of a simulation acknowledges a protective stop after it; on a robot a person does",
    )
    guards: GuardConfig = field(default_factory=GuardConfig)
    gate: GateConfig = field(default_factory=GateConfig)


@dataclass(frozen=True, slots=True)
class Directive:
    """What the supervisor tells the arc."""

    mode: Mode
    reason: str
    state: str
    """State of the table; empty before the first good set of inputs."""
    alarms: tuple[float, ...]
    motion: bool = False
    """Whether the table lets the robot move, whatever the gate says; the supervisor's beats carry it to the gate."""


def load_table(name: str) -> SupervisorTable:
    """Read the table `name`, under models/ or a path, and check that every signal of it can be computed.

    Raises:
        ModelError: it is missing, damaged or was changed.
        UnknownNameError: it needs a signal that is none of `guards.SIGNALS`.
    """
    table = read_table(model_file(name))
    for signal in table.signals:
        if signal not in SIGNALS:
            raise UnknownNameError("signal", signal, SIGNALS, name)
    return table


class Supervision:
    """Guards and table, one turn at a time.

    The table begins when every signal is known and good and the arc has obeyed the stop that it is told until then: a
    start is no fault. The gate is heard by its beats; while it is closed or not heard the mode is at least
    PROTECTIVE_STOP.
    """

    def __init__(self, table: SupervisorTable, config: SupervisionConfig, robot: Base):
        """Take the table, the limits and the robot."""
        self.guards = Guards(robot, config.guards)
        self._supervisor = Supervisor(table, config.dwell_s)
        self._signals = table.signals
        self._gate = Pulse(config.gate.heartbeat)
        self._gate_fault = ""
        self._gate_open = False
        self._begun = False

    def hear_gate(self, seq: int, stamp: float, motion: bool, now: float) -> None:
        """Take a beat of the gate that arrived at steady time `now` [s]; `motion`: whether it says that it is open."""
        self._gate_fault = self._gate.beat(seq, stamp, now)[1]
        self._gate_open = motion and not self._gate_fault

    def turn(
        self, state: BaseState | None, now: float, steady: float, acknowledged: bool = False
    ) -> Directive:
        """Decide.

        Args:
            state: newest measurements; None while a kind has never arrived.
            now: time on the clock of the measurements. [s]
            steady: time that always advances. [s]
            acknowledged: whether somebody acknowledges a stop in this very turn.
        """
        directive = self._decide(state, now, steady, acknowledged)
        self.guards.arc.told(directive.mode, steady)
        return directive

    def _decide(self, state: BaseState | None, now: float, steady: float, acknowledged: bool) -> Directive:
        seen = self.guards.look(state, now, steady)
        wanted = {name: seen[name] for name in self._signals}
        if not self._begun:
            lost = [name for name in ("tracker_lost", "lidar_lost", "arc_fault") if seen[name]]
            unknown = [name for name, value in seen.items() if value is None]
            if lost or unknown or not self.guards.arc.obeyed(Mode.PROTECTIVE_STOP):
                waiting = f"start: waits for {', '.join(lost or unknown) or 'the arc to stop'}"
                return Directive(Mode.PROTECTIVE_STOP, waiting, "", ())
            self._begun = True
        decision = self._supervisor.step(wanted, steady, acknowledged)
        mode, reason = decision.mode, decision.reason
        if mode < Mode.PROTECTIVE_STOP and (closed := self._gate_closed(steady)):
            mode, reason = Mode.PROTECTIVE_STOP, f"gate_silent: {closed}"
        elif seen["arc_fault"] and "arc_fault" in wanted:
            reason = f"{reason} ({self.guards.arc.fault(steady)})"
        motion = decision.mode < Mode.PROTECTIVE_STOP
        return Directive(mode, reason, decision.state, decision.alarms, motion)

    def _gate_closed(self, steady: float) -> str:
        late = self._gate.missing(steady)[1]
        if late or self._gate_fault:
            return late or self._gate_fault
        return "" if self._gate_open else "the gate is closed"


class Due:
    """Tells turns at a fixed rate on any clock."""

    def __init__(self, rate_hz: float):
        """Take the rate. [Hz]"""
        self._period, self._due = 1.0 / rate_hz, -math.inf

    def __call__(self, now: float) -> bool:
        """Whether a turn is due at time `now` [s]; if so the next one is a period later."""
        if now < self._due - 1e-9:
            return False
        self._due = now + self._period
        return True
