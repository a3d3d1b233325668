# SPDX-License-Identifier: Apache-2.0
"""Dollars per run of four policies on the same seeded missions, in the shape of CostNav's published table."""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from drive import OVERRIDES, POLICIES, SCENARIO, drive, study_missions

from reflexarc.core.errors import ReflexArcError
from reflexarc.economics import Episodes, compare, cost_model, ranking, state_episodes, tornado
from reflexarc.economics.missions import MissionFile, SeededMission
from reflexarc.economics.models import Capex
from reflexarc.economics.readers.tables import episodes_from
from reflexarc.economics.statement import Statement

HERE = Path(__file__).parent
SEEDS = tuple(range(1000, 1100))
"""Seeds of the missions; none is used for tuning."""
MODELS = (
    ("v5", "gross"),
    ("v6", "sla_scaled"),
    ("reflexarc", "no_double_refund"),
    ("reflexarc_run", "no_double_refund"),
)
CAPEX = Capex(robot=8000.0, lidar=3000.0)
"""Bare robot and lidar; localisation is the simulator's odometry and no policy needed training data."""
RESAMPLES = 10_000
_SHORT_SEEDS = SEEDS[:2]
JOURNAL = "REFLEXARC_STUDY_JOURNAL"
"""Environment variable: file to which every finished run is appended, and from which a stopped study goes on.
"""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Drive every mission with every policy and state the costs.

    Args:
        full: 100 missions per policy; otherwise two.
        progress: told after each run.

    Raises:
        ReflexArcError: the scenario no longer plans the missions of the mission file.
    """
    path = HERE / "missions.json"
    seeds = SEEDS if full else _SHORT_SEEDS
    planned = study_missions(seeds)
    if path.exists() and not full:
        kept = {m.seed: m for m in MissionFile.load(path).missions}
        moved = [m.seed for m in planned.missions if not m.same_as(kept[m.seed])]
        if moved:
            raise ReflexArcError(
                f"the scenario plans other missions than {path} for seeds {moved}; repeat the full study"
            )
    if full:
        planned.save(path)
    rows = _rows(planned.missions, progress)
    tables = {
        name: {"robot": "segway_e1", "episodes": [_episode(r) for r in rows[name]]} for name in POLICIES
    }
    if full:
        _write_episodes(tables)
    episodes = {name: episodes_from(table, name)[0] for name, table in tables.items()}
    return {
        "scenario": SCENARIO,
        "overrides": OVERRIDES,
        "whole_study": full,
        "missions": len(seeds),
        "observed": {name: _observed(table) for name, table in episodes.items()},
        **state_all(episodes),
        "digests": {name: {r["mission"]: r["digest"] for r in rows[name]} for name in POLICIES},
    }


def state_all(episodes: dict[str, Episodes]) -> dict[str, Any]:
    """Return statements of every policy under every model, paired comparisons and the tornado of the first."""
    result: dict[str, Any] = {"statements": {}, "ranking": {}, "pairs": {}}
    for name, convention in MODELS:
        model = cost_model(name)
        items = [
            state_episodes(table, model, CAPEX, convention, RESAMPLES, 0, policy)
            for policy, table in episodes.items()
        ]
        result["statements"][name] = {s.name: s.to_json() for s in items}
        result["ranking"][name] = [[rank, s.name] for rank, s in ranking(items)]
        result["pairs"][name] = [_pair(episodes, a, b, name, convention) for a, b in _pairs(list(episodes))]
    model = cost_model("reflexarc")
    last = list(episodes)[-1]

    def margin(changed: Any) -> float:
        return state_episodes(episodes[last], changed, CAPEX, resamples=0).figures["margin"]

    result["tornado"] = [
        {
            "parameter": s.parameter,
            "low": s.low,
            "high": s.high,
            "margin_low": s.margin_low,
            "margin_high": s.margin_high,
        }
        for s in tornado(model, margin)
    ]
    return result


def headline(results: dict[str, Any]) -> dict[str, Any]:
    """Return success share and margins of every policy."""
    figures: dict[str, Any] = {"missions_per_policy": results["missions"]}
    for model in ("v5", "reflexarc"):
        for name, statement in results["statements"][model].items():
            key = name.replace(" + ", "_").replace(" ", "_").lower()
            figures[f"{model}_{key}_success"] = round(statement["outcome_shares"]["success"], 4)
            figures[f"{model}_{key}_margin_usd"] = round(statement["margin"], 4)
    return figures


def _rows(
    missions: tuple[SeededMission, ...], progress: Callable[[str], None]
) -> dict[str, list[dict[str, Any]]]:
    """Drive what the journal does not hold yet; rows of each policy in the order of the missions."""
    journal = Path(os.environ[JOURNAL]) if os.environ.get(JOURNAL) else None
    done = {(r["policy"], r["row"]["seed"]): r["row"] for r in _journal(journal)}
    jobs = [(name, mission) for mission in missions for name in POLICIES if (name, mission.seed) not in done]
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        for (name, mission), row in zip(jobs, pool.map(_one, jobs), strict=True):
            done[name, mission.seed] = row
            if journal is not None:
                with journal.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"policy": name, "row": row}) + "\n")
            progress(
                f"{mission.key} {name}: {row['outcome']} after {row['duration_s']:.1f} s, "
                f"{len(row['contacts'])} contacts"
            )
    return {name: [done[name, m.seed] for m in missions] for name in POLICIES}


def _journal(path: Path | None) -> Iterator[dict[str, Any]]:
    if path is not None and path.exists():
        yield from (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def _one(job: tuple[str, SeededMission]) -> dict[str, Any]:
    name, mission = job
    policy, parameters, arc = POLICIES[name]
    return drive(mission, policy, parameters, arc, {})


def _episode(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("digest", "step_cost_usd")}


def _pairs(names: list[str]) -> list[tuple[str, str]]:
    return [(names[0], names[1]), (names[2], names[3]), (names[0], names[2]), (names[1], names[3])]


def _pair(episodes: dict[str, Episodes], a: str, b: str, model: str, convention: str) -> dict[str, Any]:
    pair = compare(
        episodes[a], episodes[b], cost_model(model), (CAPEX, CAPEX), convention, RESAMPLES, 0, (a, b)
    )
    keys = ("electricity", "service", "pedestrian", "property", "repair", "opex", "revenue", "margin")
    return {
        "less": a,
        "policy": b,
        "missions": pair.missions,
        "difference": {key: pair.difference[key] for key in keys},
        "ci95": {key: list(pair.ci95[key]) for key in keys},
        "probability_better": pair.probability_better,
        "refused": pair.refused,
    }


def _observed(table: Episodes) -> dict[str, Any]:
    """Return the simulation metrics in the rows of CostNav's table."""
    c, n = table.contacts, len(table)
    people = c.kind == 0
    return {
        "mean_velocity_m_s": float((table.distance_m / table.duration_s).mean()),
        "velocity_of_sums_m_s": float(table.distance_m.sum() / table.duration_s.sum()),
        "mean_energy_wh": float(table.energy_kwh.mean() * 1000.0),
        "impulse_ns_per_run": float(c.impulse.sum() / n),
        "pedestrian_contacts_per_run": float(people.sum() / n),
        "pedestrian_contacts_moving_per_run": float((people & (c.robot_speed > 0.1)).sum() / n),
        "other_contacts_per_run": float((~people).sum() / n),
        "max_pedestrian_delta_v_m_s": float(c.delta_v[people].max()) if people.any() else 0.0,
        "mean_runtime_s": float(table.duration_s.mean()),
        "mean_distance_m": float(table.distance_m.mean()),
    }


def _write_episodes(tables: dict[str, dict[str, Any]]) -> None:
    """Write the episode tables and the plot beside this file."""
    folder = HERE / "episodes"
    folder.mkdir(exist_ok=True)
    for name, table in tables.items():
        rows = ",\n".join(json.dumps(row) for row in table["episodes"])
        head = json.dumps(
            {"robot": table["robot"], "name": name, "capex": {"robot": CAPEX.robot, "lidar": CAPEX.lidar}}
        )[:-1]
        path = folder / f"{name.replace(' + ', '_with_').replace(' ', '_').lower()}.json"
        path.write_text(f'{head}, "episodes": [\n{rows}\n]}}\n', encoding="utf-8")
    plots(tables)


def plots(tables: dict[str, dict[str, Any]]) -> None:
    """Draw the statements under v5 and reflexarc."""
    from reflexarc.report import economics_figures  # noqa: PLC0415 - imports matplotlib

    for name, convention in MODELS:
        items: list[Statement] = [
            state_episodes(episodes_from(t, p)[0], cost_model(name), CAPEX, convention, RESAMPLES, 0, p)
            for p, t in tables.items()
        ]
        (HERE / f"statement_{name}.svg").write_text(economics_figures.statements(items), encoding="utf-8")
