# SPDX-License-Identifier: Apache-2.0
"""The tables of the study's page, made from its results."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

_NONE = "–"
Column = Callable[[dict[str, Any]], Any]
"""Makes a cell of a row of the results."""


def bresa_tables(path: Path) -> str:
    """Return the tables of every part in Markdown, or a sentence if the full study has not been run."""
    if not path.exists():
        return "The study has not been repeated in full yet."
    parts = json.loads(path.read_text(encoding="utf-8"))["figures"]
    lines = [line for name, make in MAKERS.items() if name in parts for line in make(parts[name]["figures"])]
    missing = [name for name in MAKERS if name not in parts]
    if missing:
        lines = [f"Not repeated in full yet: {', '.join(missing)}.", "", *lines]
    return "\n".join(lines)


def navigation_tables(part: dict[str, Any]) -> list[str]:
    """Return the tables of the navigation problems."""
    groups = {
        group: [c for c in part["configurations"] if c["group"] == group]
        for group in ("methods", "rates", "backups")
    }
    lines = ["### Navigation: while learning", "", *_learning(groups["methods"], "method"), ""]
    lines += ["### Navigation: deployed", "", *_deployed(groups["methods"], "method"), ""]
    lines += ["### Navigation: ratio of one over that of another, seed by seed", ""]
    lines += [*_compared(part["comparisons"], ("methods", "thresholds", "hysteresis")), ""]
    lines += [f"### Navigation: calibrated for {100 * part['alpha']:g} % of failures", ""]
    lines += [*_calibration(part["calibration"]), ""]
    lines += ["### Navigation: rate of the critic", "", *_learning(groups["rates"], "rate"), ""]
    lines += [*_deployed(groups["rates"], "rate"), "", *_compared(part["comparisons"], ("rates",)), ""]
    both = [
        c for c in part["configurations"] if c["method"] == "ours" and c["group"] in ("methods", "backups")
    ]
    lines += ["### Navigation: backup of the critic", "", *_learning(both, "bootstrap"), ""]
    lines += [*_compared(part["comparisons"], ("backups",)), ""]
    return lines + ["### Navigation: the committed agents", "", *_agents(part["agents"]), ""]


def _learning(rows: list[dict[str, Any]], label: str) -> list[str]:
    head = (
        "problem",
        label,
        "seeds",
        "reached",
        "failed",
        "episodes",
        "reflexes",
        "ratio",
        "calibration error",
    )
    return table(
        head,
        [
            (
                c["problem"],
                _label(c, label),
                c["seeds"],
                *(_interval(c["training"][k], 4) for k in ("reached", "failed", "over", "reflex")),
                _interval(c["training"]["ratio"]),
                _interval(c["calibration_error"], 2),
            )
            for c in rows
        ],
    )


def _deployed(rows: list[dict[str, Any]], label: str) -> list[str]:
    head = (
        "problem", label, "shield", "seeds", "success [%]", "violation [%]", "ratio", "steps to the goal",
        "reflexes per episode", "false reflexes [%]",
    )  # fmt: skip
    return table(
        head,
        [
            (
                c["problem"],
                _label(c, label),
                SHIELDS[kind],
                d["seeds"],
                _interval(d["success"], 4, 100.0),
                _interval(d["violation"], 3, 100.0),
                _interval(d["ratio"]),
                _interval(d["steps"]),
                _interval(d["reflexes"]),
                _interval(d["false_reflexes"], 3, 100.0),
            )
            for c in rows
            for kind, d in c["deployments"].items()
        ],
    )


def _compared(rows: list[dict[str, Any]], groups: tuple[str, ...]) -> list[str]:
    head = (
        "problem",
        "stage",
        "of",
        "over",
        "seeds",
        "ratio of ratios, 95 %",
        "of successes",
        "of violations",
    )
    kinds = ("advantage", "successes", "violations")
    cells = [
        (r["problem"], r["stage"], r["of"], r["over"], r["seeds"], *(_interval(r[k]) for k in kinds))
        for r in rows
        if r["group"] in groups
    ]
    return table(head, cells)


def _calibration(rows: list[dict[str, Any]]) -> list[str]:
    head = (
        "problem", "method", "threshold", "seeds", "least, median, largest threshold", "failed", "rate, 95 % [%]",
        "worst seed [%]", "seeds surely above", "seeds without a passing threshold", "reached",
    )  # fmt: skip
    return table(
        head,
        [
            (
                r["problem"],
                r["method"],
                r["threshold"],
                r["seeds"],
                "{:.3g}, {:.3g}, {:.3g}".format(*_three(r["thresholds"])),
                f"{r['failed']} of {r['episodes']:,}",
                _interval([r["failed"] / r["episodes"], *r["interval"]], 3, 100.0),
                f"{100 * r['worst_seed']:.3g}",
                r["seeds_above"],
                _NONE if r["none_passed"] is None else r["none_passed"],
                f"{100 * r['reached'] / r['episodes']:.4g} %",
            )
            for r in rows
        ],
    )


def _agents(rows: list[dict[str, Any]]) -> list[str]:
    head = (
        "problem",
        "shield",
        "threshold",
        "reached",
        "failed",
        "reflexes per episode",
        "calibration error",
    )
    return table(
        head,
        [
            (
                row["problem"],
                SHIELDS[kind],
                _NONE if d["threshold"] is None else f"{d['threshold']:.3g}",
                f"{d['reached']}/{d['episodes']}",
                d["failed"],
                f"{d['reflexes']:.3g}",
                f"{row['calibration_error']:.2g}",
            )
            for row in rows
            for kind, d in row["deployments"].items()
        ],
    )


def maze_tables(part: dict[str, Any]) -> list[str]:
    """Return the tables of the mazes."""
    lines = ["### Mazes: while learning in the contact model", "", *_columns(part["training"], LEARNED), ""]
    named = {"method": lambda r: f"`{r['method']}`", "inner layer": lambda r: FORMS[r["form"]]}
    rows = part["methods"]
    lines += ["### Mazes: deployed on the arm", "", *_columns(rows, named | OUTCOMES), ""]
    lines += [*_columns(rows, named | FORCES), ""]
    lines += ["### Mazes: one over another, seed by seed", "", *_columns(part["comparisons"], COMPARED), ""]
    c = part["calibration"]
    words = "" if c["held"] else " No threshold of the grid keeps it; the smallest one was taken."
    lines += ["### Mazes: threshold calibrated in the loop", ""]
    lines += [f"For {100 * c['alpha']:g} % of violations, {c['mazes']} mazes per threshold.{words}", ""]
    marked = [r | {"chosen": "chosen" if r["threshold"] == c["threshold"] else ""} for r in c["rows"]]
    lines += [*_columns(marked, {k: lambda r, k=k: r[k] for k in marked[0]}), ""]
    lines += [
        "### Mazes: what must hold of the deployed form",
        "",
        *table(("", ""), _proof(part["proof"])),
        "",
    ]
    form = {"form": lambda r: _form(r["form"])}
    for group, words in ABLATIONS.items():
        rows = [r for r in part["ablations"] if r["group"] == group]
        subject = f"`{rows[0]['method']}`"
        lines += [f"### Mazes: {words}, {subject}", "", *_columns(rows, form | OUTCOMES), ""]
        lines += [*_columns(rows, form | FORCES), ""]
        pairs = [r for r in part["ablated"] if r["group"] == group]
        lines += [*_columns(pairs, VARIED), ""] if pairs else []
    return lines


def _proof(p: dict[str, Any]) -> list[tuple[Any, ...]]:
    n, (low, high) = p["episodes"], p["interval"]
    spread = f"{100 * p['violations'] / n:.3g} %; 95 %: {100 * low:.2g} to {100 * high:.2g} %"
    return [
        ("episodes, shapes not learned on", n),
        ("solved", f"{p['successes']} ({100 * p['successes'] / n:.3g} %)"),
        (f"violations; wanted at most {100 * p['wanted']:g} %", f"{p['violations']} ({spread})"),
        ("episodes above 40 N for longer than 50 ms; must be 0", p["long_above_peak"]),
        ("episodes above 25 N for longer than 50 ms; must be 0", p["long_above_sustained"]),
        ("longest above 40 N [s]", f"{p['longest_above_peak_s']:.3f}"),
        ("longest above 25 N [s]", f"{p['longest_above_sustained_s']:.3f}"),
        ("tank underflows; must be 0", p["underflows"]),
        ("least in the tank [J]", _number(p["tank_least_j"])),
        ("largest force [N]", _number(p["peak_most_n"])),
        ("reflexes per episode", f"{p['reflexes'][0]:.3g}"),
        ("reflex after contact, p50 / p99 / max [ms]", _latency(p["latency_ms"])),
        ("episodes with a fault; diverged", f"{p['faulty']}; {p['diverged']}"),
    ]


def _columns(rows: list[dict[str, Any]], columns: dict[str, Column]) -> list[str]:
    return table(tuple(columns), [tuple(cell(r) for cell in columns.values()) for r in rows])


def _form(name: str) -> str:
    name, _, layer = name.partition(", ")
    return f"{name}, inner layer {FORMS[layer]}" if layer else name


def _side(side: list[str]) -> str:
    return f"`{side[0]}`" + (", inner layer on" if side[1] == "inner" else "")


def _latency(found: dict[str, Any]) -> str:
    return " / ".join(_NONE if found[k] is None else f"{found[k]:.4g}" for k in ("p50", "p99", "max"))


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3g}"


SHIELDS = {
    "none": "none",
    "published": "published threshold",
    "calibrated": "calibrated",
    "tested": "tested",
    "published_at_once": "published, no hysteresis or dwell",
    "calibrated_at_once": "calibrated, no hysteresis or dwell",
    "tested_at_once": "tested, no hysteresis or dwell",
    "shielded": "its own",
    "once_per_decision": "its own, one look per decision",
}
"""Name of a shield in the results to that on the page."""
FORMS = {"plain": "off", "inner": "on"}
"""Name of a form in the results to the inner layer on the page."""
ABLATIONS = {
    "rates": "rate of the critic",
    "tank": "energy tank",
    "zeroing": "a force sensor that is off by 2 N along each axis, inner layer on",
    "threshold": "calibrated and fixed threshold",
    "conditions": "other conditions than those learned in",
}
LEARNED: dict[str, Column] = {
    "method": lambda r: f"`{r['method']}`",
    "seeds": lambda r: r["seeds"],
    "reached": lambda r: _interval(r["reached"], 4),
    "failed": lambda r: _interval(r["failed"], 4),
    "episodes": lambda r: _interval(r["over"], 4),
    "reflexes": lambda r: _interval(r["reflex"], 4),
    "ratio": lambda r: _interval(r["ratio"]),
    "thresholds": lambda r: f"{min(r['thresholds']):.3g} to {max(r['thresholds']):.3g}",
}
OUTCOMES: dict[str, Column] = {
    "seeds": lambda r: r["seeds"],
    "episodes": lambda r: r["episodes"],
    "success [%]": lambda r: _interval(r["success"], 3, 100.0),
    "violation [%]": lambda r: _interval(r["violation"], 3, 100.0),
    "ratio": lambda r: _interval(r["ratio"]),
    "reflexes per episode": lambda r: _interval(r["reflexes"]),
    "false reflexes [%]": lambda r: _interval(r["false_reflexes"], 3, 100.0),
    "time of successes [s]": lambda r: _interval(r["completion_s"]),
}
FORCES: dict[str, Column] = {
    "peak force [N]": lambda r: _interval(r["peak_n"]),
    "largest [N]": lambda r: _number(r["peak_most_n"]),
    "above 20 / 30 / 40 N [%]": lambda r: " / ".join(f"{100 * v[0]:.3g}" for v in r["above"].values()),
    "CVaR95 [N]": lambda r: _interval(r["cvar95_n"]),
    "reflex after contact, p50 / p99 / max [ms]": lambda r: _latency(r["latency_ms"]),
    "tank underflows": lambda r: r["underflows"],
    "least in the tank [J]": lambda r: _number(r["tank_least_j"]),
    "episodes with a fault": lambda r: r["faulty"],
    "diverged": lambda r: r["diverged"],
}
COMPARED: dict[str, Column] = {
    "of": lambda r: _side(r["of"]),
    "over": lambda r: _side(r["over"]),
    "seeds": lambda r: r["seeds"],
    "success [points]": lambda r: _interval(r["success"], 3, 100.0),
    "violation [points]": lambda r: _interval(r["violation"], 3, 100.0),
    "ratio of the ratios": lambda r: _interval(r["advantage"]),
}
VARIED: dict[str, Column] = {
    "of": lambda r: r["of"][0],
    "over": lambda r: r["over"][0],
    **{name: cell for name, cell in COMPARED.items() if name not in ("of", "over")},
}
MAKERS = {"navigation": navigation_tables, "maze": maze_tables}
"""Part of the study to the maker of its tables, in the order of the page."""


def table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    """Return a table in Markdown."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return lines + [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]


def _label(c: dict[str, Any], label: str) -> str:
    return f"{c['rate']} Hz" if label == "rate" else f"`{c[label]}`"


def _three(values: list[float]) -> tuple[float, float, float]:
    ordered = sorted(values)
    return ordered[0], ordered[len(ordered) // 2], ordered[-1]


def _interval(value: list[float] | None, digits: int = 3, times: float = 1.0) -> str:
    if value is None:
        return _NONE
    middle, low, high = (f"{times * x:.{digits}g}" for x in value)
    return middle if low == high else f"{middle} ({low} to {high})"
