# SPDX-License-Identifier: Apache-2.0
"""Supervisor table: a verified policy as a finite automaton in one JSON file that carries its own digest.

A state is a mode together with the hazards that are held mitigated. The input is the set of perceived hazards as a bit
mask, bit i for hazard i. Each state has two rows of successors, one entry per mask:

    hold[mask]      while what was mitigated has to stay mitigated;
    release[mask]   when it may be resumed: the hazard was clear for the dwell, or a stop was acknowledged.

What the policy does not provide for leads to the state `default_stop`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reflexarc.core.errors import ModelError
from reflexarc.core.types import Mode

FORMAT = "reflexarc supervisor table"
VERSION = 1
MOST_HAZARDS = 10
"""Rows have 2^n entries."""
_KEYS = {
    "format",
    "version",
    "cell",
    "model_sha256",
    "policy",
    "alarms",
    "signals",
    "excused_by",
    "hazards",
    "states",
    "initial",
    "default_stop",
    "transitions",
    "properties",
    "digest",
}
_STATE_KEYS = {"name", "mode", "arc_mode", "hazards", "alarms"}


@dataclass(frozen=True, slots=True)
class TableState:
    """One state of the supervisor."""

    name: str
    mode: str
    """The cell's word."""
    arc_mode: Mode
    """What the arc executes."""
    hazards: int
    """Bit mask of the hazards that are held mitigated."""
    alarms: tuple[float, ...]
    """Intensity of each alarm, 0 to 1, in the order of the table's alarms."""

    @property
    def latched(self) -> bool:
        """Whether this state ends only with an acknowledgement."""
        return self.arc_mode >= Mode.PROTECTIVE_STOP


@dataclass(frozen=True, slots=True)
class SupervisorTable:
    """A verified policy, ready to be executed."""

    cell: str
    model_sha256: str
    """Of the canonical hazard model that the policy was verified on."""
    policy: Mapping[str, str]
    alarms: Mapping[str, float]
    signals: tuple[str, ...]
    """Every one of them is needed at every step."""
    excused_by: Mapping[str, str]
    """Signal to the one which, while true, excuses that this one is unknown."""
    hazards: Mapping[str, tuple[str, ...]]
    """Hazard to its signals; any of them makes it perceived. The order gives the bits."""
    states: tuple[TableState, ...]
    initial: int
    default_stop: int
    hold: tuple[tuple[int, ...], ...]
    release: tuple[tuple[int, ...], ...]
    properties: Mapping[str, Any]
    """What was verified, with its values."""
    digest: str

    def names(self, mask: int) -> tuple[str, ...]:
        """Return the hazards of a bit mask."""
        return tuple(name for i, name in enumerate(self.hazards) if mask >> i & 1)


def digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 over everything but the digest itself, as canonical JSON."""
    rest = {key: value for key, value in content.items() if key != "digest"}
    return hashlib.sha256(canonical(rest).encode()).hexdigest()


def canonical(content: Any) -> str:
    """Return JSON with sorted keys and no spaces: one text for one content."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def write_table(content: Mapping[str, Any], path: Path) -> SupervisorTable:
    """Add the digest, check the whole, write it and return what was written.

    Raises:
        ModelError: the content is no valid table; nothing was written.
    """
    whole = {**content, "digest": digest(content)}
    table = parse_table(whole, str(path))
    rows = json.dumps(whole, indent=1, allow_nan=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_flat_rows(rows) + "\n", encoding="utf-8")
    return table


def read_table(path: Path | str) -> SupervisorTable:
    """Read and check a table.

    Raises:
        ModelError: the file is missing, truncated, of another format or version, changed after it was written, or
            holds an automaton that is not complete or leaves a latched stop by itself.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path}: not readable as a supervisor table: {error}; no supervisor runs"
        ) from error
    return parse_table(content, str(path))


def parse_table(content: Any, where: str) -> SupervisorTable:
    """Check the content of a table and return it.

    Raises:
        ModelError: see `read_table`.
    """
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ModelError(f"{where}: this is no {FORMAT}")
    if content.get("version") != VERSION or isinstance(content["version"], bool):
        raise ModelError(f"{where}: version {content.get('version')!r} is not known; allowed: {VERSION}")
    if set(content) != _KEYS:
        raise ModelError(
            f"{where}: the keys differ from those of version {VERSION}: {sorted(set(content) ^ _KEYS)}"
        )
    expected = _digest_or_none(content)
    if expected is None or content["digest"] != expected:
        raise ModelError(f"{where}: the content does not agree with its digest; it was changed or damaged")
    try:
        return _table(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{where}: {error}") from error


def _table(content: dict[str, Any]) -> SupervisorTable:
    hazards = {str(name): tuple(signals) for name, signals in content["hazards"].items()}
    if not 1 <= len(hazards) <= MOST_HAZARDS:
        raise ValueError(f"{len(hazards)} hazards; allowed: 1 to {MOST_HAZARDS}")
    signals = tuple(content["signals"])
    used = [name for names in hazards.values() for name in names]
    if len(set(signals)) != len(signals) or set(used) != set(signals) or not all(hazards.values()):
        raise ValueError("signals must be exactly those that the hazards are detected by, each once")
    excused = dict(content["excused_by"])
    if not (set(excused) | set(excused.values())) <= set(signals):
        raise ValueError("excused_by names a signal that is not in the table")
    alarms = {str(name): _share(value) for name, value in content["alarms"].items()}
    states = tuple(_state(entry, list(hazards), len(alarms)) for entry in content["states"])
    rows = content["transitions"]
    if len(rows) != len(states):
        raise ValueError(f"{len(states)} states with {len(rows)} transitions")
    hold, release = (
        tuple(_row(row[kind], len(hazards), len(states)) for row in rows) for kind in ("hold", "release")
    )
    initial, stop = (_index(content[key], len(states)) for key in ("initial", "default_stop"))
    if not states[stop].latched or states[initial].hazards or states[initial].latched:
        raise ValueError(
            "the default stop must be latched, and the initial state neither latched nor mitigated"
        )
    if len({state.name for state in states}) != len(states):
        raise ValueError("two states have the same name")
    for state, row in zip(states, hold, strict=True):
        if any(s != stop and state.hazards & ~states[s].hazards for s in row):
            raise ValueError(f"state {state.name!r} lets go of a hazard that it should hold")
        if state.latched and any(states[successor].arc_mode < state.arc_mode for successor in row):
            raise ValueError(f"state {state.name!r} is latched but is left without a release")
    for state, row in zip(states, release, strict=True):
        loose = (s for mask, s in enumerate(row) if mask and states[s].arc_mode < state.arc_mode)
        if state.latched and any(True for _ in loose):
            raise ValueError(f"state {state.name!r} is latched but is left while a hazard is perceived")
    return SupervisorTable(
        str(content["cell"]),
        str(content["model_sha256"]),
        dict(content["policy"]),
        alarms,
        signals,
        excused,
        hazards,
        states,
        initial,
        stop,
        hold,
        release,
        content["properties"],
        content["digest"],
    )


def _state(entry: Any, hazards: list[str], alarms: int) -> TableState:
    if set(entry) != _STATE_KEYS:
        raise ValueError(f"a state needs exactly {', '.join(sorted(_STATE_KEYS))}; found {entry!r}")
    held = sum(1 << hazards.index(name) for name in entry["hazards"])
    levels = tuple(_share(value) for value in entry["alarms"])
    if len(levels) != alarms:
        raise ValueError(f"state {entry['name']!r} has {len(levels)} alarms, the table {alarms}")
    return TableState(entry["name"], entry["mode"], Mode[entry["arc_mode"]], held, levels)


def _row(row: Any, hazards: int, states: int) -> tuple[int, ...]:
    if not isinstance(row, list) or len(row) != 1 << hazards:
        raise ValueError(f"a row of transitions needs {1 << hazards} entries")
    return tuple(_index(value, states) for value in row)


def _index(value: Any, count: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < count:
        raise ValueError(f"{value!r} is no index of a state; allowed: 0 to {count - 1}")
    return value


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise ValueError(f"{value!r} is no intensity of an alarm; allowed: 0 to 1")
    return float(value)


def _digest_or_none(content: dict[str, Any]) -> str | None:
    try:
        return digest(content)
    except (TypeError, ValueError):
        return None


def _flat_rows(text: str) -> str:
    """Put every list of numbers or words on one line."""
    lines, open_list = [], False
    for line in text.splitlines():
        stripped = line.strip()
        if open_list and stripped[0] not in "{[":
            open_list = not stripped.startswith("]")
            lines[-1] += stripped + (" " if open_list and stripped.endswith(",") else "")
        else:
            lines.append(line)
            open_list = stripped.endswith("[")
    return "\n".join(lines)
