# SPDX-License-Identifier: Apache-2.0
"""Learn, calibrate and certify the barrier over encounters: `python -m reflexarc_sim.encounters.train RUNS FOLDER`.

RUNS holds the logs of `reflexarc_sim.encounters.collect`, FOLDER the `recipe.yaml`. Written into FOLDER:
`barrier.safetensors`, `encounters.npz` (the held-out population), `certificate.json` and `log.json`.
`--weights FILE` skips the training and takes a barrier that has been learned already; `--check` recomputes the
certificate.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from reflexarc.arc.config import ArcConfig
from reflexarc.arc.learned import row_parameters
from reflexarc.barrier.certify.certificate import FILE_NAME, load_certificate
from reflexarc.barrier.encounter_certificate import (
    ENCOUNTERS,
    calibrated,
    certify_encounters,
    recheck,
    system_hash,
)
from reflexarc.barrier.learned import LearnedBarrier, load_barrier
from reflexarc.core.config import read_yaml
from reflexarc.core.errors import RecordingError
from reflexarc.robots import BaseRobot, load_robot
from reflexarc_sim.encounters.episodes import cut_encounters
from reflexarc_sim.encounters.log import EncounterRun, load_run
from reflexarc_sim.encounters.replays import replayed_pairs
from reflexarc_sim.encounters.transitions import as_transitions, join, pair_transitions, residual_bound

WEIGHTS = "barrier.safetensors"


def runs_of(folder: Path, seeds: Sequence[int]) -> list[EncounterRun]:
    """Return the logged runs of a range of seeds (first, one past the last).

    Raises:
        RecordingError: one is missing.
    """
    found = {int(path.stem.rsplit("_", 1)[1]): path for path in folder.glob("*.npz")}
    missing = [seed for seed in range(*seeds) if seed not in found]
    if missing:
        raise RecordingError(f"{folder}: no log of the seeds {missing}; make them with encounters.collect")
    return [load_run(found[seed]) for seed in range(*seeds)]


def data_of(runs: Sequence[EncounterRun], robot: BaseRobot, recipe: dict[str, Any]):  # type: ignore[no-untyped-def]
    """Return the transitions of logged runs and replays, the residual bound of the former, and a hash of the data."""
    logged = [pair_transitions(run) for run in runs]
    replays = recipe["replays"]
    data = as_transitions(
        join([*logged, replayed_pairs(runs, robot, replays["count"], replays["seed"])]),
        robot,
        recipe["system"],
    )
    digest = hashlib.sha256(b"".join(a.astype("<f4").tobytes() for a in (data.x, data.u, data.next_x)))
    return data, residual_bound(join(logged)), digest.hexdigest()


def rows_of(recipe: dict[str, Any], robot: BaseRobot, barrier: LearnedBarrier, path: Path):  # type: ignore[no-untyped-def]
    """Return the parameters of the rows that the recipe certifies."""
    config = ArcConfig.from_dict({"robot": recipe["robot"], "learned": recipe["rows"]}, str(path))
    return row_parameters(config.learned, robot, barrier, path)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    folder: Path = options.folder
    recipe = read_yaml(folder / "recipe.yaml")
    robot = load_robot(recipe["robot"])
    weights = folder / WEIGHTS
    if options.check:
        return check(weights, recipe, robot)
    data, bound, digest = data_of(runs_of(options.runs, recipe["seeds"]["training"]), robot, recipe)
    log: list[dict[str, float]] = []
    if options.weights is not None:
        barrier = load_barrier(options.weights)
    else:
        from reflexarc.barrier.learn.learner import learner  # noqa: PLC0415 - needs the extra `learn`

        learned = learner(recipe["learner"])(data, recipe["seed"], recipe["parameters"])
        assert learned.barrier is not None
        barrier, log = learned.barrier, learned.log
    barrier = replace(
        barrier,
        recipe={
            **barrier.recipe,
            "residual_bound": [round(float(e), 4) for e in bound],
            "data_sha256": digest,
            "transitions": len(data),
        },
    )
    rows = rows_of(recipe, robot, barrier, weights)
    tuned = cut_encounters(runs_of(options.runs, recipe["seeds"]["calibration"]), 0)
    wanted = recipe["calibration"]
    barrier, tried = calibrated(barrier, rows, robot, tuned, wanted["episodes"], wanted["seed"])
    print(f"level {barrier.delta} m; failures per level: {tried}", flush=True)
    cut_encounters(runs_of(options.runs, recipe["seeds"]["hold_out"]), 0).save(folder / ENCOUNTERS)
    barrier.save(weights)
    certificate = certify_encounters(weights, rows, recipe["rows"]["residual_share"], robot, tried)
    certificate.save(folder / FILE_NAME)
    if log:
        (folder / "log.json").write_text(json.dumps(log) + "\n", encoding="utf-8")
    print(certificate.claims["scenario"]["statement"])
    return 0 if certificate.claims["scenario"]["holds"] else 1


def check(weights: Path, recipe: dict[str, Any], robot: BaseRobot, most: int | None = None) -> int:
    """Recompute a certificate and say what does not agree; 0 if all does."""
    certificate = load_certificate(weights.parent / FILE_NAME)
    rows = rows_of(recipe, robot, load_barrier(weights), weights)
    problems = recheck(weights, certificate.claims["scenario"], rows, robot, most)
    if certificate.system["sha256"] != system_hash(weights, rows, robot):
        problems.append("population, robot or rows are not those of the certificate")
    for problem in problems:
        print(f"{weights.parent / FILE_NAME}: {problem}")
    if not problems:
        print(f"{weights.parent / FILE_NAME}: recomputed, agrees")
    return 1 if problems else 0


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    sys.exit(main())
