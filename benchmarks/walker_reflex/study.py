# SPDX-License-Identifier: Apache-2.0
"""What critic and reflex of a walking quadruped are worth, what stopping one leads to, and how long a tick takes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from reflexarc.cli.parts import joined_headline, main, run_parts

HERE = Path(__file__).resolve().parent
PARTS = ("times", "stops", "pushes")
"""Modules beside this one, each with `run(full, progress)` and `headline(part)`."""
SEEDS = tuple(range(32))


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run every part and return its figures and headline under its name.

    Args:
        full: the whole study instead of a short run.
        progress: told what is going on.

    Raises:
        ReflexArcError: a part failed; the message says which.
    """
    return run_parts(HERE, (PARTS,), full, progress)  # in turn: what is timed runs alone


def run_part(name: str, full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run one part."""
    return run_parts(HERE, ((name,),), full, progress)[name]


def headline(results: dict[str, Any]) -> dict[str, Any]:
    """Return the headlines of all parts in one table."""
    return joined_headline(results)


if __name__ == "__main__":
    main(PARTS)
