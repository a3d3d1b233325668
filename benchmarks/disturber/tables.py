# SPDX-License-Identifier: Apache-2.0
"""The tables of the study's page, made from its results."""

import json
from pathlib import Path
from typing import Any

_NONE = "–"


def disturber_tables(path: Path) -> str:
    """Return the tables of every part in Markdown, or a sentence if the full study has not been run."""
    if not path.exists():
        return "The study has not been repeated in full yet."
    parts = json.loads(path.read_text(encoding="utf-8"))["figures"]
    return "\n".join(
        line for name, make in MAKERS.items() if name in parts for line in make(parts[name]["figures"])
    )


def linear_tables(part: dict[str, Any]) -> list[str]:
    """Return the tables of the linear systems."""
    head = (
        "system", "regulator's gamma over the least", "learned actor's, mean (95 %)", "by seed",
        "disturber's share of the worst gain, mean (95 %)", "by seed",
    )  # fmt: skip
    rows = [
        (
            name,
            f"{found['true']['regulator_ratio']:.3f}",
            _interval(found["ratio"]),
            ", ".join(_NONE if row["ratio"] is None else f"{row['ratio']:.3f}" for row in found["actor"]),
            _interval(found["share"]),
            ", ".join(f"{row['share']:.3f}" for row in found["disturber"]),
        )
        for name, found in part.items()
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return ["### Linear systems", "", *lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


def attack_tables(part: dict[str, Any]) -> list[str]:
    """Return the tables of the attacks."""
    head = (
        "stack",
        "search",
        "smallest push that fails, by seed",
        "of the weight",
        "what fails at the smallest",
    )
    rows = []
    for stack in dict.fromkeys(row["stack"] for row in part["rows"]):
        for guided in (True, False):
            found = [row for row in part["rows"] if (row["stack"], row["guided"]) == (stack, guided)]
            failed = [row for row in found if row["size"] is not None]
            least = min(failed, key=lambda row: row["size"]) if failed else None
            sizes = ", ".join(_NONE if row["size"] is None else f"{row['size']:.1f}" for row in found)
            rows.append(
                (
                    stack,
                    "guided" if guided else "by chance",
                    f"{sizes} {found[0]['unit']}",
                    _NONE if least is None else f"{least['of_weight']:.3f}" + " s" * (least["unit"] == "N s"),
                    found[0]["what"] if least is None else least["what"],
                )
            )
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    title = f"### The smallest push, {part['runs']} runs each, up to {part['most']:g}"
    return [title, "", *lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


def throughput_tables(part: dict[str, Any]) -> list[str]:
    """Return the table of the training's speed."""
    rows = [
        (
            name,
            *(f"{found[key]:,.0f}" for key in ("steps_per_s", "steps_per_s_p99", "steps_per_core_s")),
        )
        for name, found in part.items()
        if isinstance(found, dict)
    ]
    head = ("training", "control steps per second, median", "slowest of a hundred", "per core-second")
    title = f"### Speed of a walker's training, {part['cores']} cores"
    return [title, "", *_table(head, rows), ""]


def walker_tables(part: dict[str, Any]) -> list[str]:
    """Return survival per case and method, and what else was measured."""
    table = part["table"]
    methods = tuple(table)
    cases = tuple(table[methods[0]])
    seeds = [len({row["seed"] for row in part["rows"] if row["method"] == method}) for method in methods]
    survival = [
        (case, *(_share(table[method][case].get("survival")) for method in methods)) for case in cases
    ]
    more = []
    for case, figure, unit in FIGURES:
        for name in cases:
            if name.startswith(case):
                found = [table[method][name].get(figure) for method in methods]
                more.append((f"{name}: {figure.replace('_', ' ')}{unit}", *(_interval(x) for x in found)))
    spent = part["iterations"]
    title = f"### Walkers: {part['robots']} robots of each case and seed, {spent['method']} iterations each"
    first = [
        (
            str(row["seed"]), f"{row['upright']} of {row['robots']}", f"{row['velocity_rmse']:.3f}",
            f"{row['yaw_rate_rmse']:.3f}", f"{row['cpu_s']:,.0f}" if row["cpu_s"] else _NONE,
        )
        for row in part["first"]
    ]  # fmt: skip
    head = (
        "seed",
        "upright after 20 s",
        "error [m/s]",
        "error [rad/s]",
        "processor time of the training [s]",
    )
    return [
        f"### What walkers begin with: {spent['first']} iterations", "", *_table(head, first), "",
        title, "", "Share upright after 20 s, mean (95 %) over seeds:", "",
        *_table(("case", *methods), [("seeds", *map(str, seeds)), *survival]), "",
        "What else was measured, mean (95 %) over seeds:", "", *_table(("figure", *methods), more), "",
    ]  # fmt: skip


FIGURES = (
    ("calm", "velocity_rmse", " [m/s]"),
    ("calm", "yaw_rate_rmse", " [rad/s]"),
    ("calm", "power_w", ""),
    ("sudden 50 N", "recovery_s", ""),
    ("sudden 50 N", "velocity_rmse", " [m/s]"),
    ("sudden 50 N", "saturated", ""),
    ("adversarial", "gain_mean", " [1/N]"),
    ("adversarial", "gain_p95", " [1/N]"),
    ("adversarial", "gain_worst", " [1/N]"),
    ("adversarial", "lasted_s", ""),
)
"""Beginning of the case's name, figure, unit."""


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows)]


def _share(values: list[float] | None) -> str:
    if not values:
        return _NONE
    mean, *bounds = (f"{100.0 * x:.0f}" for x in values)
    return f"{mean} %" + (f" ({bounds[0]} to {bounds[1]})" if bounds else "")


def _interval(values: list[float] | None) -> str:
    if not values:
        return _NONE
    return f"{values[0]:.3f}" + (f" ({values[1]:.3f} to {values[2]:.3f})" if len(values) > 1 else "")


MAKERS = {
    "linear": linear_tables,
    "attacks": attack_tables,
    "throughput": throughput_tables,
    "walkers": walker_tables,
}
"""Of each part."""
