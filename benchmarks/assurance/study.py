# SPDX-License-Identifier: Apache-2.0
"""Assurance: supervisors, heartbeat gate, monitors, an ablation, injected faults, mutants, a twin beside wrong ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from reflexarc.cli.parts import joined_headline, main, run_parts

HERE = Path(__file__).resolve().parent
PARTS = (
    "synthesis",
    "conformance",
    "gate",
    "monitors",
    "test_time",
    "faults",
    "faults_live",
    "fault_free",
    "mutation",
    "line_coverage",
    "twin",
    "regression",
)
"""Modules beside this one, each with `run(full, progress)` and `headline(part)`."""
LANES = (
    ("synthesis", "mutation", "line_coverage", "twin", "regression"),
    ("gate", "conformance", "monitors", "test_time", "faults", "faults_live", "fault_free"),
)
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


def run_part(name: str, full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run one part."""
    return run_parts(HERE, ((name,),), full, progress)[name]


def headline(results: dict[str, Any]) -> dict[str, Any]:
    """Return the headlines of the parts in one table."""
    return joined_headline(results)


if __name__ == "__main__":
    main(PARTS)
