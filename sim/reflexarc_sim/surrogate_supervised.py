# SPDX-License-Identifier: Apache-2.0
"""Supervisor and gate of a lock-step run, whose messages go into a recording as those of the live nodes do.

`mode` is sent when mode or state of the table change, as supervisor_node does; every source's beats and the operator's
acknowledgements are sent as they happen.
"""

from typing import Any

from reflexarc.assurance.gate import Gate
from reflexarc.assurance.supervision import Directive, Supervision, load_table
from reflexarc.core.gate_interfaces import ACKNOWLEDGE, heartbeat_topic
from reflexarc.core.types import BaseState
from reflexarc.robots import load_base
from reflexarc_sim import surrogate_messages as messages
from reflexarc_sim.scenario import Scenario
from reflexarc_sim.supervised import Supervised

OPERATOR = "simulated operator"
"""Who acknowledges."""


class RecordedSupervised(Supervised):
    """What stands around the arc of one run, recorded."""

    def __init__(self, scenario: Scenario, log: messages.MessageLog):
        """Take the scenario and where messages go; raises as `Supervised`."""
        super().__init__(scenario)
        config = scenario.supervisor
        self.supervision = _Supervision(log, load_table(config.table), config, load_base(scenario.robot))
        self.gate = _Gate(log, config.gate)


class _Supervision(Supervision):
    """Records acknowledgements, modes and the gate's beats."""

    def __init__(self, log: messages.MessageLog, *args: Any) -> None:
        super().__init__(*args)
        self._log = log
        self._last: Directive | None = None

    def hear_gate(self, seq: int, stamp: float, motion: bool, now: float) -> None:
        self._log.send(heartbeat_topic("gate"), messages.heartbeat("gate", seq, stamp, motion), now)
        super().hear_gate(seq, stamp, motion, now)

    def turn(
        self, state: BaseState | None, now: float, steady: float, acknowledged: bool = False
    ) -> Directive:
        if acknowledged:
            self._log.send(ACKNOWLEDGE, {"data": OPERATOR}, now)
        directive, last = super().turn(state, now, steady, acknowledged), self._last
        if last is None or (directive.mode, directive.state) != (last.mode, last.state):
            self._log.send("mode", messages.mode(now, directive.mode, directive.reason), now)
        self._last = directive
        return directive


class _Gate(Gate):
    """Records the beats that arrive."""

    def __init__(self, log: messages.MessageLog, *args: Any) -> None:
        super().__init__(*args)
        self._log = log

    def beat(self, source: str, seq: int, stamp: float, now: float, motion: bool = True) -> None:
        self._log.send(heartbeat_topic(source), messages.heartbeat(source, seq, stamp, motion), now)
        super().beat(source, seq, stamp, now, motion)
