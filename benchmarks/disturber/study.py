# SPDX-License-Identifier: Apache-2.0
"""The disturber and the policy that survives it, where the answer is known and on a quadruped; the smallest push that
stacks fail at; how fast a walker learns.

Each part runs in a process of its own and on one thread.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from reflexarc.cli.parts import joined_headline, main, run_parts

HERE = Path(__file__).resolve().parent
PARTS = ("linear", "attacks", "throughput", "walkers")
"""Modules beside this one, each with `run(full, progress)` and `headline(part)`."""
SEEDS = tuple(range(5))


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run every part and return its figures and headline under its name.

    Args:
        full: the whole study instead of a short run.
        progress: told what is going on.

    Raises:
        ReflexArcError: a part failed; the message says which.
    """
    return run_parts(HERE, [[name] for name in PARTS], full, progress)


def run_part(name: str, full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run one part."""
    return run_parts(HERE, ((name,),), full, progress)[name]


def headline(results: dict[str, Any]) -> dict[str, Any]:
    """Return the headlines of all parts in one table."""
    return joined_headline(results)


if __name__ == "__main__":
    main(PARTS)
