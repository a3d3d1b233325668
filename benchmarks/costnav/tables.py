# SPDX-License-Identifier: Apache-2.0
"""The tables of the study's page, made from its result files."""

import json
from pathlib import Path
from typing import Any

COMPONENTS = ("electricity", "service", "pedestrian", "property", "repair", "operator", "rescue")
TITLES = {
    "v5": "CostNav v5, gross revenue",
    "v6": "CostNav v6, revenue scaled by deliveries",
    "reflexarc": "ReflexArc, scaled to a trip of 4 km",
    "reflexarc_run": "ReflexArc, per run as driven",
}


def study_tables(path: Path) -> str:
    """Return the simulation metrics, a statement per model and the paired differences in Markdown."""
    if not path.exists():
        return "The study has not been repeated in full yet."
    figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
    names = list(figures["observed"])
    lines = [f"### Simulation metrics, {figures['missions']} missions per policy", "", _head(names)]
    shares = figures["statements"]["v5"]
    for key in ("success", "spoiled", "timeout", "assistance"):
        lines.append(
            _row(f"share {key} (v5 rules)", [f"{shares[n]['outcome_shares'][key]:.2f}" for n in names])
        )
    for key, digits in (
        ("mean_velocity_m_s", 3), ("velocity_of_sums_m_s", 3), ("mean_energy_wh", 3), ("impulse_ns_per_run", 2),
        ("pedestrian_contacts_per_run", 2), ("pedestrian_contacts_moving_per_run", 2), ("other_contacts_per_run", 2),
        ("max_pedestrian_delta_v_m_s", 2), ("mean_runtime_s", 1), ("mean_distance_m", 1),
    ):  # fmt: skip
        lines.append(
            _row(key.replace("_", " "), [f"{figures['observed'][n][key]:.{digits}f}" for n in names])
        )
    for model, statements in figures["statements"].items():
        lines += ["", f"### {TITLES[model]}", "", _head(names)]
        keys = [
            k
            for k in ("capex", *COMPONENTS, "opex", "revenue", "margin", "bep_runs")
            if k in statements[names[0]]
        ]
        for key in keys:
            lines.append(_row(key, [_cell(statements[n], key) for n in names]))
        lines.append(
            _row("P(margin > 0)", [f"{statements[n]['probability_margin_positive']:.3f}" for n in names])
        )
        for pair in figures["pairs"][model]:
            low, high = pair["ci95"]["margin"]
            lines.append(
                f"\n{pair['policy']} less {pair['less']}, paired over {pair['missions']} missions: margin "
                f"{pair['difference']['margin']:+.2f} usd/run [{low:+.2f}, {high:+.2f}]"
                + (f"; {pair['refused']}" if pair["refused"] else "")
            )
    lines += ["", "### What the margin of the last column depends on (model reflexarc)", ""]
    lines += ["| parameter | range | margin at low | margin at high |", "|---|---|---|---|"]
    for s in figures["tornado"][:10]:
        span = f"{s['low']:g} to {s['high']:g}"
        lines.append(f"| `{s['parameter']}` | {span} | {s['margin_low']:.2f} | {s['margin_high']:.2f} |")
    return "\n".join(lines)


def tuning_tables(path: Path) -> str:
    """Return the held-out statements of both winners in Markdown."""
    if not path.exists():
        return "The tuning study has not been run yet."
    figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
    names = list(figures["winners"])
    lines = [_head(names)]
    lines.append(_row("candidate", [str(figures["winners"][n]["candidate"]) for n in names]))
    parameters = sorted({k for n in names for k in figures["winners"][n]["parameters"]})
    for key in parameters:
        values = [figures["winners"][n]["parameters"].get(key) for n in names]
        lines.append(_row(f"`{key}`", ["default" if v is None else f"{v:g}" for v in values]))
    chosen = [figures["leaders"][str(figures["winners"][n]["candidate"])] for n in names]
    lines.append(_row("training: success", [f"{c['success']:.3f}" for c in chosen]))
    lines.append(_row("training: duration [s]", [f"{c['mean_duration_s']:.1f}" for c in chosen]))
    lines.append(_row("training: objective [usd/run]", [f"{c['step_cost_usd_per_run']:.2f}" for c in chosen]))
    for model, statements in figures["held_out"].items():
        for key in ("pedestrian", "operator", "opex", "margin"):
            if key in statements[names[0]]:
                lines.append(_row(f"held out, {model}: {key}", [_cell(statements[n], key) for n in names]))
    lines.append(
        _row(
            "held out: share success",
            [f"{figures['held_out']['v5'][n]['outcome_shares']['success']:.3f}" for n in names],
        )
    )
    for model, difference in figures["difference"].items():
        low, high = difference["ci95"]
        lines.append(
            f"\n{model}: {names[1]} less {names[0]}, paired over {len(figures['held_out_seeds'])} held-out missions: "
            f"{difference['margin']:+.2f} usd/run [{low:+.2f}, {high:+.2f}]"
        )
    return "\n".join(lines)


def _head(names: list[str]) -> str:
    return f"| | {' | '.join(names)} |\n|---|{'---:|' * len(names)}"


def _row(label: str, cells: list[str]) -> str:
    return f"| {label} | {' | '.join(cells)} |"


def _cell(statement: dict[str, Any], key: str) -> str:
    value = statement[key]
    if value is None:
        return "–"
    low, high = statement["ci95"][key]
    if key == "capex" or low == high:
        return f"{value:.4g}" if key != "capex" else f"{value:.2f}"
    digits = 4 if key == "electricity" else 2
    ends = "–" if high is None else f"{high:.{digits}f}"
    return f"{value:.{digits}f} [{low:.{digits}f}, {ends}]"
