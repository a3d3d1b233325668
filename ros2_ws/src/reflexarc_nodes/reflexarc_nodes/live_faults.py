# SPDX-License-Identifier: Apache-2.0
"""How each live row of the table of injections is begun and ended on a running graph."""

import os
import signal
import time
from collections.abc import Callable

from reflexarc.assurance.injection.processes import ABOVE, LOWEST
from reflexarc.assurance.injection.table import Injection
from reflexarc.core.gate_interfaces import heartbeat_topic
from reflexarc_nodes.live_graph import FAR, LiveGraph

PULSE_S, PAUSE_S, PULSES_S = 0.03, 0.01, 1.0
"""An arc that overruns: stopped, running, in all. [s]"""
BUSY_S = 2.0
"""How long processes are starved. [s]"""
BUSY_PER_CORE = 4
JUMP_S = {"clock_back": -1.0, "clock_ahead": 10.0}
"""What foreign clock messages are off by. [s]"""
TWIN = "arc_twin"
NODE = {
    "arc": "arc_node",
    "supervisor": "supervisor_node",
    "plant": "plant_node",
    "policy": "task_policy_node",
    "gate": "gate_node",
}


class LiveFault:
    """One row on one graph."""

    def __init__(self, row: Injection, graph: LiveGraph):
        """Take row and graph."""
        self.row, self.graph = row, graph
        self._node = NODE.get(row.name.split("_")[0], "")

    def prepare(self) -> None:
        """Make the graph one in which the fault can begin, before the robot drives.

        Raises:
            ReflexArcError: a second arc does not beat.
        """
        self.graph.relaying = True
        if self.row.mode == "cut":
            topic = heartbeat_topic("supervisor")
            self.graph.start("supervisor_node", remaps=(f"{topic}:={FAR}/{topic}",))
        elif self.row.mode == "twice":  # its start would starve the robot, so it is made to wait
            began = time.time()
            self.graph.start("arc_node", TWIN)
            self.graph.until(lambda: self.graph.foreign > began, "a second arc beats")
            self.graph.processes.signal(TWIN, signal.SIGSTOP)

    def begin(self) -> float:
        """Begin, and return when. [s]

        Raises:
            PermissionError: this process has not the rights to.
        """
        graph, mode, begun = self.graph, self.row.mode, time.time()
        if mode in {"sigstop", "sigkill"}:
            graph.processes.signal(self._node, signal.SIGSTOP if mode == "sigstop" else signal.SIGKILL)
        elif mode == "pulsed":
            graph.processes.pulse(self._node, PULSE_S, PAUSE_S, PULSES_S)
        elif mode in {"busy", "busy_above", "starved"}:
            if mode == "starved":
                graph.processes.nice(self._node, LOWEST)
            count = BUSY_PER_CORE * (os.cpu_count() or 1)
            graph.processes.spin(count, BUSY_S, ABOVE if mode == "busy_above" else 0)
        elif mode == "cut":
            graph.relaying = False
        elif mode == "twice":
            graph.processes.signal(TWIN, signal.SIGCONT)
            graph.until(lambda: graph.foreign > begun, "a second arc beats")
            begun = graph.foreign
        else:
            begun = graph.foreign_clock(JUMP_S[mode])
        return begun

    def wait(self, begun: float) -> None:
        """Wait for what the row promises, and as long as it takes to see that it stays so.

        Raises:
            ReflexArcError: the gate never closes, or the robot never stands.
        """
        graph, measure = self.graph, self.row.measure
        if measure == "vouched":
            graph.listen_for(max(0.0, begun + BUSY_S + 0.5 - time.time()))
            return
        if measure == "zero":
            graph.until(lambda: graph.stopped(begun), f"zero after {self.row.name}")
        if not graph.moved(begun):
            return
        if not self.row.name.startswith("plant"):
            graph.until(lambda: graph.stood > begun, f"standstill after {self.row.name}")

    def heal(self) -> None:
        """Undo it; what cannot be undone is started again."""
        graph, mode = self.graph, self.row.mode
        graph.processes.still()
        again: Callable[[str], None] = graph.start
        if mode == "sigstop":
            graph.processes.signal(self._node, signal.SIGCONT)
        elif self.row.name == "plant_sigkill":
            graph.start_all()
        elif mode in {"sigkill", "starved", "cut"}:
            again(self._node)
        elif mode in JUMP_S:  # latched
            again("arc_node")
        elif mode == "twice":
            graph.processes.end(TWIN, kill=True)
        graph.relaying = True
