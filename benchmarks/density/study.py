# SPDX-License-Identifier: Apache-2.0
"""Density reachability: how exact on ten published systems, how fast beside its peers, and what plans gain.

Each part runs in a process of its own, its linear algebra on one thread. The full study runs them one after the other.
A short run, which only shows that everything works and roughly how well, uses two cores.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from reflexarc.cli.parts import joined_headline, main, run_parts

HERE = Path(__file__).resolve().parent
PARTS = ("scores", "speed", "planning", "monitor", "node")
"""Modules beside this one, each with `run(full, progress)` and `headline(part)`."""
LANES = (("scores", "planning"), ("speed", "monitor", "node"))
"""What a short run does side by side."""
SEEDS = (0,)


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run every part and return its figures and headline under its name.

    Args:
        full: the whole study instead of a short run.
        progress: told what is going on.

    Raises:
        ReflexArcError: a part failed; the message says which.
    """
    results = run_parts(HERE, (PARTS,) if full else LANES, full, progress)
    return {name: results[name] for name in PARTS}


def headline(results: dict[str, Any]) -> dict[str, Any]:
    """Return the headlines of all parts in one table."""
    return joined_headline(results)


if __name__ == "__main__":
    main(PARTS)
