# SPDX-License-Identifier: Apache-2.0
"""Time of the arc's tick: a robot among twenty moving obstacles beside cbfpy, and an arm in contact beside JAX.

Each part runs in a process of its own and on one thread, one after the other.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tick_figures import sidewalk_headline

from reflexarc.cli.parts import main, run_parts

HERE = Path(__file__).resolve().parent
SEEDS = (0, 1, 2, 3, 4)
PARTS = ("contact",)
"""Parts that `run_part` runs alone; their figures stand under their names beside those of the sidewalk."""
SIDEWALK = "sidewalk"


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Time the sidewalk's arc and its peers, then the parts.

    Args:
        full: five runs of each scenario instead of a piece of one.
        progress: told what is going on.

    Raises:
        ReflexArcError: a part failed; the message says which.
    """
    parts = run_parts(HERE, [[SIDEWALK, *PARTS]], full, progress)
    return {**parts[SIDEWALK]["figures"], **{name: parts[name] for name in PARTS}}


def run_part(name: str, full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run one of `PARTS` and return what stands under its name in the figures.

    Args:
        name: of the part.
        full: five runs instead of a piece of one.
        progress: told what is going on.

    Raises:
        ReflexArcError: the part failed.
    """
    return run_parts(HERE, [[name]], full, progress)[name]


def headline(results: dict[str, Any]) -> dict[str, Any]:
    """Return medians, p99 and ratios to the peers (above 1: ours is faster) of what was run."""
    figures = sidewalk_headline(results) if "times_us" in results else {}
    for name in PARTS:
        figures |= results[name]["headline"] if name in results else {}
    return figures


if __name__ == "__main__":
    main((SIDEWALK, *PARTS))
