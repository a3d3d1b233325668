# SPDX-License-Identifier: Apache-2.0
"""The tables of the study's page, made from its results."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

_NONE = "–"


def barrier_tables(path: Path) -> str:
    """Return the tables of every part in Markdown, or a sentence if the full study has not been run."""
    if not path.exists():
        return "The study has not been repeated in full yet."
    parts = json.loads(path.read_text(encoding="utf-8"))["figures"]
    makers: dict[str, Callable[[dict[str, Any]], list[str]]] = {
        "solvers": _solvers,
        "filters": _filters,
        "ladder": _ladder,
        "learning": _learning,
        "certificates": _certificates,
    }
    lines: list[str] = []
    for name, make in makers.items():
        lines += make(parts[name]["figures"])
    return "\n".join(lines)


def _solvers(part: dict[str, Any]) -> list[str]:
    lines = ["### Solvers", ""]
    lines += _table(
        (
            "solver",
            "rows",
            "feasible: whole p50 / p99 [us]",
            "solver alone",
            "infeasible: whole",
            "solver alone",
            "relaxed: whole",
        ),
        [
            (
                case["solver"],
                case["rows"],
                _times(case["feasible"]["whole"]),
                _times(case["feasible"]["alone"]),
                _times(case["infeasible"]["whole"]),
                _times(case["infeasible"]["alone"]),
                _times(case["relaxed"]["whole"]),
            )
            for case in part["cases"]
        ],
    )
    lines += [
        "",
        "What the solvers say, and what comes through the check, of as many programmes of each kind:",
        "",
    ]
    lines += _table(
        (
            "solver",
            "rows",
            "programmes",
            "worst error of the solver alone",
            "solved wrongly",
            "feasible called infeasible",
            "infeasible not recognised",
            "worst error used",
            "second opinions",
            "wrong status after the check",
        ),
        [
            (
                case["solver"],
                case["rows"],
                case["programmes"],
                _small(case["feasible"]["worst_error_unchecked"]),
                case["feasible"]["wrong_unchecked"],
                case["feasible"]["called_infeasible"],
                case["infeasible"]["called_solved"],
                _small(case["feasible"]["worst_error"]),
                case["feasible"]["second_opinions"],
                case["feasible"]["not_found"] + case["infeasible"]["used"] + case["relaxed"]["not_found"],
            )
            for case in part["cases"]
        ],
    )
    return [*lines, ""]


def _filters(part: dict[str, Any]) -> list[str]:
    peers = sorted({name for case in part["cases"] for name in case["peers"]})
    rows = []
    for case in part["cases"]:
        cells = [case["case"], case["rows"], _times(case["ours"]), _small(case.get("worst_difference"))]
        for name in peers:
            peer = case["peers"].get(name)
            cells.append(
                _NONE
                if peer is None
                else f"{_times(peer)}, ratio {peer['ratio']}, {_small(peer['worst_difference'])}"
            )
        rows.append(tuple(cells))
    head = ("case", "rows", "ours p50 / p99 [us]", "worst difference", *(f"{name} [us]" for name in peers))
    lines = ["### Filters of the Panda", "", *_table(head, rows), ""]
    perceptron = {k: v for k, v in part["perceptron"].items() if isinstance(v, dict)}
    lines += ["Value and gradient of a 256-256 perceptron:", ""]
    lines += _table(
        ("implementation", "p50 / p99 [us]"), [(name, _times(times)) for name, times in perceptron.items()]
    )
    return [*lines, ""]


def _ladder(part: dict[str, Any]) -> list[str]:
    titles = {
        "periods": "Double integrator before a wall: least margin per control period",
        "delays": "The same with a delayed input",
        "gains": "Gains of the high-order barrier, and whether the input bounds honour them",
        "suite": "Standard systems",
    }
    lines = []
    for key, title in titles.items():
        lines += [f"### {title}", "", *_plain(part[key]), ""]
    return [*lines, f"Largest gain that is accepted: {part['largest_accepted_gain']:.3g}", ""]


def _learning(part: dict[str, Any]) -> list[str]:
    figures = (
        ("violations", "violating episodes [%]", 100.0, 2),
        ("return", "return", 1.0, 1),
        ("interventions", "steps filtered [%]", 100.0, 1),
        ("infeasible", "steps without an answer [%]", 100.0, 2),
        ("false_safe_ring", "false-safe share of the ring [%]", 100.0, 1),
        ("false_safe_unavoidable", "false-safe share of all unavoidable [%]", 100.0, 2),
        ("false_unsafe", "false-unsafe share [%]", 100.0, 1),
    )
    rows = [
        (
            entry["name"],
            f"{entry['seeds']} x {entry['starts']}",
            *(_interval(entry.get(key), factor, digits) for key, _, factor, digits in figures),
        )
        for entry in part["table"]
    ]
    head = ("controller", "seeds x starts", *(title for _, title, _, _ in figures))
    return ["### Learned barriers, boat", "", *_table(head, rows), ""]


def _certificates(part: dict[str, Any]) -> list[str]:
    rows = []
    for entry in part["certificates"]:
        for kind, claim in entry["claims"].items():
            rows.append(
                (
                    f"`{entry['barrier']}`",
                    entry["system"],
                    kind,
                    "yes" if claim["holds"] else "no",
                    "yes" if entry["matched"] else "no",
                    claim["statement"],
                )
            )
    head = ("barrier", "system", "claim", "holds", "recomputed and equal", "statement")
    return ["### Certificates", "", *_table(head, rows), ""]


def _plain(rows: list[dict[str, Any]]) -> list[str]:
    """Return a table of all figures that are numbers, words or truth values, with the keys as titles."""
    keys = [key for key in rows[0] if not any(isinstance(row.get(key), (dict, list)) for row in rows)]
    cells = [tuple(_cell(row.get(key)) for key in keys) for row in rows]
    return _table(tuple(key.replace("_", " ") for key in keys), cells)


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return lines + [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]


def _times(times: dict[str, float]) -> str:
    return f"{times['p50_us']:g} / {times['p99_us']:g}"


def _small(value: float | None) -> str:
    return _NONE if value is None else f"{value:.0e}"


def _cell(value: Any) -> str:
    if value is None:
        return _NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _interval(value: dict[str, float] | None, factor: float, digits: int) -> str:
    if value is None:
        return _NONE
    text = f"{factor * value['mean']:.{digits}f}"
    if "low" in value:
        text += f" [{factor * value['low']:.{digits}f}, {factor * value['high']:.{digits}f}]"
    return text
