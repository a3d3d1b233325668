# SPDX-License-Identifier: Apache-2.0
"""Injects faults into a running graph and prints what was seen, one JSON object a line.

    python -m reflexarc_nodes.live_study '{"scenario": "sidewalk_supervised", "rows": ["arc_sigkill"], "repetitions": 1,
                                           "fault_free_s": 5.0, "wall_s": 600.0, "domain": 7}'

`reflexarc validate faults --live` starts it; the library itself needs no ROS. Lines: `case`, a fault and what was seen;
`left_out`, a row that cannot be injected here; `note`, a text; `false_stop`, what was seen of one; `done`, false stops
and time without a fault. Every process is ended in any case, also on SIGINT and SIGTERM.
"""

import dataclasses
import json
import math
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from reflexarc.assurance.injection.false_stops import WINDOW_S, FalseStop, longest_pause, silences
from reflexarc.assurance.injection.live import LiveCase, live_rows, stop_time, unvouched
from reflexarc.assurance.injection.table import Injection
from reflexarc.core.errors import ConfigError, ReflexArcError
from reflexarc.robots import BaseRobot, load_base
from reflexarc_nodes.live_faults import LiveFault
from reflexarc_nodes.live_graph import MISSIONS, MOVING, SLOW, LiveGraph

STEADY_S = (0.3, 1.0)
"""The robot drives for a random time of this range before a fault begins. [s]"""
EXPLAIN_S = 1.5
"""After a false stop everybody has said why within this time: diagnostics come once a second. [s]"""
GATE_LINES = 4
"""Lines of the gate's log that are kept of a false stop."""
MORE_MISSIONS, MISSION_S = 4, 15.0
"""Missions beyond one per fault, and the least time of one without a fault. [s]"""


class LiveStudy:
    """Faults, one after the other, on one graph."""

    def __init__(
        self,
        graph: LiveGraph,
        robot: BaseRobot,
        seed: int = 0,
        say: Callable[[dict[str, Any]], None] = lambda _: None,
    ):
        """Take a started graph, the robot, the seed of when faults begin, and who is told of false stops."""
        self.graph, self.robot = graph, robot
        self.false_stops, self.fault_free_s = 0, 0.0
        self.injected = False
        """Whether the fault that was asked for last has begun."""
        self._random, self._say = random.Random(seed), say

    def quiet(self, duration_s: float) -> None:
        """Drive without a fault for some time of driving [s] and count false stops."""
        wanted = self.fault_free_s + duration_s
        while self.fault_free_s < wanted:
            self.graph.drive()
            self._watch(wanted - self.fault_free_s)

    def inject(self, row: Injection, repetition: int) -> LiveCase | None:
        """Inject one fault and return what was seen; None if the robot stopped for another reason before it began.

        Raises:
            ReflexArcError: the robot does not drive, or does not stop where it must.
            PermissionError: this process has not the rights to inject it.
        """
        graph, fault, self.injected = self.graph, LiveFault(row, self.graph), False
        try:
            fault.prepare()
            while True:
                graph.drive()
                if self._watch(self._random.uniform(*STEADY_S)) and graph.speed > MOVING * SLOW:
                    break
            speed, mode = graph.speed, graph.mode
            begun = fault.begin()
            self.injected = True
            fault.wait(begun)
        finally:
            fault.heal()
        if not graph.moved(begun):
            return None
        late, unjudged = unvouched(graph.commands, {k: tuple(v) for k, v in graph.beats.items()}, begun)
        seen = [(sent, name) for sent, name in graph.names if sent >= begun]
        named = [sent - begun for sent, name in seen if name in row.expects]
        stopped = graph.first_zero > graph.last_motion
        stood, inf = graph.stood > begun, math.inf
        plant = graph.plant_time
        return LiveCase(
            row.name,
            repetition,
            mode,
            speed,
            stop_time(self.robot, speed),
            named_s=min(named, default=inf),
            zero_s=max(0.0, graph.first_zero - begun) if stopped else inf,
            standstill_s=graph.stood - begun if stood else inf,
            braking_s=plant(graph.stood) - plant(begun) if stood else inf,
            zero_plant_s=max(0.0, plant(graph.first_zero) - plant(begun)) if stopped else inf,
            unvouched_s=late,
            unjudged=unjudged,
            names=tuple(sorted({name for _, name in seen})),
        )

    def _watch(self, duration_s: float) -> bool:
        """Drive on without a fault; whether the gate stayed open and no fault was named."""
        graph, begin, wall = self.graph, time.monotonic(), time.time()
        graph.until(lambda: not graph.open or time.monotonic() - begin > duration_s, "", duration_s + 1.0)
        self.fault_free_s += time.monotonic() - begin
        good = graph.open and not any(sent > wall for sent, _ in graph.names)
        if not good:
            self.false_stops += 1
            self._say({"false_stop": self._explain(wall).as_json()})
        return good

    def _explain(self, since: float) -> FalseStop:
        """Listen until everybody has said why, and return what was seen since a time. [s]"""
        graph, closed = self.graph, not self.graph.open
        named = min((sent for sent, _ in graph.names if sent > since), default=time.time())
        at = graph.first_zero if closed and graph.first_zero > since else named
        mode, reason = graph.mode, graph.mode_reason
        graph.listen_for(EXPLAIN_S)
        silent, unheard = silences({k: tuple(v) for k, v in graph.beats.items()}, at - WINDOW_S, at)
        return FalseStop(
            self.fault_free_s,
            closed,
            tuple(dict.fromkeys(text for sent, text in graph.told if sent > since)),
            tuple(sorted({name for sent, name in graph.names if sent > since})),
            mode,
            reason,
            silent,
            unheard,
            longest_pause(tuple(graph.looks), at - WINDOW_S, at),
            tuple(graph.processes.tail("gate_node", 2000).splitlines()[-GATE_LINES:]),
        )


def run_study(request: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
    """Inject what is asked for.

    Args:
        request: see the module.
        say: told every line.

    Raises:
        ConfigError: a row is not live, or the robot is no base on wheels.
        ReflexArcError: the graph does not start, or not again after a fault.
    """
    end = time.monotonic() + request["wall_s"]
    rows = {row.name: row for row in live_rows(request["rows"])}
    robot = load_base(request["robot"])
    if not isinstance(robot, BaseRobot):
        raise ConfigError(f"robot {request['robot']!r}: live faults are injected into a base on wheels only")
    with tempfile.TemporaryDirectory(prefix="reflexarc-faults-") as folder:
        faults = len(rows) * request["repetitions"]
        missions = min(MISSIONS, MORE_MISSIONS + faults + round(request["fault_free_s"] / MISSION_S))
        graph = LiveGraph(
            Path(folder), dict(os.environ), request["domain"], request["scenario"], missions=missions
        )
        try:
            study = LiveStudy(graph, robot, request.get("seed", 0), say)
            study.quiet(request["fault_free_s"])
            for repetition, row in _turns(rows, request["repetitions"]):
                if time.monotonic() > end:
                    say(
                        {
                            "note": f"the time of {request['wall_s']:g} s is over before {row.name} {repetition}"
                        }
                    )
                    break
                try:
                    case = study.inject(row, repetition)
                except PermissionError as error:
                    say({"left_out": row.name, "why": f"needs rights that this process has not: {error}"})
                    del rows[row.name]
                    continue
                except ReflexArcError as error:
                    say({"note": f"{row.name}: {error}; every node is started again"})
                    if study.injected:
                        failed = LiveCase(row.name, repetition, graph.mode, graph.speed, 0.0)
                        say(_case(dataclasses.replace(failed, unvouched_s=math.inf)))
                    graph.start_all()
                    continue
                if case is None:
                    say(
                        {
                            "note": f"{row.name}: the robot stopped before the fault began, so it was not injected"
                        }
                    )
                else:
                    say(_case(case))
            say({"done": True, "false_stops": study.false_stops, "fault_free_s": study.fault_free_s})
        finally:
            graph.close()


def _turns(rows: dict[str, Injection], repetitions: int) -> Iterator[tuple[int, Injection]]:
    """Yield every row once, then every row again; one that was deleted meanwhile not any more."""
    for repetition in range(repetitions):
        for name in tuple(rows):
            if name in rows:
                yield repetition, rows[name]


def _case(case: LiveCase) -> dict[str, Any]:
    return {"case": dataclasses.asdict(case)}


def main() -> int:
    """Run the study that the first argument asks for; exit code 1: it failed, and stderr says why."""

    def leave(*_: Any) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
    try:
        run_study(json.loads(sys.argv[1]), lambda line: print(json.dumps(line), flush=True))
    except KeyboardInterrupt:
        return 130
    except ReflexArcError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
