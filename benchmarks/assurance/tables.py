# SPDX-License-Identifier: Apache-2.0
"""The tables of the study's page, made from its results."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def assurance_tables(path: Path) -> str:
    """Return the tables of the synthesis in Markdown, or a sentence if it has not been run in full."""
    if not path.exists():
        return "The study has not been repeated in full yet."
    parts = json.loads(path.read_text(encoding="utf-8"))["figures"]
    if "synthesis" not in parts:
        return "The synthesis has not been repeated in full yet."
    figures = parts["synthesis"]["figures"]
    return "\n".join(
        [
            *_sweep(figures["sweep"]),
            *_failing(figures["failing_sensors"]),
            *_order(figures["order"]),
            *_conformance(figures["conformance"]),
            *(_hazard_model(parts["conformance"]["figures"]) if "conformance" in parts else []),
            *(_regression(parts["regression"]["figures"]) if "regression" in parts else []),
            *(_fault_free(parts["fault_free"]["figures"]) if "fault_free" in parts else []),
        ]
    )


def _sweep(part: dict[str, Any]) -> list[str]:
    rows = [
        ("policies × alarm settings", part["configurations"]),
        ("wall time, CPU time, processes", f"{part['wall_s']} s, {part['cpu_s']} s, {part['jobs']}"),
        (
            "states, transitions",
            " to ".join(map(str, part["states"])) + ", " + " to ".join(map(str, part["transitions"])),
        ),
        (
            "undecided, with a deadlock, not live or not resuming",
            f"{part['undecided']}, {part['deadlocked']}, {part['not_live']}",
        ),
        ("keep every constraint, not dominated", f"{part['acceptable']}, {part['pareto']}"),
        ("least mishap freedom of any hazardous state", f"{part['freedom_min']:.4f}"),
    ]
    return ["### Every policy of the welding cell", "", *_table(("", "found"), rows), ""]


def _failing(rows: Sequence[dict[str, Any]]) -> list[str]:
    head = (
        "each sensor fails with",
        "policies",
        "largest P(deadlock), default stop",
        "without",
        "policies that deadlock without",
        "live and resuming",
        "least mishap freedom: worst policy, best policy",
        "policies above 0.8947",
        "P(mishap within 50 steps)",
    )
    cells = [
        (
            f"{row['share']:.0%}",
            row["policies"],
            f"{row['deadlock_with']:g}",
            f"{row['deadlock_without']:.3f}",
            row["policies_deadlocked_without"],
            row["live"],
            f"{row['freedom_min']:.4f}, {row['freedom_best']:.4f}",
            row["above_published"],
            " to ".join(f"{value:.4f}" for value in row["mishap"]),
        )
        for row in rows
    ]
    return ["### Failing sensors", "", *_table(head, cells), ""]


def _order(part: dict[str, Any]) -> list[str]:
    head = (
        "workbench",
        "area",
        "expected productivity, 50 steps: ours",
        "published, largest",
        "share of none: ours, published",
        "authors' largest, quiet alarms",
        "largest P(mishap within 50 steps)",
        "authors' model",
    )
    cells = [
        (
            row["workbench"],
            row["area"],
            f"{row['productivity']:.3f}",
            f"{row['published_productivity']:.3f}",
            f"{row['share']:.3f}, {row['published_share']:.3f}",
            f"{row['authors_quiet']:.3f}",
            f"{row['mishap_worst_person']:.4f}",
            f"{row['published_mishap']:.4f}",
        )
        for row in part["rows"]
    ]
    return [
        "### Order of the mitigations",
        "",
        *_table(head, cells),
        "",
        f"Pairs of rows in the published order: {part['mishap_pairs_agreeing']} by P(mishap), "
        f"{part['productivity_pairs_agreeing']} by productivity; the authors' model with quiet alarms: "
        f"{part['authors_quiet_pairs_agreeing']}. Largest difference of a share from the published one: "
        f"{part['share_error']:.3f}.",
        "",
        *_rests_on(part),
        "",
    ]


def _rests_on(part: dict[str, Any]) -> list[str]:
    """Return in which range of what was assumed the order of the productivities holds."""
    head = ("assumed, per turn", "value", "all pairs from", "to", "largest that can be")
    cells: list[tuple[Any, ...]] = [
        (
            row["name"],
            f"{row['nominal']:g}",
            f"{row['low']:.3f}",
            f"{row['high']:.3f}",
            f"{row['most']:g}",
        )
        for row in part["ranges"]
    ]
    together = "; ".join(
        f"{row['held']} of {row['draws']} draws by up to a factor of {row['spread']:g}"
        for row in part["together"]
    )
    return [
        *_table(head, cells),
        "",
        f"Each alone, by up to a factor of 8. All together: all pairs in {together}. Both alarms: all pairs up to an "
        f"intensity of {part['alarms']:g}.",
    ]


def _conformance(part: dict[str, Any]) -> list[str]:
    head = ("cell", "states in the supervisor's turn", "states of the table", "transitions", "differences")
    cells = [
        (name, row["model_states"], row["table_states"], row["transitions"], row["differences"])
        for name, row in part.items()
    ]
    return ["### Table against model", "", *_table(head, cells)]


def _hazard_model(part: dict[str, Any]) -> list[str]:
    head = ("probability", "hits / trials", "95 % interval", "model", "its range", "finding", "trials needed")
    cells = [
        (
            row["path"],
            f"{row['hits']} / {row['trials']:,}",
            f"{row['low']:.4f} to {row['high']:.4f}" if row["trials"] else "–",
            f"{row['model']:g}",
            "–" if row["own"] == "point" else f"{row['model_low']:g} to {row['model_high']:g}, {row['own']}",
            row["finding"],
            "–" if row["needed"] is None else f"{row['needed']:,}",
        )
        for row in part["probabilities"]
    ]
    found = ", ".join(f"{count} {name}" for name, count in part["findings"].items())
    lines = [
        "",
        "### Hazard model of the sidewalk against runs",
        "",
        f"{part['runs']} runs, {part['turns']:,} turns, {part['unmatched']} unmatched; probabilities: {found}.",
        "",
        *_table(head, cells),
    ]
    if (verified := part["reverified"]) is not None:
        assumed = verified["assumed"]
        nominal, worst = verified["nominal"], verified["worst"]
        rows = [
            ("assumed", f"{assumed['mishap']:.4f}", f"{assumed['mishap_worst']:.4f}", "0", "–"),
            (
                "measured counts",
                f"{nominal['mishap']:.4f}",
                f"{worst['mishap']:.4f}",
                f"{nominal['deadlock']:g}, {worst['deadlock']:g}",
                f"{nominal['freedom']['min']:.4f}, {worst['freedom']['min']:.4f}",
            ),
        ]
        shown = ("probabilities", "P(mishap within 30 s)", "worst", "P(deadlock)", "least mishap freedom")
        lines += ["", *_table(shown, rows)]
    return lines


def _fault_free(part: dict[str, Any]) -> list[str]:
    low, high = part["per_h_interval"]
    return [
        "",
        "### Without a fault",
        "",
        f"`{part['scenario']}` in lock-step: {part['drives']} drives, {part['hours']:.2f} h, {part['false_stops']} "
        f"false stops, {part['per_h']:.2f} per hour ({low:.2f} to {high:.2f}, exact 95 % interval); "
        f"{part['contacts']} contacts of the moving robot.",
    ]


def _regression(part: dict[str, Any]) -> list[str]:
    head = (
        "over the welding cell",
        "runs",
        "contacts",
        "mishaps, runs with one, 95 % interval",
        "peak force",
        "runs that violate SEP, FORCE, ANSWER, DWELL",
        "productivity, its spread",
        "workpieces",
        "stopped",
    )
    cells = [
        (
            name,
            row["runs"],
            row["contacts"],
            f"{row['mishaps']}, {row['runs_with_mishap']}, "
            f"{row['mishap_interval'][0]:.3f} to {row['mishap_interval'][1]:.3f}",
            f"{row['peak_force_n']:g} N",
            ", ".join(str(row["violated_runs"][key]) for key in ("SEP", "FORCE", "ANSWER", "DWELL")),
            f"{row['productivity']:g}, {row['productivity_std']:g}",
            row["finished"],
            f"{row['stopped_s']:g} s of 60",
        )
        for name, row in part["controllers"].items()
    ]
    cases = [
        (f"{suite}: {name}", item["cases"], item["passed"], row["regressions"], row["known_findings"])
        for suite, row in part["suites"].items()
        for name, item in row["use_cases"].items()
    ]
    planted = list(part["planted"].items())
    return [
        "",
        "### Random runs of the welding cell, the same for every controller",
        "",
        *_table(head, cells),
        "",
        "### Cases that cover every pair of factors",
        "",
        *_table(("suite", "cases", "hold", "regressions, whole suite", "known findings, whole suite"), cases),
        "",
        *_table(("planted in the welding cell", "regressions found"), planted),
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    body = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *body]
