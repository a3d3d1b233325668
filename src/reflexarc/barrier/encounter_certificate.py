# SPDX-License-Identifier: Apache-2.0
r"""The scenario certificate of a barrier over encounters: what it claims, how it is made and recomputed.

Population: encounters recorded in runs that no training has seen, kept beside the weights, each with a random task and
random tracking noise (`reflexarc.barrier.encounter_rollout`), conditioned on V(x0) > 0 and l(x0) >= 0. Claim:

    P( l(x(t)) < 0 at some t of the episode ) <= epsilon    with confidence 1 - beta,

the learned barrier's row being the only filter. The episodes of the hold-out sample are drawn independently, with
replacement, so the bound is exact for this population; it says nothing about people who walk otherwise. The level
shift delta is in the weight file: the smallest of a ladder at which a calibration sample from other runs has no
failure. The seeds follow from the hash of the weights, so that nobody can try samples until one passes.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reflexarc.barrier.certify.certificate import (
    Certificate,
    describe_barrier,
    describe_code,
    describe_data,
)
from reflexarc.barrier.certify.statistics import required_samples, upper_bound
from reflexarc.barrier.encounter import margins
from reflexarc.barrier.encounter_rollout import (
    STEP,
    Encounters,
    Rolled,
    RollParameters,
    draw,
    load_encounters,
    roll,
)
from reflexarc.barrier.encounter_rows import RowParameters
from reflexarc.barrier.learned import LearnedBarrier, file_hash, load_barrier
from reflexarc.core.errors import ModelError
from reflexarc.robots import BaseRobot

ENCOUNTERS = "encounters.npz"
"""Name of the population's file beside the weights."""
EPSILON, BETA = 1e-2, 1e-6
VIOLATIONS = 2
"""Failures that the hold-out sample is sized for."""
LADDER = tuple(round(0.1 * k, 1) for k in range(9))
"""Level shifts that are tried. [m]"""
FIRST = 300
"""Episodes at which a level is looked at first."""
SPOT = 32
"""Hold-out episodes whose smallest margin is written into the certificate."""
PEDESTRIAN_RADIUS = 0.25
"""Of the scenario's people. [m]"""


class Judged(NamedTuple):
    """The hold-out sample's answer."""

    starts: int
    rolled: Rolled


def roll_parameters(robot: BaseRobot, scale_v: float = 1.0, scale_w: float = 0.5) -> RollParameters:
    """Return the simulated robot: guaranteed decelerations, its latency in whole steps; tracker as in the scenarios."""
    return RollParameters(
        half_length=robot.length / 2.0,
        half_width=robot.width / 2.0,
        radius=PEDESTRIAN_RADIUS,
        dead_steps=max(1, int(np.ceil(robot.actuation_latency / STEP))),
        acceleration=robot.max_acceleration,
        braking=robot.max_deceleration,
        yaw_acceleration=robot.max_yaw_acceleration,
        yaw_braking=robot.max_yaw_deceleration,
        max_yaw_rate=robot.max_yaw_rate,
        position_std=0.05,
        velocity_std=0.1,
        delay_steps=3,
        scale_v=scale_v,
        scale_w=scale_w,
    )


def calibrated(
    barrier: LearnedBarrier,
    rows: RowParameters,
    robot: BaseRobot,
    encounters: Encounters,
    count: int,
    seed: int,
) -> tuple[LearnedBarrier, list[tuple[float, int]]]:
    """Return the barrier at the smallest level of the ladder without a failure, and what was tried.

    Args:
        barrier: as it was learned.
        rows: of the filter.
        robot: whose footprint and drive it is.
        encounters: of runs that are used for nothing else.
        count: episodes per level.
        seed: of their choice.

    Raises:
        ModelError: failures at every level.
    """
    tried = []
    for level in LADDER:
        shifted = barrier.shifted(level)
        failures = 0
        for most in (min(count, FIRST), count):  # a level that fails at once need not see all
            judged = _judge(shifted, rows, robot, encounters, count, np.random.default_rng(seed), most)
            failures = int((judged.rolled.least < 0.0).sum())
            if failures:
                break
        tried.append((level, failures))
        if failures == 0:
            return shifted, tried
    raise ModelError(f"no level up to {LADDER[-1]} m is without failures: {tried}")


def certify_encounters(
    weights: Path,
    rows: RowParameters,
    residual_share: float,
    robot: BaseRobot,
    tried: list[tuple[float, int]],
) -> Certificate:
    """Judge the hold-out sample and return the certificate, whether the claim holds or not.

    Args:
        weights: the barrier's file; `encounters.npz` lies beside it.
        rows: of the filter.
        residual_share: share of the residual bound in them, as configured.
        robot: whose footprint and drive it is.
        tried: what the calibration tried.
    """
    barrier, digest = load_barrier(weights), file_hash(weights)
    encounters = load_encounters(weights.parent / ENCOUNTERS)
    count = required_samples(EPSILON, BETA, VIOLATIONS)
    judged = _judge(barrier, rows, robot, encounters, count, _rng(digest))
    least = judged.rolled.least
    violating = np.flatnonzero(least < 0.0)
    bound = upper_bound(len(violating), count, BETA)
    holds = bool(bound <= EPSILON * (1.0 + 1e-9))
    claim = {
        "statement": (
            f"recorded encounters of {judged.starts} in runs held out, with V > 0 at the start: "
            f"P(contact while moving) <= {EPSILON:g} with confidence 1 - {BETA:g} "
            f"{'holds' if holds else 'does not hold'} ({len(violating)} failures in {count} replays)"
        ),
        "holds": holds,
        "epsilon": EPSILON,
        "beta": BETA,
        "alpha": rows.alpha,
        "model_error": residual_share,
        "sized_for_violations": VIOLATIONS,
        "delta": 0.0,
        "calibration": [list(pair) for pair in tried],
        "samples": count,
        "violating": violating.tolist(),
        "bound": bound,
        "least_margin": float(least.min()),
        "spot": least[:SPOT].tolist(),
        "counterexample": _start(encounters, judged, violating, barrier, robot, digest),
        "intervened": float(judged.rolled.changed.mean()),
        "infeasible": 0.0,
        "return_mean": float(judged.rolled.way.mean()),
    }
    return Certificate(
        barrier=describe_barrier(barrier, digest),
        system={
            "name": barrier.system,
            "sha256": system_hash(weights, rows, robot),
            "period_s": STEP,
        },
        data=describe_data(barrier),
        code=describe_code(),
        claims={"scenario": claim},
    )


def system_hash(weights: Path, rows: RowParameters, robot: BaseRobot) -> str:
    """Return the SHA-256 of everything but the weights that the claim depends on: population, robot, rows."""
    numbers: list[Any] = [x.tolist() if isinstance(x, np.ndarray) else x for x in rows]
    text = f"{file_hash(weights.parent / ENCOUNTERS)} {numbers} {tuple(roll_parameters(robot))}"
    return hashlib.sha256(text.encode()).hexdigest()


def recheck(
    weights: Path, claim: Mapping[str, Any], rows: RowParameters, robot: BaseRobot, most: int | None = None
) -> list[str]:
    """Recompute the hold-out sample, or its first `most` episodes, and return what does not agree with a claim."""
    barrier, digest = load_barrier(weights), file_hash(weights)
    encounters = load_encounters(weights.parent / ENCOUNTERS)
    judged = _judge(barrier, rows, robot, encounters, claim["samples"], _rng(digest), most)
    least = judged.rolled.least
    found = np.flatnonzero(least < 0.0).tolist()
    stated = [i for i in claim["violating"] if i < len(least)]
    problems = []
    if found != stated:
        problems.append(f"failures in episodes {found}, the certificate states {stated}")
    spot = np.array(claim["spot"][: len(least)])
    if not np.allclose(least[: len(spot)], spot, atol=1e-6):
        problems.append("the smallest margins of the first episodes differ from those in the certificate")
    return problems


def _judge(
    barrier: LearnedBarrier,
    rows: RowParameters,
    robot: BaseRobot,
    encounters: Encounters,
    count: int,
    rng: np.random.Generator,
    most: int | None = None,
) -> Judged:
    """Draw `count` episodes with replacement, drive the first `most` of them."""
    starts = encounters.starts
    good = np.flatnonzero((barrier.values(starts) > 0.0) & (margins(starts, robot, PEDESTRIAN_RADIUS) >= 0.0))
    if len(good) == 0:
        raise ModelError("no encounter starts with V > 0; nothing can be certified")
    chosen = good[rng.integers(0, len(good), count)]
    episodes = draw(encounters.part(chosen), rng)
    if most is not None:
        episodes = type(episodes)(
            episodes.encounters.part(np.arange(min(most, count))),
            episodes.proposal[:most],
            episodes.chase[:most],
            episodes.noise[:most],
        )
    return Judged(len(good), roll(barrier, rows, roll_parameters(robot), episodes))


def _rng(digest: str) -> np.random.Generator:
    return np.random.default_rng(int(digest[:16], 16))


def _start(
    encounters: Encounters,
    judged: Judged,
    violating: np.ndarray,
    barrier: LearnedBarrier,
    robot: BaseRobot,
    digest: str,
) -> list[float]:
    """Return the relative state in which the worst failing episode starts."""
    if len(violating) == 0:
        return []
    starts = encounters.starts
    good = np.flatnonzero((barrier.values(starts) > 0.0) & (margins(starts, robot, PEDESTRIAN_RADIUS) >= 0.0))
    chosen = good[_rng(digest).integers(0, len(good), len(judged.rolled.least))]
    return starts[chosen[int(np.argmin(judged.rolled.least))]].tolist()
