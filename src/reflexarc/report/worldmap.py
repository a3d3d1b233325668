# SPDX-License-Identifier: Apache-2.0
"""What a report draws of the world: plain shapes, read from the `world.json` beside each run."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from reflexarc.core.errors import RecordingError

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Area:
    """A filled polygon, such as a building or a ramp."""

    kind: str
    polygon: tuple[Point, ...]
    """Corners in order. [m]"""


@dataclass(frozen=True, slots=True)
class Disc:
    """A round static obstacle."""

    kind: str
    x: float
    """[m]"""
    y: float
    """[m]"""
    radius: float
    """[m]"""


@dataclass(frozen=True, slots=True)
class WorldMap:
    """Shapes in the fixed frame."""

    bounds: tuple[float, float, float, float]
    """Smallest x, smallest y, largest x, largest y. [m]"""
    lines: tuple[tuple[float, float, float, float], ...] = ()
    """Edges that the robot must not cross, such as kerbs: x1, y1, x2, y2. [m]"""
    areas: tuple[Area, ...] = ()
    discs: tuple[Disc, ...] = ()
    goals: tuple[Point, ...] = ()
    """Goals of the missions in order. [m]"""

    def save(self, path: Path) -> None:
        """Write the map as JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "WorldMap":
        """Read a map written by `save`.

        Raises:
            RecordingError: the file is missing or not such a map.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                bounds=tuple(data["bounds"]),
                lines=tuple(tuple(line) for line in data["lines"]),
                areas=tuple(Area(a["kind"], tuple(tuple(p) for p in a["polygon"])) for a in data["areas"]),
                discs=tuple(Disc(**disc) for disc in data["discs"]),
                goals=tuple(tuple(goal) for goal in data["goals"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RecordingError(f"cannot read the world map {path}: {error}") from error
