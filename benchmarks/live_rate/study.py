# SPDX-License-Identifier: Apache-2.0
"""Does the arc keep its rate live, with all nodes on the same machine? The figures are the arc's own node's.

A base at 200 Hz, and an arm in contact at 1 kHz.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from reflexarc.core.errors import ReflexArcError
from reflexarc.core.paths import models_dir

SEEDS = (0, 1, 2)
SCENARIO, ARM_SCENARIO = "sidewalk_delivery", "maze_arm"
PARTS = ("arm",)
"""Parts that `run_part` runs alone; their figures stand under their names beside those of the sidewalk."""
ARM_WEIGHTS = "reflex/maze/contact.safetensors"
"""Critic and recovery of the arm, where they have been learned; else both are by rule."""
_SHORT_SECONDS, _FULL_SECONDS = 12, 120
_ARM_SHORT_SECONDS, _ARM_FULL_SECONDS = 2, 10
_ARM_KEYS = ("outcome", "duration_s", "wall_s", "real_time_factor", "faults")


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run both scenarios live and collect what the arcs' nodes measured about themselves.

    Args:
        full: three seeds to the end; otherwise a piece of one.
        progress: told after each run.

    Raises:
        ReflexArcError: a live run failed.
    """
    runs = []
    for seed in SEEDS if full else SEEDS[:1]:
        figures, _ = _live(SCENARIO, seed, _FULL_SECONDS if full else _SHORT_SECONDS)
        progress(f"seed {seed}: {figures}")
        runs.append({"seed": seed, **figures})
    return {"scenario": SCENARIO, "rate_hz": 200, "runs": runs, "arm": run_part("arm", full, progress)}


def run_part(name: str, full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run one of `PARTS` and return what stands under its name in the figures.

    Args:
        name: of the part; there is one.
        full: three seeds to the end; otherwise a piece of one.
        progress: told after each run.

    Raises:
        ReflexArcError: a live run failed.
    """
    learned = (models_dir() / ARM_WEIGHTS).is_file()
    more = ["--set", f"arc.contact.weights={ARM_WEIGHTS}", "--set", "arc.contact.every_s=0.001"]
    runs = []
    for seed in SEEDS if full else SEEDS[:1]:
        seconds = _ARM_FULL_SECONDS if full else _ARM_SHORT_SECONDS
        figures, summary = _live(ARM_SCENARIO, seed, seconds, more if learned else [])
        runs.append({"seed": seed, **{key: summary[key] for key in _ARM_KEYS}, **figures})
        progress(f"{name}, seed {seed}: {runs[-1]}")
    return {
        "scenario": ARM_SCENARIO,
        "rate_hz": 1000,
        "weights": ARM_WEIGHTS if learned else "by rule",
        "runs": runs,
    }


def headline(results: dict[str, Any]) -> dict[str, Any]:
    """Return ticks and share of late ticks of all runs together, median and worst p99, for what was run."""
    figures = _together(results["runs"]) if "runs" in results else {}
    if "arm" in results:
        runs = results["arm"]["runs"]
        figures |= {f"arm_{key}": value for key, value in _together(runs).items()}
        figures["arm_least_real_time_factor"] = min(r["real_time_factor"] for r in runs)
        figures["arm_worst_turn_p99_us"] = round(max(r["turn_p99_us"] for r in runs), 1)
    return figures


def _together(runs: list[dict[str, Any]]) -> dict[str, Any]:
    ticks = sum(r["ticks"] for r in runs)
    return {
        "ticks": ticks,
        "deadline_miss_fraction": round(
            sum(r["ticks"] * r["deadline_miss_fraction"] for r in runs) / ticks, 6
        ),
        "tick_p50_us": round(sum(r["tick_p50_us"] for r in runs) / len(runs), 1),
        "worst_tick_p99_us": round(max(r["tick_p99_us"] for r in runs), 1),
    }


def _live(
    scenario: str, seed: int, seconds: int, more: Sequence[str] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the arc's node measured, and the run's summary."""
    with tempfile.TemporaryDirectory(prefix="reflexarc-live-") as out:
        command = [sys.executable, "-m", "reflexarc.cli", "run", scenario, "--seed", str(seed)]
        command += [
            "--duration",
            str(seconds),
            "--no-compare",
            "--no-render",
            "--quiet",
            "--json",
            "--out",
            out,
            *more,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 180)
        if done.returncode != 0:
            raise ReflexArcError(
                f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-500:]}"
            )
        (figures,), (summary,) = Path(out).rglob("arc.json"), Path(out).rglob("summary.json")
        return json.loads(figures.read_text()), json.loads(summary.read_text())
