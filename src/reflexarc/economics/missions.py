# SPDX-License-Identifier: Apache-2.0
"""The mission file: which seeded missions every policy of a comparison drives.

```
{"schema": 1, "scenario": "sidewalk_delivery", "overrides": {"missions.count": "1"},
 "missions": [{"seed": 1000, "start": [x, y], "goal": [x, y], "timeout_s": 60.0}]}
```

Positions are metres in the fixed frame of the seed's world. A run checks that its own plan is the file's, so
that a change of the world's generator cannot pass as a change of the policy. Timeouts are simulated seconds.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reflexarc.core.errors import ConfigError
from reflexarc.economics.readers.rows import number, only_known

SCHEMA = 1
POSITION_TOLERANCE_M = 1e-6
"""Largest difference between a planned position and the file's. [m]"""


@dataclass(frozen=True, slots=True)
class SeededMission:
    """One mission: the seed decides world, people and noise."""

    seed: int
    start: tuple[float, float]
    """[m]"""
    goal: tuple[float, float]
    """[m]"""
    timeout_s: float
    """[s]"""

    @property
    def key(self) -> str:
        """Identity of the mission in an episode table."""
        return f"seed{self.seed}"

    def same_as(self, other: "SeededMission") -> bool:
        """Return whether both are the same mission."""
        apart = max(math.dist(self.start, other.start), math.dist(self.goal, other.goal))
        return self.seed == other.seed and self.timeout_s == other.timeout_s and apart <= POSITION_TOLERANCE_M


@dataclass(frozen=True, slots=True)
class MissionFile:
    """Missions of one scenario."""

    scenario: str
    overrides: Mapping[str, str]
    """Dotted keys of the scenario that were replaced."""
    missions: tuple[SeededMission, ...]

    def save(self, path: Path) -> None:
        """Write the file."""
        data = {"schema": SCHEMA, "scenario": self.scenario, "overrides": dict(self.overrides)}
        rows = ",\n  ".join(json.dumps(asdict(mission)) for mission in self.missions)
        text = json.dumps(data)[:-1]
        path.write_text(f'{text}, "missions": [\n  {rows}\n]}}\n', encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "MissionFile":
        """Read and check the file.

        Raises:
            ConfigError: not JSON, another schema, an unknown or missing field, a repeated seed, or no
                mission.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: not readable as a mission file: {error}") from error
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise ConfigError(f"{path}: field 'schema': expected {SCHEMA}; nothing was read")
        only_known(data, ("schema", "scenario", "overrides", "missions"), str(path))
        rows = data.get("missions")
        if not isinstance(rows, list) or not rows:
            raise ConfigError(f"{path}: field 'missions': at least one mission is needed")
        missions = tuple(_mission(row, f"{path}: row {i}") for i, row in enumerate(rows, start=1))
        if len({m.seed for m in missions}) != len(missions):
            raise ConfigError(
                f"{path}: field 'seed': a seed occurs twice; each mission needs a seed of its own"
            )
        return cls(str(data.get("scenario", "")), dict(data.get("overrides", {})), missions)


def _mission(row: Any, where: str) -> SeededMission:
    if not isinstance(row, dict):
        raise ConfigError(f"{where}: expected an object, found {row!r}")
    only_known(row, tuple(SeededMission.__dataclass_fields__), where)
    points = {}
    for name in ("start", "goal"):
        value = row.get(name)
        if (
            not isinstance(value, list)
            or len(value) != 2
            or not all(isinstance(x, int | float) and math.isfinite(x) for x in value)
        ):
            raise ConfigError(f"{where}, field {name!r}: expected two finite numbers [m], found {value!r}")
        points[name] = (float(value[0]), float(value[1]))
    seed = number(row, "seed", where)
    if not seed.is_integer():
        raise ConfigError(f"{where}, field 'seed': {row['seed']!r} must be a whole number")
    return SeededMission(int(seed), points["start"], points["goal"], number(row, "timeout_s", where))
