# SPDX-License-Identifier: Apache-2.0
"""Tune a delivery policy on dollars and on success, with the same candidates and the same training missions.

The candidates are a scrambled Sobol sequence in the parameters of the dynamic window planner, the default
first. Each drives every training mission once, the leaders by either objective further ones; the sum of the
per-step objective (`reflexarc.economics.objective`) is its dollars per run, its share of successes (faster
runs win ties) is what is tuned for usually. Both winners then drive held-out missions.

    python benchmarks/costnav/tune.py      writes tuning.json; goes on from $REFLEXARC_STUDY_JOURNAL if it is
    set
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from drive import drive, study_missions
from scipy.stats import qmc

from reflexarc.core.errors import ReflexArcError
from reflexarc.economics import compare, cost_model, state_episodes
from reflexarc.economics.models import Capex
from reflexarc.economics.readers.tables import episodes_from
from reflexarc.report.versions import machine, today, versions

HERE = Path(__file__).parent
TRAINING_SEEDS = tuple(range(2000, 2006))
SECOND_SEEDS = tuple(range(2006, 2018))
"""Further training missions for the candidates that lead after the first: contacts are rare, six missions do
not show them.
"""
LEADERS = 2
"""Candidates per objective that go on to the second training missions."""
HELD_OUT_SEEDS = tuple(range(4000, 4024))
CANDIDATES = 8
SOBOL_SEED = 7
SPACE = {
    "cruise_speed_m_s": (0.8, 2.4, "linear"),
    "people_weight": (0.5, 50.0, "log"),
    "people_scale_m": (0.2, 1.5, "log"),
    "wall_weight": (0.1, 3.0, "log"),
}
"""Range and scale of each tuned parameter of the planner."""
CAPEX = Capex(robot=8000.0, lidar=3000.0)
MODEL = "reflexarc_run"
JOBS = 2


def candidates() -> list[dict[str, float]]:
    """Return the parameters of every candidate; the first is the default."""
    points = qmc.Sobol(len(SPACE), rng=np.random.default_rng(SOBOL_SEED)).random(CANDIDATES)[: CANDIDATES - 1]
    chosen: list[dict[str, float]] = [{}]
    for point in points:
        values = {}
        for share, (name, (low, high, scale)) in zip(point, SPACE.items(), strict=True):
            values[name] = low * (high / low) ** share if scale == "log" else low + (high - low) * share
        chosen.append({name: round(float(value), 4) for name, value in values.items()})
    return chosen


def tune(progress: Callable[[str], None]) -> dict[str, Any]:
    """Evaluate every candidate, choose by both objectives, and drive the held-out missions with the two
    winners.
    """
    tried = candidates()
    rows = _drive_all([(i, seed) for i in range(len(tried)) for seed in TRAINING_SEEDS], tried, progress)
    scores = [_score(tried[i], [rows[i, seed] for seed in TRAINING_SEEDS]) for i in range(len(tried))]
    everybody = range(len(tried))
    leaders = sorted(
        {
            i
            for key in (_by_success, _by_dollars)
            for i in sorted(everybody, key=lambda i: key(scores[i]))[:LEADERS]
        }
    )
    rows |= _drive_all([(i, seed) for i in leaders for seed in SECOND_SEEDS], tried, progress)
    seeds = (*TRAINING_SEEDS, *SECOND_SEEDS)
    final = {i: _score(tried[i], [rows[i, seed] for seed in seeds]) for i in leaders}
    by_success = min(leaders, key=lambda i: _by_success(final[i]))
    by_dollars = min(leaders, key=lambda i: _by_dollars(final[i]))
    names = ("tuned on success", "tuned on dollars")
    winners = dict(zip(names, (by_success, by_dollars), strict=True))
    held_out = [(i, seed) for seed in HELD_OUT_SEEDS for i in sorted({*winners.values()})]
    rows |= _drive_all(held_out, tried, progress)
    tables = {
        name: episodes_from([_episode(rows[i, seed]) for seed in HELD_OUT_SEEDS], name)[0]
        for name, i in winners.items()
    }
    result: dict[str, Any] = {
        "training_seeds": list(TRAINING_SEEDS),
        "second_training_seeds": list(SECOND_SEEDS),
        "held_out_seeds": list(HELD_OUT_SEEDS),
        "space": {name: list(values) for name, values in SPACE.items()},
        "candidates": scores,
        "leaders": {str(i): score for i, score in final.items()},
        "winners": {name: {"candidate": i, "parameters": tried[i]} for name, i in winners.items()},
        "held_out": {},
        "difference": {},
    }
    for model_name in (MODEL, "reflexarc", "v5"):
        model = cost_model(model_name)
        result["held_out"][model_name] = {
            name: state_episodes(table, model, CAPEX, name=name).to_json() for name, table in tables.items()
        }
        sides = (tables[names[0]], tables[names[1]])
        pair = compare(*sides, model, (CAPEX, CAPEX), names=names)
        result["difference"][model_name] = {
            "margin": pair.difference["margin"],
            "ci95": list(pair.ci95["margin"]),
            "probability_better": pair.probability_better,
        }
    return result


def _by_success(score: dict[str, Any]) -> tuple[float, float]:
    return -score["success"], score["mean_duration_s"]


def _by_dollars(score: dict[str, Any]) -> float:
    return score["step_cost_usd_per_run"]


def _score(parameters: dict[str, float], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return both objectives of one candidate on the training missions."""
    return {
        "parameters": parameters,
        "success": float(np.mean([r["outcome"] == "success" for r in rows])),
        "mean_duration_s": float(np.mean([r["duration_s"] for r in rows])),
        "step_cost_usd_per_run": float(np.mean([r["step_cost_usd"] for r in rows])),
        "pedestrian_contacts": sum(c["class"] == "pedestrian" for r in rows for c in r["contacts"]),
    }


def _drive_all(
    jobs: list[tuple[int, int]], tried: list[dict[str, float]], progress: Callable[[str], None]
) -> dict[tuple[int, int], dict[str, Any]]:
    """Drive (candidate, seed) pairs that the journal does not hold yet."""
    journal = Path(os.environ[JOURNAL]) if os.environ.get(JOURNAL) else None
    known = {(tuple(sorted(r["parameters"].items())), r["row"]["seed"]): r["row"] for r in _journal(journal)}
    done: dict[tuple[int, int], dict[str, Any]] = {}
    left = []
    for i, seed in jobs:
        row = known.get((tuple(sorted(tried[i].items())), seed))
        if row is None:
            left.append((i, seed, tried[i]))
        else:
            done[i, seed] = row
    with ProcessPoolExecutor(JOBS) as pool:
        for (i, seed, parameters), row in zip(left, pool.map(_one, left), strict=True):
            done[i, seed] = row
            if journal is not None:
                with journal.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"parameters": parameters, "row": row}) + "\n")
            progress(f"candidate {i}, seed {seed}: {row['outcome']}, {row['step_cost_usd']:.2f} usd")
    return done


JOURNAL = "REFLEXARC_STUDY_JOURNAL"


def _journal(path: Path | None) -> Iterator[dict[str, Any]]:
    if path is not None and path.exists():
        yield from (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def _one(job: tuple[int, int, dict[str, float]]) -> dict[str, Any]:
    _, seed, parameters = job
    (mission,) = study_missions((seed,)).missions
    return drive(mission, "dwa", parameters, False, {})


def _episode(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("digest", "step_cost_usd")}


def main() -> int:
    """Run the study and write tuning.json."""
    try:
        result = tune(lambda text: print(text, file=sys.stderr, flush=True))
    except ReflexArcError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    content = {
        "command": "python benchmarks/costnav/tune.py",
        "figures": result,
        "versions": versions(),
        "machine": machine(),
        "date": today(),
    }
    (HERE / "tuning.json").write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
