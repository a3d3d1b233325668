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
    lines = [line for name, make in MAKERS.items() if name in parts for line in make(parts[name]["figures"])]
    missing = [name for name in MAKERS if name not in parts]
    if missing:
        lines = [f"Not repeated in full yet: {', '.join(missing)}.", "", *lines]
    return "\n".join(lines)


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
    rows = [
        (
            row["peer"],
            row["agents"],
            f"{row['solved']}/{row['instances']}",
            f"{row['above_optimum']}, {row['conflicts']}",
            " ".join(f"{s:.3g}" for s in row["peer_cpu_s"]),
            " ".join(f"{s:.3g}" for s in row["cbs_cpu_s"]),
            f"{row['ratio']:g}",
        )
        for row in part["python_peers"]
    ]
    head = ("planner", "agents", "solved", "above optimum, conflicts", "its [s]", "`cbs` [s]", "median ratio")
    lines += [
        "### Beside published planners in Python, random-32-32-20, same run",
        "",
        *table(head, rows),
        "",
    ]
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
    """Return the table of scenario `fleet_delivery` in lock-step."""
    return _deliveries("in lock-step", part)


def live_tables(part: dict[str, Any]) -> list[str]:
    """Return the same of the live runs."""
    if "left_out" in part:
        return ["### Scenario `fleet_delivery`, live over ROS 2", "", f"Not run: {part['left_out']}.", ""]
    return _deliveries("live over ROS 2", part)


def _deliveries(clock: str, part: dict[str, Any]) -> list[str]:
    names = {
        "failed_runs": "runs that failed",
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
        "median_speed": "simulated over wall time, start and end included, median",
    }
    rows = [
        (name, _NONE if part[key] is None else f"{part[key]:g}") for key, name in names.items() if key in part
    ]
    title = f"### Scenario `fleet_delivery`, {part['robots']} robots, {clock}"
    return [title, "", *table(("figure", "value"), rows), ""]


def protocol_tables(part: dict[str, Any]) -> list[str]:
    """Return the tables of the learned roadmap's protocol."""
    rows = []
    for row in part["rows"]:
        published = part["published"][row["difficulty"]][str(row["robots"])]
        rows.append(
            (
                row["difficulty"],
                row["robots"],
                f"{row['apart']:g}",
                row["method"],
                "{:.2f} ({:.2f} to {:.2f})".format(row["success"], *row["success_interval"]),
                f"{row['reached']:.2f}",
                row["not_planned"],
                row["colliding_pairs"],
                _interval(row["cost"]),
                _interval(row["cost_of_reached"]),
                f"{published:g}" if row["method"] == "ours" else _NONE,
                f"{row['planning_s']:.2f}",
            )
        )
    head = (
        "problems",
        "robots",
        "apart",
        "method",
        "success, 95 %",
        "all reach",
        "no plan",
        "colliding pairs",
        "largest cost",
        "of those that reach",
        "published",
        "planning [s]",
    )
    lines = [f"### Learned roadmap, {part['rows'][0]['seed'].replace('_', ' ')}", "", *table(head, rows), ""]
    rows = [
        (method, r["seeds"], _interval(r["success"]), r["colliding_pairs"], _interval(r["cost"]))
        for method, r in part["seeds"].items()
    ]
    head = ("method", "seeds", "success", "colliding pairs", "largest cost")
    return [*lines, "### The hardest case over seeds of the training", "", *table(head, rows), ""]


def calibration_tables(part: dict[str, Any]) -> list[str]:
    """Return the tables of the learned critics."""
    rows = []
    for row in part["rows"]:
        for found in row["bins"]:
            rows.append(
                (
                    row["map"],
                    row["seed"].removeprefix("seed_"),
                    row["stage"],
                    "{:g} to {:g}".format(*found["least_steps"]),
                    found["pairs"],
                    f"{100 * found['arrived']:.0f} %",
                    *(_cell(found.get(k)) for k in ("predicted_steps", "rolled_steps", "steps_error")),
                    *(_cell(found.get(k)) for k in ("predicted_cost", "rolled_cost", "cost_error")),
                )
            )
    head = (
        "map", "seed", "stage", "least steps", "pairs", "arrived", "predicted steps", "rolled out", "mean error",
        "predicted cost", "rolled out", "mean error",
    )  # fmt: skip
    lines = ["### Learned critics: predicted against roll-outs", "", *table(head, rows), ""]
    rows = [
        (
            row["map"],
            row["seed"].removeprefix("seed_"),
            row["stage"],
            f"{100 * row['arrived']:.1f} %",
            "yes" if row["bounded"] else "no",
            *(
                f"{100 * row['coverage'][f'{what}_uncorrected']:.1f} % / {100 * row['coverage'][what]:.1f} %"
                for what in ("steps_above", "cost_above")
            ),
        )
        for row in part["rows"]
    ]
    head = (
        "map",
        "seed",
        "stage",
        "arrived",
        "finite bound",
        "steps below: ensemble / bound",
        "cost below: ensemble / bound",
    )
    title = f"### Conformal bounds at {100 * part['alpha']:g} %, on other pairs"
    return [*lines, title, "", *table(head, rows), ""]


def driven_tables(part: dict[str, Any]) -> list[str]:
    """Return the table of the learned policies in MuJoCo."""
    rows = [
        (
            stage,
            found["deliveries"],
            "{:.3f} ({:.3f} to {:.3f})".format(found["arrived"], *found["arrived_interval"]),
            found["contacts"],
            *(_interval(found[f"{what}_steps"]) for what in ("predicted", "driven")),
            _interval(found["steps_error"]),
            *(_interval(found[f"{what}_cost"]) for what in ("predicted", "driven")),
            _interval(found["cost_error"]),
        )
        for stage, found in part["stages"].items()
    ]
    head = (
        "policy", "deliveries", "arrived, 95 %", "contacts", "predicted steps", "driven", "mean error",
        "predicted cost", "driven", "mean error",
    )  # fmt: skip
    return ["### The delivery robot's policies in MuJoCo, without the arc", "", *table(head, rows), ""]


def budgets_tables(part: dict[str, Any]) -> list[str]:
    """Return the tables of risk budgets."""
    lines = []
    ours, peers = part["analytic"]["ours"], part["analytic"]["peers"]
    rows = [
        (
            row["difficulty"],
            row["agents"],
            f"{100 * row['share']:g} %",
            "{:.2f} ({:.2f} to {:.2f})".format(row["success"], *row["success_interval"]),
            f"{row['proved_optimal']:.2f}",
            f"{_cell(row['mean_cost_over_bound'])} / {_cell(row['largest_cost_over_bound'])}",
            _cell(row["median_seconds"]),
            f"{_cell(row['median_first_s'])} / {_cell(row['slowest_first_s'])}",
            row["findings"],
        )
        for row in ours
    ]
    head = (
        "problems",
        "agents",
        "budget",
        "success, 95 %",
        "proved optimal",
        "cost over bound, mean / largest",
        "median [s]",
        "first plan, median / slowest [s]",
        "findings",
    )
    lines += ["### Risk budgets, ours", "", *table(head, rows), ""]
    shares = sorted({row["share"] for row in ours})
    rows = []
    for case in dict.fromkeys((row["difficulty"], row["agents"]) for row in ours):
        found = {"ours": [r for r in ours if (r["difficulty"], r["agents"]) == case]}
        for row in peers:
            if (row["difficulty"], row["agents"]) == case:
                found.setdefault(row["peer"], []).append(row)
        published = part["published"]["{}, {}".format(*case)]
        for name in dict.fromkeys((*found, *published)):
            here = {r["share"]: f"{r['success']:.2f}" for r in found.get(name, ())}
            theirs = [f"{x:.2f}" for x in published.get(name, ())] or [_NONE] * len(shares)
            cells = [f"{here.get(s, _NONE)} / {p}" for s, p in zip(shares, theirs, strict=True)]
            rows.append((*case, name, *cells))
    head = ("problems", "agents", "method", *(f"{100 * s:g} %" for s in shares))
    mine, theirs = (max((r["problems"] for r in rows_), default=0) for rows_ in (ours, peers))
    title = (
        f"### Risk budgets beside others: success here (ours {mine} problems, others {theirs}) / published"
    )
    return [*lines, title, "", *table(head, rows), ""]


MAKERS = {
    "mapf": mapf_tables,
    "delays": delays_tables,
    "delivery": delivery_tables,
    "live": live_tables,
    "calibration": calibration_tables,
    "driven": driven_tables,
    "protocol": protocol_tables,
    "budgets": budgets_tables,
}
"""Part of the study to the maker of its tables, in the order of the page."""


def table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    """Return a table in Markdown."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return lines + [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]


def _interval(value: list[float | None] | None) -> str:
    if value is None or value[1] is None:
        return _NONE if value is None else f"{value[0]:.2f}"
    return "{:.2f} ({:.2f} to {:.2f})".format(*value)


def _cell(value: float | None) -> str:
    return _NONE if value is None else f"{value:.4g}"
