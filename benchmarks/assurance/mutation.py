# SPDX-License-Identifier: Apache-2.0
"""Part of the assurance study: do the tests notice when gate, supervisor, monitors or arc are broken on purpose?"""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SHORT_TARGETS, SHORT_COUNT = ("supervisor",), 3
SEED = 0


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Judge every mutant of every target; a short run judges a few of one.

    Args:
        full: the whole study instead of a short run.
        progress: told every outcome.

    Raises:
        RuntimeError: the tests of a target fail without a mutation.
    """
    mutate = _tool()
    names = list(mutate.TARGETS) if full else list(SHORT_TARGETS)
    outcomes = mutate.run(names, None if full else SHORT_COUNT, SEED, progress)
    figures = {}
    for name in names:
        mine = [outcome for outcome in outcomes if outcome.target == name]
        figures[name] = {
            "mutants": len(mine),
            "killed": sum(outcome.result != mutate.SURVIVED for outcome in mine),
            "late": sum(outcome.result == mutate.LATE for outcome in mine),
            "survivors": [mutate.text(outcome) for outcome in mine if outcome.result == mutate.SURVIVED],
        }
    return figures


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return how many mutants were made and which share was killed."""
    made, killed = (sum(row[key] for row in part.values()) for key in ("mutants", "killed"))
    return {"mutants": made, "mutation_score": round(killed / made, 3)}


def _tool() -> Any:
    """Load tools/mutate.py, which is no part of the package."""
    sys.path.insert(0, str(ROOT / "tools"))
    return importlib.import_module("mutate")
