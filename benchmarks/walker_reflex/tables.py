# SPDX-License-Identifier: Apache-2.0
"""The tables of the study, for its page."""

import json
from pathlib import Path
from typing import Any

COLUMNS = {"without": "without reflex", "along": "goes along (default)", "stand": "stands"}
LOST = {"nothing": "nothing, walks on", "policy": "task policy silent", "state": "state frozen"}


def walker_reflex_tables(path: Path) -> str:
    """Return the tables in Markdown."""
    if not path.is_file():
        return "Not measured yet; `reflexarc bench walker_reflex --full` does it."
    figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
    pushes, stops, times = (figures[name]["figures"] for name in ("pushes", "stops", "times"))
    return "\n".join((*_pushes(pushes), "", *_reliability(pushes), "", *_stops(stops), "", *_times(times)))


def _pushes(part: dict[str, Any]) -> list[str]:
    lines = [
        "### Pushes",
        "",
        "| push [N] | reflex | upright after 20 s (95 %) | velocity error [m/s] | reflexes per run | time under a "
        "reflex | latency [s] |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in part["rows"]:
        lines.append(
            f"| {row['newton']:g} | {COLUMNS[row['column']]} | {_share(row)} | {row['velocity_error_m_s']:.2f} "
            f"| {row['reflexes']:.1f} | {100.0 * row['reflex_share']:.1f} % | {_number(row['reflex_latency_s'])} |"
        )
    return lines


def _reliability(part: dict[str, Any]) -> list[str]:
    lines = [
        "### Risk at run time, and what came of it",
        "",
        f"Runs without reflex, every fifth tick; calibration error {part['calibration_error']:.4f}.",
        "",
        "| mean risk | mean of exp(-T / tau) | ticks |",
        "|---|---|---|",
    ]
    return lines + [f"| {p:.3f} | {y:.3f} | {n:.0f} |" for p, y, n in part["reliability"]]


def _stops(part: dict[str, Any]) -> list[str]:
    lines = [
        "### Stopped while it walks, nobody pushing",
        "",
        "| lost | upright 5 s later (95 %) | speed before [m/s] | after [m/s] |",
        "|---|---|---|---|",
    ]
    for row in part["rows"]:
        after = _number(row["speed_after"])
        lines.append(f"| {LOST[row['lost']]} | {_share(row)} | {row['speed_before']:.2f} | {after} |")
    return lines


def _times(part: dict[str, Any]) -> list[str]:
    words = {
        "walking": "tick of the arc, walking",
        "reflex": "tick of the arc, reflex",
        "decision": "decision of the policy",
    }
    lines = ["### Times", "", "| | number | 50 % [us] | 99 % [us] | most [us] |", "|---|---|---|---|---|"]
    for name, row in part.items():
        lines.append(
            f"| {words[name]} | {row['ticks']} | {row['p50_us']:.0f} | {row['p99_us']:.0f} | {row['max_us']:.0f} |"
        )
    return lines


def _share(row: dict[str, Any]) -> str:
    return f"{row['survived']} of {row['runs']} ({row['low']:.2f} to {row['high']:.2f})"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
