# SPDX-License-Identifier: Apache-2.0
"""The tables of the study's page, made from its results."""

import json
from pathlib import Path
from typing import Any

_NONE = "–"


def fleet_tables(path: Path) -> str:
    """Return the tables of every part in Markdown, or a sentence if the full study has not been run."""
    if not path.exists():
        return "The study has not been repeated in full yet."
    parts = json.loads(path.read_text(encoding="utf-8"))["figures"]
    return "\n".join(
        line for name, make in MAKERS.items() if name in parts for line in make(parts[name]["figures"])
    )


def mapf_tables(part: dict[str, Any]) -> list[str]:
    """Return the tables of path finding."""
    random = part["random"]
    lines = [
        f"{random['instances']:,} random instances: {random['planned']:,} plans of `lacam`, `eecbs` and `cbs`, "
        f"{random['findings']} conflicts, {random['over_the_bound']} costs over their bound; {random['without_plan']} "
        f"instances have no plan.",
        "",
    ]
    compared = sum(row["compared_costs"] for row in part["optimal"])
    wrong = sum(row["wrong_costs"] for row in part["optimal"])
    lines += [f"Of {compared} costs of `cbs` whose optimum is known, {wrong} differ from it.", ""]
    titles = {
        "optimal": "Optimal (`cbs`)",
        "bounded": "Bounded, w = 1.2 (`eecbs`)",
        "large": "First plan of large fleets (`lacam`)",
        "anytime": "After 10 s (`lacam`)",
        "continuous": "Continuous time, discs of radius sqrt(2)/4, diagonal edges (`ccbs`)",
    }
    head = (
        "map",
        "agents",
        "solved",
        "limit [s]",
        "median [s]",
        "slowest solved [s]",
        "mean cost",
        "cost over bound, mean / largest",
        "median nodes",
        "conflicts",
    )
    for name, title in titles.items():
        rows = [
            (
                row["map"],
                row["agents"],
                f"{row['solved']}/{row['instances']}",
                f"{row['limit_s']:g}",
                _cell(row["median_s"]),
                _cell(row["slowest_s"]),
                _NONE if row["mean_cost"] is None else f"{row['mean_cost']:.1f}",
                f"{_cell(row['mean_cost_over_bound'])} / {_cell(row['largest_cost_over_bound'])}",
                _cell(row["median_nodes"]),
                row["findings"],
            )
            for row in part[name]
        ]
        lines += [f"### {title}", "", *table(head, rows), ""]
    rows = [
        (
            row["map"],
            row["agents"],
            f"{row['textbook_solved']}/{row['instances']}",
            " ".join(f"{s:.3g}" for s in row["textbook_cpu_s"]),
            " ".join(f"{s:.3g}" for s in row["cbs_cpu_s"]),
            f"{row['ratio']:g}",
        )
        for row in part["textbook"]
    ]
    head = ("map", "agents", "textbook solved", "textbook [s]", "`cbs` [s]", "median ratio")
    lines += ["### Beside a textbook search in plain Python, same run", "", *table(head, rows), ""]
    lines += ["### Peers, measured or published beforehand", ""]
    rows = [(peer, case, value) for peer, cases in part["published"].items() for case, value in cases.items()]
    return [*lines, *table(("peer", "map, agents", "figure"), rows), ""]


def delays_tables(part: dict[str, Any]) -> list[str]:
    """Return the table of execution under delays."""
    rows = []
    for case in part["cases"]:
        for kind, name in (("by_order", "order"), ("by_clock", "clock")):
            found = case[kind]
            rows.append(
                (
                    case["name"],
                    name,
                    f"{found['runs_with_meetings']}/{case['runs']}",
                    found["meetings"],
                    _NONE if found["loss"] is None else "{:.3f} ({:.3f} to {:.3f})".format(*found["loss"]),
                    "yes" if found["finished"] else "no",
                )
            )
    head = ("instances", "by", "runs with meetings", "meetings", "loss of makespan, 95 %", "all arrive")
    return ["### Execution under delays", "", *table(head, rows), ""]


def delivery_tables(part: dict[str, Any]) -> list[str]:
    """Return the table of scenario `fleet_delivery`."""
    names = {
        "seeds": "seeds",
        "goals": "goals",
        "reached": "goals reached",
        "seeds_with_contacts_of_robots": "seeds with contacts between robots",
        "share_of_seeds_at_most": "share of such seeds, at most (95 %)",
        "least_gap_m": "least distance of two robots, between centres [m]",
        "stops": "stops",
        "stopped_s": "time stopped [s]",
        "pedestrian_contacts_moving": "contacts with pedestrians while the robot moved",
        "pedestrian_contacts_standing": "contacts with pedestrians while it stood",
        "other_contacts": "other contacts",
        "mean_delivery_s": "mean time of a delivery [s]",
        "largest_delay_s": "largest delay [s]",
        "mean_duration_s": "mean time until all were made [s]",
    }
    rows = [(name, _NONE if part[key] is None else f"{part[key]:g}") for key, name in names.items()]
    return [
        f"### Scenario `fleet_delivery`, {part['robots']} robots",
        "",
        *table(("figure", "value"), rows),
        "",
    ]


MAKERS = {"mapf": mapf_tables, "delays": delays_tables, "delivery": delivery_tables}
"""Part of the study to the maker of its tables, in the order of the page."""


def table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    """Return a table in Markdown."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return lines + [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]


def _cell(value: float | None) -> str:
    return _NONE if value is None else f"{value:.4g}"
