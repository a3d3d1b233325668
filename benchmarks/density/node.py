# SPDX-License-Identifier: Apache-2.0
"""Part of the density study: does `reachability_node` keep 10 Hz live beside the arc, on the same machine?

`sidewalk_risk`, live over DDS, with plant (MuJoCo, crowd, lidar), policy, arc, monitor, missions and recorder as six
processes; and once without the monitor, to see what it takes from the arc. Answers are read from the recording: their
gaps are those of the times at which plans were judged. A plan counts as answered if a judgement (one that does not
complain that no plan came) begins before the next plan is made. The arc's figures are arc_node's own.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from reflexarc.core.errors import ReflexArcError
from reflexarc.report.recording import read_recording
from reflexarc_sim.scenario import load_scenario

SCENARIO = "sidewalk_risk"
FULL_SEEDS = (0, 1, 2)
FULL_S, SHORT_S = 60, 6
"""Simulated time of a run."""
ALLOWED_S = 120.0
"""Wall time beyond the simulated one after which a run is given up."""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run the scenario live: three seeds with and without the monitor, or one seed with it for a few seconds.

    Raises:
        ReflexArcError: a live run failed.
    """
    runs = []
    for seed in FULL_SEEDS if full else FULL_SEEDS[:1]:
        for judged in (True, False) if full else (True,):
            figures = {"seed": seed, "judged": judged} | _live(seed, judged, FULL_S if full else SHORT_S)
            runs.append(figures)
            progress(f"live, {figures}")
    return {"scenario": SCENARIO, "rate_hz": load_scenario(SCENARIO).reach.rate_hz, "runs": runs}


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return the rate and the worst quantiles over the judged runs, and the arc's late ticks with and without."""
    judged = [r for r in part["runs"] if r["judged"]]
    figures = {
        "node_answers_per_s": min(r["answers_per_s"] for r in judged),
        "node_gap_p99_ms": max(r["gap_p99_ms"] for r in judged),
        "node_judgement_p99_ms": max(r["judgement_p99_ms"] for r in judged),
        "node_answered_share": min(r["answered_share"] for r in judged),
    }
    for name, way in (("judged", True), ("unjudged", False)):
        rows = [r for r in part["runs"] if r["judged"] == way]
        if rows:
            late = sum(r["ticks"] * r["deadline_miss_fraction"] for r in rows)
            figures[f"node_arc_miss_fraction_{name}"] = round(late / sum(r["ticks"] for r in rows), 6)
    return figures


def answers(plans: list[float], judged: list[float], seconds: list[float]) -> dict[str, float]:
    """Return what the recorded times say.

    Args:
        plans: when each plan was made. [s]
        judged: when each plan was judged, silence left out. [s]
        seconds: how long each judgement took. [s]

    Raises:
        ReflexArcError: fewer than two judgements.
    """
    if len(judged) < 2:
        raise ReflexArcError(f"the monitor judged {len(judged)} plans; at least two are needed for a rate")
    stamps, gaps = np.array(judged), np.diff(judged)
    asked = np.array([p for p in plans if p >= judged[0] - 1e-9])
    # How many judgements came from each plan until the next one, the last plan's left open.
    between = np.searchsorted(stamps, np.append(asked[1:], np.inf)) - np.searchsorted(stamps, asked)
    return {
        "plans": len(asked),
        "answers": len(judged),
        "answers_per_s": round(float((len(judged) - 1) / (stamps[-1] - stamps[0])), 3),
        "answered_share": round(float(np.mean(between[:-1] > 0)), 4) if len(asked) > 1 else 1.0,
        "gap_p50_ms": round(1e3 * float(np.percentile(gaps, 50)), 2),
        "gap_p99_ms": round(1e3 * float(np.percentile(gaps, 99)), 2),
        "judgement_p50_ms": round(1e3 * float(np.percentile(seconds, 50)), 2),
        "judgement_p99_ms": round(1e3 * float(np.percentile(seconds, 99)), 2),
    }


def _live(seed: int, judged: bool, seconds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="reflexarc-live-") as out:
        command = [sys.executable, "-m", "reflexarc.cli", "run", SCENARIO, "--seed", str(seed)]
        command += ["--duration", str(seconds), "--set", f"reach.enabled={str(judged).lower()}"]
        command += ["--no-compare", "--no-render", "--quiet", "--json", "--out", out]
        limit = seconds + ALLOWED_S
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit)
        if done.returncode != 0:
            raise ReflexArcError(
                f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-500:]}"
            )
        (arc,) = Path(out).rglob("arc.json")
        figures = json.loads(arc.read_text(encoding="utf-8"))
        if not judged:
            return figures
        (recorded,) = Path(out).rglob("run.mcap")
        recording = read_recording(recorded)
        plans = [e.message.header.stamp for e in recording.topic("plan")]
        risks = [
            e.message for e in recording.topic("plan_risk") if not e.message.reason.startswith("no plan")
        ]
        kinds = {
            "known_share": round(float(np.mean([r.known for r in risks])), 4) if risks else 0.0,
            "accepted_share": round(float(np.mean([r.accepted for r in risks])), 4) if risks else 0.0,
        }
        found = answers(
            [p.sec + 1e-9 * p.nanosec for p in plans],
            [r.now for r in risks],
            [r.seconds for r in risks],
        )
        return found | kinds | figures
