# SPDX-License-Identifier: Apache-2.0
"""Tables of the safety case, from hazard files, supervisor tables, requirements and the table of faults."""

from collections import Counter
from pathlib import Path
from typing import Any

from reflexarc.assurance.hazards.cell import Cell
from reflexarc.assurance.hazards.read import read_cell
from reflexarc.assurance.monitors.requirements import read_requirements, requirements_file
from reflexarc.assurance.supervisor.table import read_table
from reflexarc.core.faults import FAULTS

CELLS = Path(__file__).resolve().parents[2] / "models" / "cells"
REQUIREMENTS = ("sidewalk", "arm_contact")


def hazards() -> str:
    """Return every hazard of every cell: how it is noticed, what is chosen against it."""
    head = ("cell", "hazard", "what", "severity", "P(mishap) per turn", "noticed by", "answer", "ends with")
    return _table(head, [row for path in sorted(CELLS.glob("*.yaml")) for row in _hazards(path)])


def properties() -> str:
    """Return what is proven of every supervisor table that comes with the project."""
    head = (
        "cell", "horizon [s]", "P(mishap)", "limit", "at the worst of the uncertain probabilities",
        "if the person does whatever is worst", "P(deadlock)", "with 5 / 10 / 20 % failing sensors: P(mishap)",
        "table against model: states, differences",
    )  # fmt: skip
    rows = []
    for path in sorted(CELLS.glob("*.table.json")):
        table = read_table(path)
        p: Any = table.properties
        failing = " / ".join(f"{p['failing_sensors'][k]['mishap']:.2g}" for k in ("0.05", "0.1", "0.2"))
        same = p["conformance"]
        rows.append(
            (
                table.cell,
                f"{p['horizon_steps'] * p['step_s']:g}",
                *(f"{p[k]:.2g}" for k in ("mishap", "mishap_limit", "mishap_worst", "mishap_worst_person")),
                f"{p['deadlock']:g}",
                failing,
                f"{same['model_states']}, {same['differences']}",
            )
        )
    return _table(head, rows)


def requirements() -> str:
    """Return every requirement that is judged from recordings."""
    head = ("of", "id", "what must hold", "formula", "severity", "source")
    rows = [
        (name, r.id, r.text, f"`{r.formula}`", r.severity, r.source)
        for name in REQUIREMENTS
        for r in read_requirements(requirements_file(name)).requirements
    ]
    return _table(head, rows)


def faults() -> str:
    """Return how many faults each detector notices, and the longest time to the reaction."""
    counted = Counter(f.detector for f in FAULTS)
    slowest = {d: max((f.within_s for f in FAULTS if f.detector == d), default=0.0) for d in counted}
    rows = [
        (name, n, "–" if slowest[name] != slowest[name] else f"{slowest[name]:g}")
        for name, n in sorted(counted.items())
    ]
    return _table(("noticed by", "faults", "slowest reaction [s]"), rows)


def _hazards(path: Path) -> list[tuple[Any, ...]]:
    cell: Cell = read_cell(path)
    policy = read_table(path.with_suffix("").with_suffix(".table.json")).policy
    return [
        (
            cell.name,
            name,
            hazard.description,
            f"{hazard.severity:g}",
            f"{hazard.mishap.nominal:g}, {'assumed' if hazard.mishap.assumed else 'sourced'}",
            ", ".join(hazard.detected_by),
            _action(cell, policy[f"{name}.mitigation"]),
            _action(cell, policy[f"{name}.resumption"]),
        )
        for name, hazard in cell.hazards.items()
    ]


def _action(cell: Cell, name: str) -> str:
    return f"{name} ({cell.actions[name].mode})"


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    cells = ([str(value).replace("|", "\\|") for value in row] for row in rows)
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in cells)])


TABLES = {
    "safety hazards": hazards,
    "safety properties": properties,
    "safety requirements": requirements,
    "safety faults": faults,
}
"""Name of the generated part to what makes it."""
