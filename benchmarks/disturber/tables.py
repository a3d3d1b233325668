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


def _interval(values: list[float] | None) -> str:
    if not values:
        return _NONE
    return f"{values[0]:.3f}" + (f" ({values[1]:.3f} to {values[2]:.3f})" if len(values) > 1 else "")


MAKERS = {"linear": linear_tables, "attacks": attack_tables}
"""Of each part."""
