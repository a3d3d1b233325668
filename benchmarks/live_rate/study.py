# SPDX-License-Identifier: Apache-2.0
"""Does the arc keep 200 Hz live, with all nodes on the same machine? The figures come from inside arc_node."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reflexarc.core.errors import ReflexArcError

SEEDS = (0, 1, 2)
SCENARIO = "sidewalk_delivery"
_SHORT_SECONDS, _FULL_SECONDS = 20, 120


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run the scenario live and collect what arc_node measured about itself.

    Args:
        full: three seeds to the end; otherwise one for 20 simulated seconds.
        progress: told after each run.

    Raises:
        ReflexArcError: a live run failed.
    """
    runs = []
    for seed in SEEDS if full else SEEDS[:1]:
        figures = _live(seed, _FULL_SECONDS if full else _SHORT_SECONDS)
        progress(f"seed {seed}: {figures}")
        runs.append({"seed": seed, **figures})
    return {"scenario": SCENARIO, "rate_hz": 200, "runs": runs}


def headline(results: dict[str, Any]) -> dict[str, Any]:
    """Return ticks and share of late ticks of all runs together, and the worst run's p99 of a tick."""
    runs = results["runs"]
    ticks = sum(r["ticks"] for r in runs)
    return {
        "ticks": ticks,
        "deadline_miss_fraction": round(
            sum(r["ticks"] * r["deadline_miss_fraction"] for r in runs) / ticks, 6
        ),
        "tick_p50_us": round(sum(r["tick_p50_us"] for r in runs) / len(runs), 1),
        "worst_tick_p99_us": round(max(r["tick_p99_us"] for r in runs), 1),
    }


def _live(seed: int, seconds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="reflexarc-live-") as out:
        command = [sys.executable, "-m", "reflexarc.cli", "run", SCENARIO, "--seed", str(seed)]
        command += [
            "--duration",
            str(seconds),
            "--no-compare",
            "--no-render",
            "--quiet",
            "--json",
            "--out",
            out,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 180)
        if done.returncode != 0:
            raise ReflexArcError(
                f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-500:]}"
            )
        (figures,) = Path(out).rglob("arc.json")
        return json.loads(figures.read_text())
