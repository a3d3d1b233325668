# SPDX-License-Identifier: Apache-2.0
"""The tables of the study's page, made from its results."""

import json
from pathlib import Path
from typing import Any

_NONE = "–"


def density_tables(path: Path) -> str:
    """Return the tables of every part in Markdown, or a sentence if the full study has not been run."""
    if not path.exists():
        return "The study has not been repeated in full yet."
    parts = json.loads(path.read_text(encoding="utf-8"))["figures"]
    makers = {"scores": _scores, "speed": _speed, "planning": _planning}
    return "\n".join(line for name, make in makers.items() for line in make(parts[name]["figures"]))


def _scores(part: dict[str, Any]) -> list[str]:
    titles = {
        "kde": "kernel density",
        "histogram": "histogram",
        "nearest": "nearest neighbour of the exact gain",
        "learned": "learned density",
        "learned_nearest": "learned, moved by nearest neighbour",
        "exact_fixed_steps": "exact, usual steps",
        "exact": "exact",
    }
    rows = [
        (
            f"{row['system']} ({row['n']})",
            _cell(row["trajectories"]),
            *(_small(row["scores"][key]) for key in titles),
            row["judged"],
            _small(row["reference_own_score"]),
        )
        for row in part["systems"]
    ]
    head = ("system (n)", "trajectories", *titles.values(), "states for exact", "reference's own")
    lines = ["### Score KL(estimate, reference) [nat]", "", *_table(head, rows), ""]
    rows = []
    for row in part["systems"]:
        network, learned = row["implied_network"], row["scores"]["learned"]
        ratios = [row["published_ratios"].get(key) for key in ("kde", "histogram", "sigmoidal_gp")]
        ours = [
            None if not learned or row["scores"][key] is None else row["scores"][key] / learned
            for key in ("kde", "histogram")
        ]
        rows.append((row["system"], *(_cell(r) for r in ratios), _small(network), *(_cell(r) for r in ours)))
    head = (
        "system",
        "published: kernel / network",
        "histogram / network",
        "sigmoidal GP / network",
        "implied score of the published network",
        "here: kernel / learned",
        "histogram / learned",
    )
    return [*lines, "### Ratios, published and here", "", *_table(head, rows), ""]


def _speed(part: dict[str, Any]) -> list[str]:
    rows = [
        (
            row["system"],
            row["n"],
            row["steps"],
            _times(row["p50_ms"], row["p99_ms"]),
            row["substeps"],
            _times(row["own_p50_ms"], row["own_p99_ms"]),
        )
        for row in part["flow"]
    ]
    head = (
        "system",
        "n",
        "outputs",
        "one step per output: p50 / p99 [ms]",
        "usual steps per output",
        "usual steps: p50 / p99 [ms]",
    )
    lines = ["### Flow of 10,000 particles, single precision, one thread", "", *_table(head, rows), ""]
    robot, box, rare = part["robot"], part["box"], part["rare"]
    lines += [
        f"Risk check of the delivery robot, {robot['candidates']} candidates, {robot['particles']:,} particles, "
        f"{robot['obstacles']} moving discs, {robot['horizon_s']:g} s: {robot['p50_ms_per_candidate']:.2f} ms per "
        f"candidate; the batch {_times(robot['p50_ms'], robot['p99_ms'])} ms (p50 / p99).",
        "",
        f"### Probability of a box, width {box['width']:g} (truth {box['truth']:.6f})",
        "",
    ]
    rows = [
        (
            row["method"],
            f"{row['p']:.5f}",
            _interval(row["low"], row["high"], 5),
            _cell(row.get("samples")),
            _cell(row["seconds"]),
        )
        for row in box["rows"]
    ]
    lines += _table(("method", "p", "interval", "samples, cells or points", "time [s]"), rows)
    lines += ["", f"Interval cells: {box['caveat']}.", ""]
    rows = [
        (
            row["method"],
            f"{row['p']:.4g}",
            f"[{row['low']:.4g}, {row['high']:.4g}]",
            f"{row['samples']:,}",
            _cell(row["seconds"]),
            f"{row['crude_samples']:,}",
            _cell(row["samples_ratio"]),
            _cell(row["seconds_ratio"]),
        )
        for row in rare["rows"]
    ]
    head = (
        "method",
        "p",
        "95 % interval",
        "trajectories",
        "time [s]",
        "crude samples for this width",
        "ratio of samples",
        "ratio of times",
    )
    return [*lines, f"### A rare event (truth {rare['truth']:.6g})", "", *_table(head, rows), ""]


def _planning(part: dict[str, Any]) -> list[str]:
    lines = []
    for case, methods in part.items():
        rows = [
            (
                name,
                m["runs"],
                *(_rate(m[key]) for key in ("feasibility", "safety", "success")),
                _times(m["p50_s"], m["p99_s"]),
            )
            for name, m in methods.items()
        ]
        head = ("method", "runs", "feasibility", "safety", "success", "planning p50 / p99 [s]")
        lines += [f"### Planning, {case}", "", *_table(head, rows), ""]
    return lines


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return lines + [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]


def _rate(value: dict[str, float] | None) -> str:
    return _NONE if value is None else f"{value['rate']:.4f} {_interval(value['low'], value['high'], 4)}"


def _interval(low: float | None, high: float | None, digits: int) -> str:
    return _NONE if low is None or high is None else f"[{low:.{digits}f}, {high:.{digits}f}]"


def _times(p50: float, p99: float) -> str:
    return f"{p50:.3g} / {p99:.3g}"


def _small(value: float | None) -> str:
    return _NONE if value is None else f"{abs(value):.1e}"


def _cell(value: float | None) -> str:
    return _NONE if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3g}"
