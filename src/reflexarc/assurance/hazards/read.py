# SPDX-License-Identifier: Apache-2.0
"""Read and check the file of a cell. The schema is in `cell.py`; every key that it does not name is an error."""

import hashlib
import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from reflexarc.assurance.hazards.cell import (
    Action,
    Cell,
    Hazard,
    Limits,
    Move,
    Person,
    Process,
    Resuming,
    SafetyMode,
    Sensor,
    Signal,
    Thing,
)
from reflexarc.assurance.hazards.condition import check_condition, check_update, holds
from reflexarc.assurance.supervisor.table import MOST_HAZARDS, canonical
from reflexarc.core.config import from_mapping, read_yaml
from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.types import Mode

T = TypeVar("T")
_KEYS = {
    "name",
    "description",
    "step_s",
    "horizon_steps",
    "sources",
    "person",
    "process",
    "things",
    "sensors",
    "signals",
    "modes",
    "hazards",
    "actions",
    "alarms",
    "default_stop",
    "resuming",
    "limits",
}
_OPTIONAL = {"things", "alarms"}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def read_cell(path: Path | str) -> Cell:
    """Read and check the file of a cell.

    Raises:
        ConfigError: anything that is wrong with it; the message says where and what is allowed.
    """
    return parse_cell(read_yaml(Path(path)), str(path))


def parse_cell(data: Mapping[str, Any], where: str) -> Cell:
    """Check the content of a file and return the cell.

    Raises:
        ConfigError: see `read_cell`.
    """
    for key in data:
        if key not in _KEYS:
            raise UnknownNameError("key", str(key), _KEYS, where)
    for key in sorted(_KEYS - _OPTIONAL - set(data)):
        raise ConfigError(f"{where}: the key {key!r} is required")
    cell = Cell(
        name=_word(data["name"], f"{where}.name"),
        description=_text(data["description"], f"{where}.description"),
        step_s=_positive(data["step_s"], f"{where}.step_s"),
        horizon_steps=int(_positive(data["horizon_steps"], f"{where}.horizon_steps", whole=True)),
        sources={
            key: _text(text, f"{where}.sources") for key, text in _section(data, "sources", where).items()
        },
        person=from_mapping(Person, data["person"], f"{where}.person"),
        process=from_mapping(Process, data["process"], f"{where}.process"),
        things=_entries(Thing, data, "things", where),
        sensors=_entries(Sensor, data, "sensors", where),
        signals=_entries(Signal, data, "signals", where),
        modes={
            name: _mode(entry, data["hazards"], f"{where}.modes.{name}")
            for name, entry in _section(data, "modes", where).items()
        },
        hazards=_entries(Hazard, data, "hazards", where),
        actions=_entries(Action, data, "actions", where),
        alarms=tuple(_word(name, f"{where}.alarms") for name in data.get("alarms", [])),
        default_stop=from_mapping(Action, data["default_stop"], f"{where}.default_stop"),
        resuming=from_mapping(Resuming, data["resuming"], f"{where}.resuming"),
        limits=from_mapping(Limits, data["limits"], f"{where}.limits"),
        sha256=hashlib.sha256(_canonical(data, where).encode()).hexdigest(),
    )
    _check(cell, where)
    return cell


def _check(cell: Cell, where: str) -> None:
    _check_names(cell, where)
    variables = cell.variables
    physical = {name: states for name, states in variables.items() if name != "mode"}
    for move in cell.person.moves:
        at = f"{where}.person.moves.{move.name}"
        check_condition(move.when, physical, f"{at}.when")
        check_update(move.set, _only(variables, cell.person.name, *cell.things), f"{at}.set")
        _known(move.deterred_by or move.hurried_by, "alarm", cell.alarms, at)
    for task in cell.process.tasks:
        at = f"{where}.process.tasks.{task.name}"
        check_condition(task.when, physical, f"{at}.when")
        check_update(task.set, _only(variables, "activity", *cell.things), f"{at}.set")
    check_condition(cell.process.goal, physical, f"{where}.process.goal")
    for name, signal in cell.signals.items():
        check_condition(signal.when, physical, f"{where}.signals.{name}.when")
        _known(signal.sensor, "sensor", cell.sensors, f"{where}.signals.{name}")
    for name, sensor in cell.sensors.items():
        _known(sensor.lost_signal, "signal", cell.signals, f"{where}.sensors.{name}")
    _check_hazards(cell, where)
    for name, action in [*cell.actions.items(), ("default_stop", cell.default_stop)]:
        at = f"{where}.{'' if name == 'default_stop' else 'actions.'}{name}"
        _known(action.mode, "mode", cell.modes, at)
        _known(action.activity, "activity", cell.process.activities, at)
        _known(action.alarm, "alarm", cell.alarms, at)
    modes = list(cell.modes.values())
    if any(a.arc > b.arc for a, b in itertools.pairwise(modes)) or modes[0].latched:
        raise ConfigError(
            f"{where}.modes: list them from the most permissive to the strictest; the first must move"
        )
    if not cell.modes[cell.default_stop.mode].latched:
        raise ConfigError(f"{where}.default_stop: its mode must be mapped to a stop, which is latched")
    for key, probability in cell.probabilities().items():
        _known(probability.source, "source", cell.sources, f"{where}: {key}")
    _check_choices(cell, where)


def _check_names(cell: Cell, where: str) -> None:
    named: dict[str, Iterable[str]] = {
        cell.person.name: cell.person.locations,
        "activity": cell.process.activities,
        **{name: thing.states for name, thing in cell.things.items()},
    }
    if len(cell.variables) != 3 + len(cell.things) + len(cell.sensors):
        raise ConfigError(f"{where}: the person, the things and the sensors need names of their own")
    for name, states in named.items():
        for word in [name, *(listed := list(states))]:
            _word(word, f"{where}: {name}")
        if len(set(listed)) != len(listed) or not listed:
            raise ConfigError(f"{where}: the states of {name} must be some, each named once")
    things = [(f"things.{name}", thing.initial, thing.states) for name, thing in cell.things.items()]
    for at, initial, states in [
        ("person", cell.person.initial, cell.person.locations),
        ("process", cell.process.initial, cell.process.activities),
        *things,
    ]:
        if initial not in states:
            raise UnknownNameError("initial state", initial, states, f"{where}.{at}")
    for kind, listed in (
        ("moves", [m.name for m in cell.person.moves]),
        ("tasks", [t.name for t in cell.process.tasks]),
        ("alarms", list(cell.alarms)),
    ):
        if len(set(listed)) != len(listed):
            raise ConfigError(f"{where}: two {kind} have the same name")


def _check_hazards(cell: Cell, where: str) -> None:
    if not 1 <= len(cell.hazards) <= MOST_HAZARDS:
        raise ConfigError(f"{where}.hazards: {len(cell.hazards)}; allowed: 1 to {MOST_HAZARDS}")
    if taken := {"mode", "activity", "stopped"} & set(cell.hazards):
        raise ConfigError(
            f"{where}.hazards: {', '.join(sorted(taken))} has a meaning of its own; choose another name"
        )
    for name, hazard in cell.hazards.items():
        at = f"{where}.hazards.{name}"
        check_condition(hazard.when, cell.variables, f"{at}.when")
        for kind in ("requires", "prevents", "causes", "blocks"):
            for other in getattr(hazard, kind):
                _known(other, "hazard", cell.hazards, f"{at}.{kind}")
                if other == name:
                    raise ConfigError(f"{at}.{kind}: a hazard stands in no relation to itself")
        for kind, allowed in (
            ("detected_by", cell.signals),
            ("mitigations", cell.actions),
            ("resumptions", cell.actions),
        ):
            listed = getattr(hazard, kind)
            if not listed or len(set(listed)) != len(listed):
                raise ConfigError(f"{at}.{kind}: at least one is needed, each once")
            for item in listed:
                _known(item, kind, allowed, at)
    unused = set(cell.signals) - {s for h in cell.hazards.values() for s in h.detected_by}
    if unused:
        raise ConfigError(f"{where}.signals: no hazard is detected by {', '.join(sorted(unused))}")
    rest = dict(cell.hazards)
    while free := [name for name, hazard in rest.items() if not set(hazard.blocks) & set(rest)]:
        for name in free:
            del rest[name]
    if rest:
        raise ConfigError(f"{where}.hazards: {', '.join(rest)} block each other in a circle")
    for name, hazard in cell.hazards.items():
        if set(hazard.causes) & set(hazard.prevents):
            raise ConfigError(f"{where}.hazards.{name}: it cannot cause what it prevents")
        for action in hazard.resumptions:
            if cell.modes[cell.actions[action].mode].latched:
                raise ConfigError(f"{where}.actions.{action}: a resumption cannot lead to a latched mode")


def _check_choices(cell: Cell, where: str) -> None:
    """In every state the moves' probabilities add up to at most 1, and at most one task is due."""
    variables = {n: s for n, s in cell.variables.items() if n != "mode"}
    for values in itertools.product(*variables.values()):
        state = dict(zip(variables, values, strict=True))
        moves = [move for move in cell.person.moves if holds(move.when, state)]
        total = sum(_most_likely(moves, alarm, cell.limits.confidence) for alarm in ("", *cell.alarms))
        if total > 1.0 + 1e-9:
            names = ", ".join(move.name for move in moves)
            raise ConfigError(
                f"{where}: in {state} the moves {names} have probabilities up to {total:g}, above 1"
            )
        due = [task.name for task in cell.process.tasks if holds(task.when, state)]
        if len(due) > 1:
            raise ConfigError(f"{where}: in {state} several tasks are due: {', '.join(due)}; allowed: one")


def _most_likely(moves: Iterable[Move], alarm: str, confidence: float) -> float:
    """Return the largest sum of probabilities of the moves that depend on the alarm, at intensity 0 or 1."""
    own = [move for move in moves if (move.deterred_by or move.hurried_by) == alarm]
    quiet = sum(move.probability.interval(confidence)[1] for move in own)
    loud = sum(1.0 for move in own if move.hurried_by)
    return max(quiet, loud)


def _mode(entry: Any, hazards: Any, where: str) -> SafetyMode:
    if not isinstance(entry, Mapping) or set(entry) != {"arc", "productivity", "mishap"}:
        raise ConfigError(f"{where}: a mode needs exactly arc, productivity and mishap; found {entry!r}")
    if entry["arc"] not in Mode.__members__:
        raise UnknownNameError("mode of the arc", str(entry["arc"]), Mode.__members__, where)
    factors = entry["mishap"]
    if not isinstance(factors, Mapping) or set(factors) != set(hazards):
        raise ConfigError(f"{where}.mishap: one factor for each of {', '.join(hazards)}; found {factors!r}")
    return SafetyMode(
        Mode[entry["arc"]],
        _factor(entry["productivity"], f"{where}.productivity"),
        {name: _factor(value, f"{where}.mishap.{name}") for name, value in factors.items()},
    )


def _entries(cls: type[T], data: Mapping[str, Any], key: str, where: str) -> dict[str, T]:
    section = _section(data, key, where)
    return {
        _word(name, f"{where}.{key}"): from_mapping(cls, entry, f"{where}.{key}.{name}")
        for name, entry in section.items()
    }


def _section(data: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    section = data.get(key, {})
    if not isinstance(section, Mapping):
        raise ConfigError(f"{where}.{key}: expected a mapping of names, found {section!r}")
    return section


def _only(variables: Mapping[str, tuple[str, ...]], *names: str) -> dict[str, tuple[str, ...]]:
    return {name: variables[name] for name in names}


def _known(name: str, kind: str, allowed: Iterable[str], where: str) -> None:
    if name and name not in (listed := list(allowed)):
        raise UnknownNameError(kind, name, listed, where)


def _word(name: Any, where: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(f"{where}: {name!r} is no name; allowed: letters, digits and _, a letter first")
    return name


def _text(text: Any, where: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"{where}: expected a text, found {text!r}")
    return text


def _number(accept: Callable[[float], bool], value: Any, allowed: str, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not accept(value):
        raise ConfigError(f"{where}: {value!r}; allowed: {allowed}")
    return float(value)


def _factor(value: Any, where: str) -> float:
    return _number(lambda v: 0.0 <= v <= 1.0, value, "0 to 1", where)


def _positive(value: Any, where: str, whole: bool = False) -> float:
    top = 1_000_000
    accept = (lambda v: 0 < v <= top and float(v).is_integer()) if whole else (lambda v: 0 < v <= top)
    return _number(accept, value, f"above 0 to {top:,}{', whole' if whole else ''}", where)


def _canonical(data: Mapping[str, Any], where: str) -> str:
    try:
        return canonical(data)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{where}: only text, finite numbers, lists and mappings are allowed: {error}"
        ) from error
