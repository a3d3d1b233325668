# SPDX-License-Identifier: Apache-2.0
"""Compile a solver's kernels, or load them from the cache, before its clock starts.

Kernels are compiled when they are first called. So each solver plans a few tiny instances that between them reach all
of its kernels: a crossing, a pocket in a corridor, a goal that another has to pass, open space, a ring. Their searches
are limited by a clock that ticks with every look at it, not by time.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace

from reflexarc.fleet.graph import grid
from reflexarc.fleet.instances import Instance, make_instance
from reflexarc.fleet.plan import Clock

LOOKS = 400
"""How often a search may look at its clock."""
RADIUS = 0.35
"""Of the discs in continuous time. [m]"""
_ready: set[str] = set()


def instances() -> list[Instance]:
    """Return the tiny instances, every one of which has a plan."""
    drawn = (
        (["@.@", "...", "@.@"], [(0, 1), (1, 0)], [(2, 1), (1, 2)]),
        ([".....", "@@.@@"], [(0, 0), (4, 0)], [(4, 0), (0, 0)]),
        (["......", "@@@.@@"], [(2, 0), (0, 0)], [(3, 0), (5, 0)]),
        (["....", "....", "...."], [(0, 1), (1, 0), (2, 0), (3, 2)], [(2, 2), (3, 1), (0, 0), (0, 2)]),
        (["......", ".@@@@.", "......"], [(0, 0), (5, 0), (0, 2)], [(5, 2), (0, 2), (5, 0)]),
    )
    made = []
    for rows, starts, goals in drawn:
        graph = grid(rows)
        made.append(make_instance(graph, [graph.cells[c] for c in starts], [graph.cells[c] for c in goals]))
    return made


def make_ready(solver: str, run: Callable[[Instance, float, Clock], object]) -> None:
    """Let `run` plan the tiny instances, once per process and solver.

    Args:
        solver: its name.
        run: takes an instance, a limit and the clock that the limit counts by.
    """
    if solver in _ready:
        return
    for instance in instances():
        ticks = itertools.count()
        run(replace(instance, radius=RADIUS), float(LOOKS), lambda ticks=ticks: float(next(ticks)))
    _ready.add(solver)
