# SPDX-License-Identifier: Apache-2.0
"""The validation as `report.md` with two figures, and as `report.json`."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from reflexarc.assurance.twin.judgement import Judged
from reflexarc.assurance.twin.protocol import Validation
from reflexarc.assurance.twin.trace import PERIOD

_LOG, _TWIN, _GOOD, _BAD = "#0072B2", "#D55E00", "#009E73", "#D55E00"  # Okabe-Ito, as in the report of a run


def write_report(found: Validation, out: Path) -> Path:
    """Write page, figures and JSON into a folder and return the page's path."""
    out.mkdir(parents=True, exist_ok=True)
    _gaps(found, out / "gaps.svg")
    _velocities(found, out / "velocities.svg")
    (out / "report.json").write_text(json.dumps(summary(found), indent=2) + "\n", encoding="utf-8")
    page = out / "report.md"
    page.write_text(_page(found), encoding="utf-8")
    return page


def summary(found: Validation) -> dict[str, Any]:
    """Return everything as JSON holds it; what is not finite is null."""
    return {
        "verdict": "PASS" if found.passed else "FAIL",
        "failures": found.failures,
        "identified_velocity_noise": found.noise,
        "held_out": [_figures(item) for item in found.held_out],
        "tuning": [_figures(item) for item in found.tuning],
        "requirements": [
            {"session": p.session, "id": p.id, "unit": p.unit, "log": _finite(p.log), "twin": _finite(p.twin)}
            for p in found.pairs
        ],
        "switches": [
            {
                "session": s.session,
                "before": s.before.name,
                "after": s.after.name,
                "log": s.log,
                "twin": s.twin,
            }
            for s in found.switches
        ],
        "replays": [
            r | {"odometry_age": {key: _finite(age) for key, age in r["odometry_age"].items()}}
            for r in found.replays
        ],
        "mode_replays": found.mode_replays,
        "manifest": found.manifest,
    }


def _figures(item: Judged) -> dict[str, Any]:
    sizes = np.abs(item.values)
    median, high = np.quantile(sizes, [0.5, 0.95]) if len(sizes) else (math.nan, math.nan)
    return {
        "metric": item.name,
        "unit": item.tolerance.unit,
        "values": [_finite(value) for value in item.values],
        "mean": _finite(item.mean),
        "median_size": _finite(float(median)),
        "p95_size": _finite(float(high)),
        "low": _finite(item.low),
        "high": _finite(item.high),
        "tolerance": item.tolerance.tolerance,
        "passed": item.passed,
    }


def _page(found: Validation) -> str:
    lines = ["# Twin validation", "", f"Verdict: **{'PASS' if found.passed else 'FAIL'}**", ""]
    lines += [f"- {failure}" for failure in found.failures]
    lines += [
        "",
        "## Gap, log less twin, held-out sessions",
        "",
        "| metric | mean | 95 % interval | allowed | tuning mean | passed | reason of the tolerance |",
        "|---|---|---|---|---|---|---|",
    ]
    for item, tuned in zip(found.held_out, found.tuning, strict=True):
        unit = "" if item.tolerance.unit == "1" else f" {item.tolerance.unit}"
        interval, allowed = f"{item.low:.4g} to {item.high:.4g}", f"±{item.tolerance.tolerance:g}"
        passed = "yes" if item.passed else "NO"
        cells = (item.name, f"{item.mean:.4g}{unit}", interval, allowed, f"{tuned.mean:.4g}", passed)
        lines.append(f"| {' | '.join(cells)} | {item.tolerance.reason} |")
    lines += ["", "![gaps](gaps.svg)", "", "![velocities](velocities.svg)", ""]
    lines += [
        "## Requirements, smallest robustness",
        "",
        "| session | id | log | twin | same sign |",
        "|---|---|---|---|---|",
    ]
    for p in found.pairs:
        same = ("yes" if p.agrees else "NO") if p.compared else "not exercised in both"
        unit = "" if p.unit == "1" else f" {p.unit}"
        values = [f"{value:.4g}{unit}" if math.isfinite(value) else "–" for value in (p.log, p.twin)]
        lines.append(f"| {p.session} | {p.id} | {' | '.join(values)} | {same} |")
    ticks, equal, unheard = (sum(r[key] for r in found.replays) for key in ("ticks", "equal", "unheard"))
    early = f"; {unheard} used inputs from before the recorder had found their topic" if unheard else ""
    lines += [
        "",
        f"Open-loop replay: {equal} of {ticks} verdicts the same to the bit in {len(found.replays)} logs{early}.",
        "",
        *_ages(found),
        *_modes(found),
        "## Manifest",
        "",
        "| session | part | log | SHA-256 | source |",
        "|---|---|---|---|---|",
    ]
    for entry in found.manifest:
        source = entry["recorded"].get("source", "not given")
        cells = (
            entry["session"],
            entry["part"],
            Path(entry["log"]).name,
            f"`{entry['sha256'][:16]}`",
            source,
        )
        lines.append(f"| {' | '.join(cells)} log |")
    return "\n".join(lines) + "\n"


def _ages(found: Validation) -> list[str]:
    """Return the table of how old odometry was at the ticks, and for how long the recorder paused."""
    titles = ("log", "age of odometry at a tick, median", "99 %", "longest", "longest pause of the recorder")
    lines = [f"| {' | '.join(titles)} |", "|---|---|---|---|---|"]
    for r in found.replays:
        times = (*r["odometry_age"].values(), r["recorder_pause_s"])
        cells = (f"{1e3 * time:.0f} ms" if math.isfinite(time) else "–" for time in times)
        lines.append(f"| {'/'.join(Path(r['log']).parts[-2:])} | {' | '.join(cells)} |")
    return [*lines, ""]


def _modes(found: Validation) -> list[str]:
    """Return the section on the supervisor; nothing where none was validated."""
    if not found.mode_replays:
        return []
    same, modes = sum(r["same"] for r in found.mode_replays), sum(r["modes"] for r in found.mode_replays)
    exact = "to the bit" if all(r["exact"] for r in found.mode_replays) else "in order and within 0.1 s"
    errors = [abs(s.error) for s in found.switches if s.error is not None]
    lines = [
        f"Replay of the supervisor: same modes {exact} in {same} of {len(found.mode_replays)} drives; {modes} modes.",
        "",
        "## Switches of mode",
        "",
    ]
    if errors:
        low, high = np.quantile(errors, [0.5, 0.95])
        lines += [
            f"{len(errors)} of {len(found.switches)} matched; error: median {low:.4g} s, p95 {high:.4g} s.",
            "",
        ]
    lines += ["| session | from | to | log [s] | twin [s] |", "|---|---|---|---|---|"]
    for s in found.switches:
        times = ("unmatched" if time is None else f"{time:.3f}" for time in (s.log, s.twin))
        lines.append(f"| {s.session} | {s.before.name} | {s.after.name} | {' | '.join(times)} |")
    return [*lines, ""]


def _gaps(found: Validation, path: Path) -> None:
    """Draw every metric as a share of its tolerance: sessions as dots, interval as a bar."""
    figure = Figure(figsize=(7.2, 0.8 + 0.32 * len(found.held_out)), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.subplots()
    axes.axvspan(-1.0, 1.0, color="#e4e7eb")
    for row, item in enumerate(found.held_out):
        if not item.measured:
            continue
        share = np.array([*item.values, item.low, item.high]) / item.tolerance.tolerance
        shown = np.clip(share, -3.0, 3.0)
        colour = _GOOD if item.passed else _BAD
        axes.plot(shown[-2:], [row, row], color=colour, lw=4, alpha=0.6)
        axes.plot(shown[:-2], np.full(len(shown) - 2, row), "o", color=colour, ms=4)
    axes.set_yticks(range(len(found.held_out)), [item.name for item in found.held_out])
    axes.invert_yaxis()
    axes.set_xlim(-3.2, 3.2)
    axes.set_xlabel("gap / tolerance (beyond 3 drawn at 3)")
    figure.savefig(path)


def _velocities(found: Validation, path: Path) -> None:
    figure = Figure(figsize=(7.2, 0.4 + 2.4 * max(1, len(found.drives))), layout="constrained")
    FigureCanvasSVG(figure)
    panels = figure.subplots(max(1, len(found.drives)), 2, squeeze=False)
    for row, (name, (log, twin)) in zip(panels, found.drives.items(), strict=False):
        time = PERIOD * np.arange(len(log.twist))
        for column, (axes, label) in enumerate(zip(row, ("forward [m/s]", "yaw [rad/s]"), strict=True)):
            axes.plot(time[::4], log.twist[::4, column], color=_LOG, lw=1.2, label="log")
            axes.plot(time[::4], twin.twist[::4, column], color=_TWIN, lw=0.8, ls="--", label="twin")
            axes.set_title(f"{name}, {label}", fontsize=9, loc="left")
        row[0].legend(frameon=False, fontsize=8)
    for axes in panels[-1]:
        axes.set_xlabel("time [s]")
    figure.savefig(path)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
