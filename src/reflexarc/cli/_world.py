# SPDX-License-Identifier: Apache-2.0
"""Turn a simulated world into the plain shapes that a report draws."""

from typing import Any

from reflexarc.report.worldmap import Area, Disc, WorldMap

AROUND_M = 1.8
"""Strip around the robot's bounds that is drawn as well, so that facades and the road are visible."""


def world_map(world: Any) -> WorldMap:
    """Return the map of a `reflexarc_sim.world.World`."""
    areas = [
        Area("ramp", _rectangle(ramp.x[0], world.bounds[3], ramp.x[1], world.bounds[3] + ramp.run))
        for ramp in world.ramps
    ]
    discs = []
    for block in world.fixed:
        (x, y), (a, b) = block.centre, block.half_size
        if block.round:
            discs.append(Disc(str(block.contact_class), float(x), float(y), float(a)))
        else:
            areas.append(Area(str(block.contact_class), _rectangle(x - a, y - b, x + a, y + b)))
    x0, y0, x1, y1 = world.bounds
    return WorldMap(
        bounds=(x0 - AROUND_M, y0 - AROUND_M, x1 + AROUND_M, y1 + AROUND_M),
        lines=tuple(tuple(float(v) for v in line) for line in world.keepouts),
        areas=tuple(areas),
        discs=tuple(discs),
    )


def _rectangle(x0: float, y0: float, x1: float, y1: float) -> tuple[tuple[float, float], ...]:
    return tuple((float(x), float(y)) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1)))
