# SPDX-License-Identifier: Apache-2.0
"""A cell trace: what a cell did, in the variables of its hazard model, one entry per turn.

The model goes round in three turns of `step_s` each: supervisor, process, person. An entry holds the variables *before*
its turn is taken, so that what differs between it and the next entry is what the turn did:

    supervisor   reads `signals`; the next entry has the new `state` of the table, its `mode`, the activity asked for;
    process      the next entry has what a task changed (`activity`, `things`), or the `mishap` that ends the trace;
    person       the next entry has the person's new location, what they changed, and the new states of the sensors.

Nothing else may change in a turn. A trace begins with a supervisor's turn in any state of the cell, and ends where the
run ended, or where a mishap happened: the last entry alone may name one.

File: JSON lines. A line with `format` begins a trace; a file may hold several.

    {"format": "reflexarc cell trace", "version": 1, "cell": "welding", "step_s": 0.5, "source": "seed 3"}
    {"time": 0.0, "turn": "supervisor", "person": "at_table", "activity": "idle", "things": {"support": "empty"},
     "sensors": {"range_finder": "works"}, "signals": {"range_near": false}, "mode": "normal", "state": "normal",
     "mishap": ""}

A continuous simulation samples itself once per round of 3 `step_s`: signals that were true at any time of the round are
true in it, the person is where they were in most danger, and the entries of the round's three turns follow from that.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reflexarc.assurance.hazards.cell import SENSOR_STATES, Cell
from reflexarc.assurance.supervisor.table import SupervisorTable
from reflexarc.core.errors import ConfigError, UnknownNameError

FORMAT = "reflexarc cell trace"
VERSION = 1
TURNS = ("supervisor", "process", "person")
"""In this order, round and round."""
TIME_TOLERANCE = 0.01
"""Share of `step_s` by which the time of an entry may differ from its place in the grid of turns."""
_HEAD = {"format", "version", "cell", "step_s", "source"}


@dataclass(frozen=True, slots=True)
class Step:
    """The variables of a cell before one turn."""

    time: float
    """[s]"""
    turn: str
    """Whose turn is about to be taken, one of `TURNS`."""
    person: str
    """Where the person really is."""
    activity: str
    """Of the process."""
    mode: str
    """The cell's word for the mode of `state`."""
    state: str
    """Name of the state of the supervisor's table."""
    things: Mapping[str, str] = field(default_factory=dict)
    """Every thing of the cell to its state."""
    sensors: Mapping[str, str] = field(default_factory=dict)
    """Every sensor of the cell: `works`, `wrong` (unnoticed) or `lost` (noticed). `works` where nobody can tell."""
    signals: Mapping[str, bool | None] = field(default_factory=dict)
    """What the supervisor is given, every signal of the cell; None is not known. Needed at the supervisor's turn, not
    read at the others, where it may be empty."""
    mishap: str = ""
    """Hazard that became a mishap in the turn before; empty for none."""

    def variables(self, cell: Cell) -> dict[str, str]:
        """Return the variables that conditions name, with their states."""
        return {
            cell.person.name: self.person,
            "activity": self.activity,
            "mode": self.mode,
            **self.things,
            **self.sensors,
        }


@dataclass(frozen=True, slots=True)
class CellTrace:
    """One run, or a part of one without a gap."""

    cell: str
    """Name of the cell."""
    step_s: float
    """Duration of a turn. [s]"""
    source: str
    """Where it comes from: a recording, or a simulator with its seed."""
    steps: tuple[Step, ...]

    def turns(self) -> Iterator[tuple[Step, Step]]:
        """Yield every turn that was taken: the entry before and the entry after it."""
        return zip(self.steps, self.steps[1:], strict=False)


def check_trace(trace: CellTrace, cell: Cell, table: SupervisorTable | None = None) -> None:
    """Check a trace against its cell, and against the states of the table where one is given.

    Raises:
        ConfigError: another cell or step, no turn at all, times or turns out of order, a missing variable, a mishap
            before the end.
        UnknownNameError: a name that the cell or the table does not have.
    """
    where = f"cell trace {trace.source!r}"
    if trace.cell != cell.name:
        raise ConfigError(f"{where}: it is of the cell {trace.cell!r}, asked for {cell.name!r}")
    if not math.isclose(trace.step_s, cell.step_s, rel_tol=1e-6):
        raise ConfigError(f"{where}: its turns take {trace.step_s} s, those of the cell {cell.step_s} s")
    if len(trace.steps) < 2:
        raise ConfigError(f"{where}: {len(trace.steps)} entries; at least 2 are needed for one turn")
    begin = trace.steps[0].time
    for k, step in enumerate(trace.steps):
        at = f"{where}: entry {k}"
        if step.turn != TURNS[k % 3]:
            raise ConfigError(f"{at}: it is the turn of {step.turn!r}, expected {TURNS[k % 3]!r}")
        late = step.time - begin - k * cell.step_s
        if not abs(late) <= TIME_TOLERANCE * cell.step_s * (1 + k * 1e-6):
            raise ConfigError(
                f"{at}: time {step.time} s; expected {begin + k * cell.step_s:.6f} s, one turn per {cell.step_s} s"
            )
        if step.mishap and k < len(trace.steps) - 1:
            raise ConfigError(f"{at}: a mishap ends a trace, but {len(trace.steps) - 1 - k} entries follow")
        _check_step(step, cell, table, at)


def _check_step(step: Step, cell: Cell, table: SupervisorTable | None, at: str) -> None:
    _one_of(step.person, cell.person.locations, "location", at)
    _one_of(step.activity, cell.process.activities, "activity", at)
    _one_of(step.mode, cell.modes, "mode", at)
    if step.mishap:
        _one_of(step.mishap, cell.hazards, "hazard", at)
    _all_of(step.things, cell.things, "things", at)
    for name, thing in cell.things.items():
        _one_of(step.things[name], thing.states, f"state of {name}", at)
    _all_of(step.sensors, cell.sensors, "sensors", at)
    for name in cell.sensors:
        _one_of(step.sensors[name], SENSOR_STATES, f"state of {name}", at)
    if step.turn == TURNS[0]:
        _all_of(step.signals, cell.signals, "signals", at)
    if table is None:
        return
    modes = {state.name: state.mode for state in table.states}
    _one_of(step.state, modes, "state of the table", at)
    if modes[step.state] != step.mode:
        raise ConfigError(f"{at}: mode {step.mode!r}, but the state {step.state!r} has {modes[step.state]!r}")


def write_traces(traces: Iterable[CellTrace], path: Path) -> None:
    """Write traces into one file, whose folder is made if need be."""
    lines = []
    for trace in traces:
        head = {"format": FORMAT, "version": VERSION, "cell": trace.cell, "step_s": trace.step_s}
        lines.append(json.dumps({**head, "source": trace.source}, allow_nan=False))
        lines += [json.dumps(asdict(step), allow_nan=False) for step in trace.steps]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_traces(path: Path, cell: Cell, table: SupervisorTable | None = None) -> tuple[CellTrace, ...]:
    """Read and check the traces of a file.

    Raises:
        ConfigError: the file is missing, is no file of traces, was cut off, or `check_trace` refuses one.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not readable as cell traces: {error}") from error
    heads: list[Mapping[str, Any]] = []
    steps: list[list[Step]] = []
    for number, line in enumerate(lines, 1):
        at = f"{path}:{number}"
        entry = _entry(line, at)
        if "format" in entry:
            heads.append(_head(entry, at))
            steps.append([])
        elif not heads:
            raise ConfigError(f"{at}: the first line of a file of traces must be a head with `format`")
        else:
            steps[-1].append(_step(entry, at))
    if not heads:
        raise ConfigError(f"{path}: the file is empty; expected cell traces")
    traces = tuple(
        CellTrace(head["cell"], float(head["step_s"]), head["source"], tuple(own))
        for head, own in zip(heads, steps, strict=True)
    )
    for trace in traces:
        try:
            check_trace(trace, cell, table)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error
    return traces


def _entry(line: str, at: str) -> Mapping[str, Any]:
    try:
        entry = json.loads(line, parse_constant=lambda word: math.nan if word == "NaN" else math.inf)
    except ValueError as error:
        raise ConfigError(f"{at}: no JSON: {error}; was the file cut off?") from error
    if not isinstance(entry, dict):
        raise ConfigError(f"{at}: expected an object, found {entry!r}")
    return entry


def _head(entry: Mapping[str, Any], at: str) -> Mapping[str, Any]:
    if entry["format"] != FORMAT or entry.get("version") != VERSION or isinstance(entry["version"], bool):
        raise ConfigError(f"{at}: {entry['format']!r} {entry.get('version')!r}; allowed: {FORMAT} {VERSION}")
    if set(entry) != _HEAD:
        raise ConfigError(f"{at}: a head has exactly {', '.join(sorted(_HEAD))}; found {', '.join(entry)}")
    _typed(entry["cell"], str, "cell", at)
    _typed(entry["source"], str, "source", at)
    _number(entry["step_s"], "step_s", at)
    return entry


def _step(entry: Mapping[str, Any], at: str) -> Step:
    names = set(Step.__dataclass_fields__)
    if set(entry) != names:
        raise ConfigError(f"{at}: missing or unknown keys: {', '.join(sorted(set(entry) ^ names))}")
    _number(entry["time"], "time", at)
    for key in ("turn", "person", "activity", "mode", "state", "mishap"):
        _typed(entry[key], str, key, at)
    for key in ("things", "sensors", "signals"):
        _typed(entry[key], dict, key, at)
    for key in ("things", "sensors"):
        for name, value in entry[key].items():
            _typed(value, str, f"{key}.{name}", at)
    for name, value in entry["signals"].items():
        if value is not None:
            _typed(value, bool, f"signals.{name}", at)
    return Step(**{**entry, "time": float(entry["time"])})


def _number(value: Any, key: str, at: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{at}: {key}: {value!r} is no finite number")


def _typed(value: Any, kind: type, key: str, at: str) -> None:
    if not isinstance(value, kind):
        raise ConfigError(f"{at}: {key}: expected {kind.__name__}, found {value!r}")


def _one_of(value: str, allowed: Iterable[str], kind: str, at: str) -> None:
    if value not in (listed := list(allowed)):
        raise UnknownNameError(kind, str(value), listed, at)


def _all_of(given: Mapping[str, Any], wanted: Mapping[str, Any] | Sequence[str], kind: str, at: str) -> None:
    if set(given) != set(wanted):
        raise ConfigError(f"{at}: {kind}: missing or unknown: {', '.join(sorted(set(given) ^ set(wanted)))}")
