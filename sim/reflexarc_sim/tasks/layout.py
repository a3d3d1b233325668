# SPDX-License-Identifier: Apache-2.0
"""Random places for the things of an arena, no closer to each other than their keepouts allow."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from reflexarc.core.errors import ConfigError

Point = tuple[float, float]
LAYOUTS = 10_000  # whole layouts tried before giving up
TRIES = 100  # places tried for one thing of a layout


class Kind(NamedTuple):
    """Where things of one kind may be put."""

    count: int
    keepout: float
    """Radius that no other thing's keepout may overlap. [m]"""
    extent: float
    """The thing's keepout lies within +-extent on both axes. [m]"""


def sample_layout(kinds: dict[str, Kind], rng: np.random.Generator) -> dict[str, list[Point]]:
    """Place the things of all kinds, in order, uniformly within their extents.

    Returns:
        Per kind the places. [m]

    Raises:
        ConfigError: no valid layout was found; the keepouts do not leave enough room.
    """
    for _ in range(LAYOUTS):
        placed: list[tuple[Point, float]] = []
        layout: dict[str, list[Point]] = {}
        for name, kind in kinds.items():
            places = [_add(kind, placed, rng) for _ in range(kind.count)]
            if None in places:
                break
            layout[name] = [place for place in places if place is not None]
        else:
            return layout
    wanted = ", ".join(f"{kind.count} {name} with keepout {kind.keepout} m" for name, kind in kinds.items())
    raise ConfigError(f"no layout found in {LAYOUTS} attempts for {wanted}; nothing was placed")


def sample_place(
    kind: Kind, others: Iterable[tuple[Point, float]], rng: np.random.Generator, tries: int = LAYOUTS
) -> Point | None:
    """Find a place for one more thing beside `others` (place, keepout); None when none of `tries` was free."""
    placed = list(others)
    for _ in range(tries):
        place = _draw(kind, rng)
        if _free(place, kind.keepout, placed):
            return place
    return None


def _add(kind: Kind, placed: list[tuple[Point, float]], rng: np.random.Generator) -> Point | None:
    place = sample_place(kind, placed, rng, TRIES)
    if place is not None:
        placed.append((place, kind.keepout))
    return place


def _draw(kind: Kind, rng: np.random.Generator) -> Point:
    room = kind.extent - kind.keepout
    if room < 0.0:
        raise ConfigError(f"keepout {kind.keepout} m does not fit into +-{kind.extent} m; nothing was placed")
    x, y = rng.uniform(-room, room, 2).tolist()
    return x, y


def _free(place: Point, keepout: float, placed: Sequence[tuple[Point, float]]) -> bool:
    return all(math.dist(place, other) >= keepout + apart for other, apart in placed)
