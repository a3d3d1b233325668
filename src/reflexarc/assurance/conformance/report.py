# SPDX-License-Identifier: Apache-2.0
"""What the conformance of a cell is reported as: figures for JSON, and a page in Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from reflexarc.assurance.conformance.estimate import Estimate, Finding
from reflexarc.assurance.conformance.replay import Replay
from reflexarc.assurance.hazards.cell import Cell

SHOWN = 20
"""Kinds of unmatched transitions on the page; the JSON holds every single one."""


def conforms(replayed: Replay, estimates: Sequence[Estimate]) -> bool:
    """Return whether nothing is unmatched and no interval excludes the model's value."""
    return not replayed.unmatched and all(e.finding is not Finding.NOT_COVERED for e in estimates)


def conformance_figures(
    cell: Cell, replayed: Replay, estimates: Sequence[Estimate], verified: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return everything as one JSON object."""
    return {
        "cell": cell.name,
        "model_sha256": cell.sha256,
        "conforms": conforms(replayed, estimates),
        "traces": replayed.traces,
        "turns": replayed.turns,
        "unmatched": [asdict(item) for item in replayed.unmatched],
        **{_key(f): sum(e.finding is f for e in estimates) for f in Finding},
        "confidence": cell.limits.confidence,
        "probabilities": [asdict(e) | {"covers": e.covers} for e in estimates],
        "reverified": None if verified is None else dict(verified),
    }


def conformance_page(
    cell: Cell, replayed: Replay, estimates: Sequence[Estimate], verified: Mapping[str, Any] | None
) -> str:
    """Return the page."""
    minutes = replayed.turns * cell.step_s / 60.0
    lines = [
        f"# Conformance of the cell {cell.name}",
        "",
        f"{replayed.traces} traces, {replayed.turns} turns ({minutes:.1f} min). "
        f"**{'CONFORMS' if conforms(replayed, estimates) else 'DOES NOT CONFORM'}**: "
        f"{len(replayed.unmatched)} unmatched transitions; of {len(estimates)} probabilities "
        + ", ".join(f"{sum(e.finding is f for e in estimates)} {f}" for f in Finding)
        + ".",
        "",
        f"## Probabilities, intervals of {cell.limits.confidence:.0%} confidence",
        "",
        "| probability | hits / trials | interval | model | model's own interval | finding | trials needed |",
        "|---|---|---|---|---|---|---|",
        *(_row(e) for e in estimates),
        "",
        "## Unmatched transitions",
        "",
    ]
    kinds = replayed.kinds()
    if kinds:
        lines += ["| turn | before | after | times |", "|---|---|---|---|"]
        lines += [f"| {' | '.join(kind)} | {times} |" for kind, times in list(kinds.items())[:SHOWN]]
        rest = len(kinds) - SHOWN
        lines += ["", f"{rest} more kinds are in report.json."] if rest > 0 else []
    else:
        lines.append("None.")
    if verified is not None:
        lines += ["", "## The table's policy on the measured counts", "", *verified_rows(verified)]
    return "\n".join(lines) + "\n"


def verified_rows(verified: Mapping[str, Any]) -> list[str]:
    """Return the table of a re-verification in Markdown."""
    rows = ["| | nominal | worst |", "|---|---|---|"]
    for key, text in (
        ("mishap", f"P(mishap within {verified['horizon_s']:g} s), limit {verified['limit']:g}"),
        ("deadlock", "P(deadlock)"),
    ):
        rows.append(f"| {text} | {_number(verified['nominal'][key])} | {_number(verified['worst'][key])} |")
    freedom = [verified[kind]["freedom"] for kind in ("nominal", "worst")]
    least, mean = (
        [_number(None if part is None else part[key]) for part in freedom] for key in ("min", "mean")
    )
    rows += [f"| least mishap freedom | {least[0]} | {least[1]} |", f"| mean | {mean[0]} | {mean[1]} |"]
    yes = [
        "yes" if verified[kind]["live"] and verified[kind]["resumes"] else "no"
        for kind in ("nominal", "worst")
    ]
    rows.append(f"| live and resuming | {yes[0]} | {yes[1]} |")
    return rows


def _row(e: Estimate) -> str:
    interval = f"{e.low:.4g} to {e.high:.4g}" if e.trials else "–"
    own = f"{e.model_low:g} to {e.model_high:g} ({e.own})" if e.own != "point" else "–"
    needed = f"{e.needed:,}" if e.needed is not None else "–"
    return f"| {e.path} | {e.hits} / {e.trials:,} | {interval} | {e.model:.4g} | {own} | {e.finding} | {needed} |"


def _number(value: float | None) -> str:
    return "undecided" if value is None else f"{value:.5g}"


def _key(finding: Finding) -> str:
    return str(finding).replace(" ", "_")
