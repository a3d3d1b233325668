# SPDX-License-Identifier: Apache-2.0
"""Roadmap of a square for a fleet: streets with a lane each way, crossings, and bays to wait and deliver in.

Traffic keeps to the right. Lanes along x and along y share the vertices where they cross, so that a robot may go
straight on or turn there. A bay lies beside its lane; whoever stands in it is in nobody's way, so that every robot has
a way to every free bay whatever the others do.
"""

from dataclasses import dataclass

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.graph import Graph, roadmap

_STREET_PITCH = 14.0  # [m] between two streets along y
_END = 4.5  # [m] from the ends of the square to the outermost streets along y
_STEP = 3.6  # [m] longest drive without a vertex


@dataclass(frozen=True, slots=True)
class Lanes:
    """The roadmap and its bays."""

    graph: Graph
    bays: tuple[int, ...]
    """Vertices where robots start, wait and deliver."""


def lanes(length: float, width: float, spacing: float, speed: float, turn_s: float) -> Lanes:
    """Lay out a square of `length` along x and `width` along y.

    Args:
        length: [m]
        width: [m]
        spacing: between the two lanes of a street, and from a lane to its bays. [m]
        speed: at which drives are planned. [m/s]
        turn_s: time for turning that is added to each drive into or out of a bay. [s]

    Raises:
        ConfigError: there is no room for two streets along x with bays on both sides.
    """
    if width < 8.0 * spacing - 2.0 or length < 3.0 * _END + 2.0 * spacing:
        raise ConfigError(
            f"a square of {length} x {width} m is too small for lanes {spacing} m apart; it needs at least "
            f"{3.0 * _END + 2.0 * spacing:.1f} x {8.0 * spacing - 2.0:.1f} m"
        )
    half = 0.5 * spacing
    rows = [(c - half, 1) for c in (0.25 * width, 0.75 * width)] + [
        (c + half, -1) for c in (0.25 * width, 0.75 * width)
    ]
    rows = sorted(rows)
    count = max(2, round((length - 2.0 * _END) / _STREET_PITCH) + 1)
    centres = np.linspace(_END, length - _END, count)
    columns = sorted([(c + half, 1) for c in centres] + [(c - half, -1) for c in centres])
    places: list[tuple[float, float]] = []
    edges: list[tuple[int, int, float]] = []
    crossings = {}
    for x, _ in columns:
        for y, _ in rows:
            crossings[x, y] = _add(places, (x, y))
    beside: list[tuple[int, float]] = []
    for y, way in rows:
        line: list[int] = []
        for (a, _), (b, _) in zip(columns, columns[1:], strict=False):
            line.append(crossings[a, y])
            inner = _between(a, b)
            for x in inner:
                line.append(_add(places, (x, y)))
                beside.append((line[-1], -way * spacing))
        line.append(crossings[columns[-1][0], y])
        _connect(places, edges, line, way, speed)
    for x, way in columns:
        line = []
        for (a, _), (b, _) in zip(rows, rows[1:], strict=False):
            line.append(crossings[x, a])
            line += [_add(places, (x, y)) for y in _between(a, b)]
        line.append(crossings[x, rows[-1][0]])
        _connect(places, edges, line, way, speed)
    bays = []
    for vertex, side in beside:
        x, y = places[vertex]
        bay = _add(places, (x, y + side))
        bays.append(bay)
        edges += [(vertex, bay, spacing / speed + turn_s), (bay, vertex, spacing / speed + turn_s)]
    return Lanes(roadmap(np.array(places), edges), tuple(bays))


def _add(places: list[tuple[float, float]], place: tuple[float, float]) -> int:
    places.append((float(place[0]), float(place[1])))
    return len(places) - 1


def _between(a: float, b: float) -> list[float]:
    """Return evenly spaced places between two, none if they are near."""
    parts = int(np.ceil((b - a) / _STEP - 1e-9))
    return [a + (b - a) * k / parts for k in range(1, parts)]


def _connect(
    places: list[tuple[float, float]],
    edges: list[tuple[int, int, float]],
    line: list[int],
    way: int,
    speed: float,
) -> None:
    line = line if way > 0 else line[::-1]
    for u, v in zip(line, line[1:], strict=False):
        length = float(np.hypot(places[u][0] - places[v][0], places[u][1] - places[v][1]))
        edges.append((u, v, length / speed))
