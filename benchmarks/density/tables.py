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
    makers = {"scores": _scores, "speed": _speed, "planning": _planning, "monitor": _monitor, "node": _node}
    return "\n".join(line for name, make in makers.items() for line in make(parts[name]["figures"]))


def _scores(part: dict[str, Any]) -> list[str]:
    titles = {
        "kde": "kernel density",
        "histogram": "histogram",
        "nearest": "nearest neighbour of the exact gain",
        "learned": "learned density",
        "learned_nearest": "learned, moved by nearest neighbour",
        "flow_fixed_steps": "flow, usual steps",
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
            f"{row['particles']:,}",
            row["steps"],
            _times(row["p50_ms"], row["p99_ms"]),
            _cell(round(row["cpu_ms"])),
            row["substeps"],
            _times(row["own_p50_ms"], row["own_p99_ms"]),
            _cell(round(row["own_cpu_ms"])),
        )
        for row in part["flow"]
    ]
    head = (
        "system",
        "n",
        "particles",
        "outputs",
        "one step per output: p50 / p99 [ms]",
        "processor [ms]",
        "usual steps per output",
        "usual steps: p50 / p99 [ms]",
        "processor [ms]",
    )
    lines = [
        "### Flow of particles with their log-density, single precision, two cores",
        "",
        *_table(head, rows),
        "",
    ]
    box, rare, robot = part["box"], part["rare"], part["robot"][0]
    rows = [
        (
            row["footprint"],
            row["threads"],
            f"{row['p50_ms_per_candidate']:.2f} / {row['p99_ms_per_candidate']:.2f}",
            _times(row["p50_ms"], row["p99_ms"]),
            f"{row['cpu_ms_per_candidate']:.2f}",
            f"{row['least_risk']:.3f} to {row['largest_risk']:.3f}",
        )
        for row in part["robot"]
    ]
    head = (
        "footprint",
        "threads",
        "per candidate, p50 / p99 [ms]",
        "batch, p50 / p99 [ms]",
        "own time per candidate [ms]",
        "risks",
    )
    lines += [
        f"### Risk check of the delivery robot, {robot['candidates']} candidates, {robot['particles']:,} particles, "
        f"{robot['obstacles']} moving discs, {robot['horizon_s']:g} s",
        "",
        *_table(head, rows),
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


def _monitor(part: dict[str, Any]) -> list[str]:
    titles = {
        "no_arc_unjudged": "neither",
        "no_arc_judged": "monitor",
        "arc_unjudged": "arc",
        "arc_judged": "monitor and arc",
    }
    rows = []
    for name, title in titles.items():
        c = part["columns"][name]
        rows.append(
            (
                title,
                c["runs"],
                f"{c['successes']} of {c['missions']}",
                _rate(c["mission_success"]),
                c["moving_contacts"],
                _rate(c["runs_with_moving_contact"]),
                c["standing_contacts"],
                c["other_contacts"],
                _mean(c["mission_s"], 1),
                *(_mean(c.get(f"plans_{kind}"), 3) for kind in ("changed", "refused", "unknown")),
            )
        )
    head = (
        "in the loop",
        "runs",
        "missions",
        "success",
        "moving contacts",
        "runs with one",
        "standing contacts",
        "other contacts",
        "time per mission [s]",
        "plans changed",
        "refused",
        "unknown",
    )
    lines = [f"### The plan monitor in lock-step, limit {part['limit']:g}", "", *_table(head, rows), ""]
    rows = [
        (title, *(_mean(part["monitor_effect"][key][figure], 2) for figure in _EFFECTS))
        for key, title in (("without_arc", "without the arc"), ("with_arc", "with the arc"))
    ]
    head = ("judged less unjudged, same seed", *_EFFECTS.values())
    return [*lines, *_table(head, rows), ""]


_EFFECTS = {
    "moving_contacts_per_run": "moving contacts per run",
    "contacts_with_people_per_run": "contacts with people per run",
    "successes_per_run": "missions done per run",
    "duration_s": "time per run [s]",
}


def _node(part: dict[str, Any]) -> list[str]:
    rows = [
        (
            run["seed"],
            "yes" if run["judged"] else "no",
            _cell(run.get("answers_per_s")),
            _times(run["gap_p50_ms"], run["gap_p99_ms"]) if run["judged"] else _NONE,
            _times(run["judgement_p50_ms"], run["judgement_p99_ms"]) if run["judged"] else _NONE,
            _cell(run.get("answered_share")),
            f"{run['ticks']:,}",
            f"{100.0 * run['deadline_miss_fraction']:.3f} %",
            f"{run['tick_p99_us']:.0f}",
        )
        for run in part["runs"]
    ]
    head = (
        "seed",
        "judged",
        "answers per second",
        "gap, p50 / p99 [ms]",
        "judgement, p50 / p99 [ms]",
        "plans answered",
        "arc's ticks",
        "late",
        "tick p99 [µs]",
    )
    return [
        f"### The node beside the arc, live, asked {part['rate_hz']:g} times a second",
        "",
        *_table(head, rows),
        "",
    ]


def _mean(value: dict[str, Any] | None, digits: int) -> str:
    if value is None or value["mean"] is None:
        return _NONE
    interval = "" if value["low"] is None else f" {_interval(value['low'], value['high'], digits)}"
    return f"{value['mean']:.{digits}f}{interval}"


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
