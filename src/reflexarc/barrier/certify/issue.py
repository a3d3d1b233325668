# SPDX-License-Identifier: Apache-2.0
"""Making a certificate: run the procedures on a barrier file and put their answers together."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from reflexarc.barrier.certify import cells, grid, scenario
from reflexarc.barrier.certify.certificate import (
    PROCEDURES,
    Certificate,
    describe_barrier,
    describe_code,
    describe_data,
    load_certificate,
)
from reflexarc.barrier.certify.identity import system_hash, system_of
from reflexarc.barrier.learned import LearnedBarrier, file_hash, load_barrier
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.robots.systems.system import System

CLAIMS = ("scenario", "grid", "cells")
RING_LIMIT = 0.1
"""The grid claim holds when less than this share of the doomed ring is called safe."""

Say = Callable[[str, float], None]
"""Told what is being done and which share of it is done."""


def possible_claims(system: System) -> tuple[str, ...]:
    """Return the claims that can be made about a barrier of this system."""
    return CLAIMS if system.n <= grid.MAX_DIMENSIONS else ("scenario",)


def issue(
    path: Path,
    claims: Sequence[str] | None = None,
    scenario_settings: scenario.ScenarioSettings | None = None,
    cell_settings: cells.CellSettings | None = None,
    keep: Path | None = None,
    say: Say | None = None,
) -> Certificate:
    """Make the certificate of a barrier file. It also records a claim that does not hold.

    Args:
        path: safetensors file of the barrier.
        claims: which of `CLAIMS`; None makes all that are possible.
        scenario_settings: None takes the defaults, with the gain that the file's recipe names.
        cell_settings: None takes the defaults, with the gain of the scenario claim; the level is always that claim's.
        keep: certificate whose other claims are kept, if it is for the same weights, system and procedures.
        say: progress.

    Raises:
        ModelError: no readable barrier, or nothing of it can be certified.
        ConfigError: unknown claim, or grid or cells for more than four states.
    """
    barrier = load_barrier(path)
    system, weights_hash = system_of(barrier), file_hash(path)
    wanted = tuple(claims) if claims else possible_claims(system)
    for name in wanted:
        if name not in CLAIMS:
            raise ConfigError(f"unknown claim {name!r}; allowed: {', '.join(CLAIMS)}")
        if name not in possible_claims(system):
            raise ConfigError(
                f"{system.name} has {system.n} states; {name} is possible up to {grid.MAX_DIMENSIONS}, only the "
                "scenario claim can be made"
            )
    made = dict(_kept(keep, barrier, weights_hash, system))
    scenario_settings = scenario_settings or scenario.ScenarioSettings(alpha=recipe_alpha(barrier))
    if "scenario" in wanted:
        result = scenario.scenario(system, barrier, weights_hash, scenario_settings, say)
        made["scenario"] = scenario.as_claim(result)
    delta = float(made["scenario"]["delta"]) if "scenario" in made else 0.0
    made = {
        name: claim for name, claim in made.items() if claim["delta"] == delta
    }  # others are about another level
    if "grid" in wanted:
        made["grid"] = grid_claim(system, barrier, delta, say)
    if "cells" in wanted:
        settings = cell_settings or cells.CellSettings(
            alpha=scenario_settings.alpha, model_error=scenario_settings.model_error
        )
        settings = replace(settings, delta=delta)
        made["cells"] = cells.as_claim(cells.certify_cells(system, barrier, settings, say))
    return Certificate(
        barrier=describe_barrier(barrier, weights_hash),
        system={"name": system.name, "sha256": system_hash(system), "period_s": system.period},
        data=describe_data(barrier),
        code=describe_code({name: PROCEDURES[name] for name in made}),
        claims={name: made[name] for name in CLAIMS if name in made},
    )


def grid_claim(
    system: System,
    barrier: LearnedBarrier,
    delta: float,
    say: Say | None = None,
    shape: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Compare V - delta with the grid reference, in the words of a certificate file."""
    if say:
        say("grid", 0.0)
    reference = grid.solve_grid(system, shape)
    shifted = barrier.shifted(barrier.delta + delta)
    errors = reference.errors(shifted.values)
    if say:
        say("grid", 1.0)
    holds = errors.false_safe_of_ring < RING_LIMIT
    return {
        "statement": (
            f"of {errors.nodes} grid nodes {100 * errors.unavoidable:.2f} % are doomed (V* < 0); V - {delta:.6g} calls "
            f"{100 * errors.false_safe_of_unavoidable:.2f} % of them safe, {100 * errors.false_safe_of_ring:.2f} % of "
            f"those that have not failed yet, and {100 * errors.false_unsafe:.2f} % of the safe ones unsafe"
        ),
        "holds": holds,
        "shape": list(reference.shape),
        "delta": delta,
        "failure": errors.failure,
        "unavoidable": errors.unavoidable,
        "ring": errors.ring,
        "false_safe_of_unavoidable": errors.false_safe_of_unavoidable,
        "false_safe_of_ring": errors.false_safe_of_ring,
        "false_unsafe": errors.false_unsafe,
        "called_safe": errors.called_safe,
        "worst_state": list(errors.worst_state),
        "horizon_s": reference.horizon,
    }


def recipe_alpha(barrier: LearnedBarrier) -> float:
    """Return the gain that the weights were made for, 5 1/s where their recipe does not say. [1/s]"""
    for place in (barrier.recipe, barrier.recipe.get("filter"), barrier.recipe.get("config")):
        alpha = place.get("alpha") if isinstance(place, dict) else None
        if isinstance(alpha, int | float) and np.isfinite(alpha) and alpha > 0.0:
            return float(alpha)
    return scenario.ScenarioSettings().alpha


def _kept(
    keep: Path | None, barrier: LearnedBarrier, weights_hash: str, system: System
) -> dict[str, dict[str, Any]]:
    if keep is None or not keep.is_file():
        return {}
    try:
        old = load_certificate(keep)
    except ModelError:
        return {}
    same = (
        old.weights_hash == weights_hash
        and old.barrier["delta"] == barrier.delta
        and old.system["sha256"] == system_hash(system)
    )
    versions = old.code["procedures"]
    return {name: c for name, c in old.claims.items() if same and versions.get(name) == PROCEDURES[name]}
