# SPDX-License-Identifier: Apache-2.0
"""Checking a certificate: compare it with the weights and the system, and recompute its claims, whole or in part.

In part: the first hold-out episodes of the scenario claim (their starts follow from the hash of the weights), the
barrier's side of the grid claim, and for the cells the stored counterexamples and random states. In full: everything.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from reflexarc.barrier.certify import cells, grid, issue, scenario
from reflexarc.barrier.certify.certificate import (
    PROCEDURES,
    Certificate,
    describe_code,
    describe_data,
    load_certificate,
)
from reflexarc.barrier.certify.encounters import is_over_encounters, recheck_encounters
from reflexarc.barrier.certify.identity import system_hash, system_of
from reflexarc.barrier.certify.rollout import values_and_gradients
from reflexarc.barrier.certify.statistics import required_samples, upper_bound
from reflexarc.barrier.learned import LearnedBarrier, file_hash, load_barrier
from reflexarc.core.types import Array
from reflexarc.robots.systems.system import System

MARGIN_TOLERANCE = 1e-4
"""Allowed difference of an episode's smallest margin, times 1 + its magnitude: rounding of another machine,
carried through an episode."""
SHARE_TOLERANCE = 1e-3
"""Allowed difference of a share of the grid: nodes that lie on a boundary to within rounding."""
VOLUME_TOLERANCE = 1e-6
"""Allowed difference of a share of volume."""

Say = Callable[[str, float], None]
"""Told what is being done and which share of it is done."""


class Finding(NamedTuple):
    """One comparison."""

    name: str
    matched: bool
    text: str
    """What was compared, with both values."""


def check(
    certificate_path: Path,
    weights_path: Path,
    subsample: int | None = None,
    say: Say | None = None,
    system: System | None = None,
) -> list[Finding]:
    """Recompute a certificate.

    Args:
        certificate_path: the certificate.
        weights_path: the weights that it should be for.
        subsample: number of hold-out episodes and random states to recompute; None recomputes all.
        say: progress.
        system: None takes the system that the weights name.

    Raises:
        ModelError: weights or certificate cannot be read.
        UnknownNameError: the weights are for a system that does not exist here.
    """
    certificate, barrier = load_certificate(certificate_path), load_barrier(weights_path)
    if is_over_encounters(barrier):
        return _encounters(certificate, barrier, weights_path, subsample)
    system = system or system_of(barrier)
    findings = identity(certificate, barrier, file_hash(weights_path), system.name, system_hash(system))
    if not all(f.matched for f in findings):
        return [
            *findings,
            Finding("claims", False, "not recomputed: the certificate is about something else"),
        ]
    for name, claim in certificate.claims.items():
        judge = {"scenario": _scenario, "grid": _grid, "cells": _cells}[name]
        findings += judge(certificate, claim, system, barrier, subsample, say)
    return findings


def identity(
    certificate: Certificate, barrier: LearnedBarrier, weights_hash: str, system: str, definition: str
) -> list[Finding]:
    """Compare what the certificate is about: weights, data, system, code."""
    found = [
        _same("weights", certificate.weights_hash, weights_hash),
        _same("level", certificate.barrier["delta"], barrier.delta),
        _same("data", certificate.data["sha256"], describe_data(barrier)["sha256"]),
        _same("system name", certificate.system["name"], system),
        _same("system", certificate.system["sha256"], definition),
    ]
    for name in certificate.claims:
        found.append(_same(f"procedure of {name}", certificate.code["procedures"][name], PROCEDURES[name]))
    made, here = certificate.code, describe_code()
    other = made["version"] != here["version"] or made["libraries"] != here["libraries"]
    text = f"made by {made['version']} with {made['libraries']}"
    found.append(
        Finding(
            "code", True, text + (f", checked by {here['version']} with {here['libraries']}" if other else "")
        )
    )
    return found


def _encounters(
    certificate: Certificate, barrier: LearnedBarrier, weights_path: Path, subsample: int | None
) -> list[Finding]:
    if set(certificate.claims) != {"scenario"}:
        return [
            Finding(
                "claims", False, f"{sorted(certificate.claims)}; only scenario is possible for encounters"
            )
        ]
    if certificate.weights_hash != file_hash(weights_path):
        return [_same("weights", certificate.weights_hash, file_hash(weights_path))]
    definition, problems = recheck_encounters(certificate, barrier, weights_path, subsample)
    findings = identity(certificate, barrier, file_hash(weights_path), barrier.system, definition)
    claim = certificate.claims["scenario"]
    bound = upper_bound(len(claim["violating"]), claim["samples"], claim["beta"])
    return [
        *findings,
        _close("scenario: bound", claim["bound"], bound, 1e-9),
        _same("scenario: verdict", claim["holds"], bound <= claim["epsilon"] * (1.0 + 1e-9)),
        Finding("scenario: episodes", not problems, "; ".join(problems) or "failures and margins agree"),
    ]


def _scenario(
    certificate: Certificate,
    claim: dict[str, Any],
    system: System,
    barrier: LearnedBarrier,
    subsample: int | None,
    say: Say | None,
) -> list[Finding]:
    settings = scenario.settings_of(claim)
    needed = required_samples(settings.epsilon, settings.beta, settings.violations)
    bound = upper_bound(len(claim["violating"]), claim["samples"], settings.beta)
    found = [
        Finding("scenario: sample size", claim["samples"] == needed, f"{claim['samples']}, {needed} needed"),
        _close("scenario: bound", claim["bound"], bound, 1e-9),
        _same("scenario: verdict", claim["holds"], bound <= settings.epsilon * (1.0 + 1e-9)),
    ]
    starts = scenario.hold_out_starts(system, barrier, certificate.weights_hash, settings, claim["delta"])
    count = len(starts) if subsample is None else min(subsample, len(starts))
    run = scenario.judge(system, barrier, settings, claim["delta"], (), starts[:count], say)
    expected = tuple(i for i in claim["violating"] if i < count)
    found.append(
        Finding(
            "scenario: violations",
            run.violating == expected,
            f"{len(run.violating)} in the first {count} of {len(starts)} hold-out episodes, "
            f"{len(expected)} in the certificate",
        )
    )
    spot = np.asarray(claim["spot"][:count])
    again = np.asarray(run.spot[: len(spot)])
    error = (
        float(np.max(np.abs(spot - again) / (1.0 + np.abs(spot)), initial=0.0))
        if len(spot) == len(again)
        else 1.0
    )
    found.append(
        Finding(
            "scenario: margins",
            error <= MARGIN_TOLERANCE,
            f"{len(spot)} smallest margins differ by {error:.1e}",
        )
    )
    if subsample is None:
        found.append(
            _close("scenario: least margin", claim["least_margin"], run.least_margin, MARGIN_TOLERANCE)
        )
        delta, tried = scenario.calibrate(system, barrier, certificate.weights_hash, settings, say)
        found.append(_close("scenario: level", claim["delta"], delta, 1e-9))
        counts = [pair[1] for pair in claim["calibration"]]
        found.append(_same("scenario: calibration", counts, [pair[1] for pair in tried]))
    return found


def _grid(
    certificate: Certificate,
    claim: dict[str, Any],
    system: System,
    barrier: LearnedBarrier,
    subsample: int | None,
    say: Say | None,
) -> list[Finding]:
    shifted = barrier.shifted(barrier.delta + claim["delta"])
    found = [
        _same("grid: verdict", claim["holds"], claim["false_safe_of_ring"] < issue.RING_LIMIT),
        _same("grid: level", claim["delta"], certificate.delta),
    ]
    if claim["worst_state"]:
        value = float(shifted.values(np.asarray([claim["worst_state"]]))[0])
        found.append(Finding("grid: worst state", value >= -1e-9, f"V = {value:.4g} there, called safe"))
    if subsample is not None:
        return found + _grid_nodes(claim, system, shifted, 16 * subsample)
    again = issue.grid_claim(system, barrier, claim["delta"], say, claim["shape"])
    for key in ("failure", "unavoidable", "ring", "false_safe_of_unavoidable", "false_unsafe", "called_safe"):
        found.append(_close(f"grid: {key}", claim[key], again[key], SHARE_TOLERANCE))
    # a node more or less counts for more where the set is small
    loose = SHARE_TOLERANCE / max(claim["ring"], SHARE_TOLERANCE)
    found.append(
        _close("grid: false_safe_of_ring", claim["false_safe_of_ring"], again["false_safe_of_ring"], loose)
    )
    return found


def _grid_nodes(claim: dict[str, Any], system: System, shifted: LearnedBarrier, count: int) -> list[Finding]:
    """Estimate the shares that need no reference from random nodes of the same grid."""
    axes = grid.node_axes(system, claim["shape"])
    rng = np.random.default_rng(0)
    nodes = np.stack([rng.choice(axis, count) for axis in axes], axis=1)
    with jax.enable_x64(True):
        failed = np.asarray(jax.vmap(system.margin)(nodes)) < 0.0
    safe = shifted.values(nodes) >= 0.0
    return [
        _estimate("grid: failure", claim["failure"], failed),
        _estimate("grid: called safe", claim["called_safe"], safe),
    ]


def _cells(
    certificate: Certificate,
    claim: dict[str, Any],
    system: System,
    barrier: LearnedBarrier,
    subsample: int | None,
    say: Say | None,
) -> list[Finding]:
    settings = cells.settings_of(claim)
    shifted = barrier.shifted(barrier.delta + claim["delta"])
    complete = claim["undecided"] == 0.0 and claim["refuted"] == 0.0 and not claim["counterexamples"]
    found = [_same("cells: verdict", claim["holds"], complete)]
    for claimed in cells.CLAIMS:
        states = [c["state"] for c in claim["counterexamples"] if c["claim"] == claimed]
        if states:
            wrong = refutes(system, shifted, settings, np.asarray(states, dtype=np.float64))[claimed]
            text = f"{int(wrong.sum())} of {len(states)} states refute the {claimed} claim"
            found.append(Finding(f"cells: {claimed} counterexamples", bool(wrong.all()), text))
    if subsample is not None:
        count = 16 * subsample
        x = np.random.default_rng(0).uniform(system.low, system.high, (count, system.n))
        wrong = np.logical_or(*refutes(system, shifted, settings, x).values())
        limit = claim["refuted"] + claim["undecided"]
        allowed = limit + 5.0 * np.sqrt(limit * (1.0 - limit) / count)
        text = (
            f"{100 * wrong.mean():.3g} % of {count} states refute a claim, {100 * limit:.3g} % are not proven"
        )
        return [*found, Finding("cells: random states", bool(wrong.mean() <= allowed), text)]
    again = cells.as_claim(cells.certify_cells(system, barrier, settings, say))
    found.append(_same("cells: cells", claim["cells"], again["cells"]))
    for key in ("proven", "refuted", "undecided"):
        found.append(_close(f"cells: {key}", claim[key], again[key], VOLUME_TOLERANCE))
    return found


def refutes(
    system: System, barrier: LearnedBarrier, settings: cells.CellSettings, x: Array
) -> dict[str, np.ndarray]:
    """Return, per claim of the cells, which of the states (batch, n) refute it."""
    value, _ = values_and_gradients(barrier, x)
    with jax.enable_x64(True):
        margin = np.asarray(jax.vmap(system.margin)(x))
    rate = cells.condition_at(system, barrier, settings, x)
    safe = value >= 0.0
    return {"failure": safe & (margin < 0.0), "condition": safe & (rate < 0.0)}


def _same(name: str, claimed: Any, found: Any) -> Finding:
    matched = claimed == found
    return Finding(name, matched, f"{claimed}" if matched else f"certificate {claimed}, found {found}")


def _close(name: str, claimed: float, found: float, tolerance: float) -> Finding:
    matched = bool(abs(claimed - found) <= tolerance * (1.0 + abs(claimed)))
    return Finding(name, matched, f"certificate {claimed:.6g}, found {found:.6g}")


def _estimate(name: str, claimed: float, hits: np.ndarray) -> Finding:
    share, count = float(hits.mean()), len(hits)
    slack = 5.0 * np.sqrt(max(claimed * (1.0 - claimed), 1.0 / count) / count)
    text = f"certificate {claimed:.4f}, {share:.4f} of {count} random nodes"
    return Finding(name, bool(abs(share - claimed) <= slack), text)
