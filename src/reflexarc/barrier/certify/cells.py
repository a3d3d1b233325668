# SPDX-License-Identifier: Apache-2.0
r"""Cell-wise certificate: a proof, box by box, that V is a barrier for the model x' = f(x) + g(x) u + d, |d| <= eps.

Failure claim      V(x) < 0 for every x of the system's box with l(x) < 0.
Condition claim    for every x of the box with V(x) >= 0 there is an input u in U with
                   xi . (f(x) + g(x) u) - eps |xi| + alpha V(x) >= 0 for every Clarke gradient xi of V at x.

Each cell is enclosed: V = min_j v_j and the gradients of the v_j by `reflexarc.barrier.certify.bounds`, f, g and l by
`reflexarc.barrier.certify.enclosure`. The condition is proven with a witness, one admissible u for the whole cell that
serves all v_j that may be the smallest; so kinks and ties are covered. A cell that is neither proven nor refuted is
halved along the axis that matters most, breadth first, until cells are small or the budget is spent; what is left
counts as undecided. A refutation is a state at which the claim fails when it is evaluated.

Together the claims say that from {V >= 0} some admissible input keeps V >= 0, and so l >= 0, for as long as the state
stays in the box, in continuous time. They say nothing about sampled inputs nor about leaving the box.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from reflexarc.barrier.certify.bounds import Bounds, Interval, bound_barrier
from reflexarc.barrier.certify.enclosure import Enclosure, enclosure, product
from reflexarc.barrier.certify.rollout import values_and_gradients
from reflexarc.barrier.learned import LearnedBarrier
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.robots.systems.system import Ball, Box, System

BATCH = 256
"""Cells per batch."""
KEPT = 8
"""Counterexamples that are kept per claim."""
TOLERANCE = 1e-9
"""A state refutes a claim when it fails by more than this, in the units of V and V'."""
FAILURE, CONDITION = 0, 1
CLAIMS = ("failure", "condition")

Say = Callable[[str, float], None]
"""Told what is being done and which share of the volume is decided."""


@dataclass(frozen=True, slots=True)
class CellSettings:
    """What is to be proven, and with how much work."""

    alpha: float = 5.0
    """[1/s]"""
    model_error: float = 0.0
    """eps. [units of x']"""
    delta: float = 0.0
    """Level above the file's own: V - delta is judged."""
    smallest_cell: float = 2.0**-10
    """Cells are not halved below this share of the box along every axis."""
    seconds: float = 60.0
    """Budget of time; the batch that runs is finished."""
    batches: int | None = None
    """Stop after so many batches of cells, whatever the time; None: no limit."""

    def __post_init__(self) -> None:
        for name in ("alpha", "model_error", "seconds"):
            if not getattr(self, name) >= 0.0:
                raise ConfigError(f"{name}: {getattr(self, name)} must be a number >= 0")
        if not 0.0 < self.smallest_cell <= 1.0:
            raise ConfigError(f"smallest_cell: {self.smallest_cell} must lie in (0, 1]")


class Counterexample(NamedTuple):
    """A state at which a claim fails."""

    claim: str
    """`failure` or `condition`."""
    state: tuple[float, ...]
    amount: float
    """V where l < 0, or how far the condition is below 0."""


class CellResult(NamedTuple):
    """Shares of the box's volume."""

    settings: CellSettings
    proven: float
    """Both claims proven."""
    refuted: float
    """Leaf cells in which one of the claims is refuted."""
    undecided: float
    """The rest."""
    failure: tuple[float, float, float]
    """Failure claim: proven, refuted, undecided."""
    condition: tuple[float, float, float]
    """Condition claim: proven, refuted, undecided."""
    counterexamples: tuple[Counterexample, ...]
    cells: int
    """Cells looked at."""
    batches: int
    seconds: float

    @property
    def verdict(self) -> str:
        """`proven`, `refuted` or `undecided`."""
        if self.counterexamples:
            return "refuted"
        return "proven" if self.undecided == 0.0 and self.refuted == 0.0 else "undecided"


class _Cells(NamedTuple):
    low: Array
    high: Array
    open: np.ndarray
    """Which claims are still open, shape (batch, 2)."""

    def part(self, which: np.ndarray) -> "_Cells":
        return _Cells(*(part[which] for part in self))


def certify_cells(
    system: System, barrier: LearnedBarrier, settings: CellSettings, say: Say | None = None
) -> CellResult:
    """Prove or refute the module's claims for `barrier` on the box of `system`.

    Raises:
        ConfigError: f, g or l use something that cannot be enclosed.
    """
    started = time.monotonic()
    judge = _Judge(system, barrier.shifted(barrier.delta + settings.delta), settings)
    box = system.high - system.low
    queue: deque[_Cells] = deque([_Cells(system.low[None], system.high[None], np.ones((1, 2), dtype=bool))])
    volumes = np.zeros((2, 2))  # claim by proven, refuted
    both, spoiled, cells, batches = 0.0, 0.0, 0, 0
    found: list[Counterexample] = []
    while queue and time.monotonic() - started < settings.seconds and batches != settings.batches:
        batch = _take(queue)
        batches, cells = batches + 1, cells + len(batch.low)
        share = np.prod((batch.high - batch.low) / box, axis=1)
        proven, refuted, weight, examples = judge(batch)
        found = _worst(found + examples)
        small = ((batch.high - batch.low) / box <= settings.smallest_cell * (1.0 + 1e-9)).all(axis=1)
        closed_proven, closed_refuted = proven & batch.open, refuted.whole & batch.open & ~proven
        closed_refuted |= (np.expand_dims(small, 1) & refuted.centre) & batch.open & ~proven
        volumes[:, 0] += share @ closed_proven
        volumes[:, 1] += share @ closed_refuted
        still = batch.open & ~closed_proven & ~closed_refuted
        spoiled_now = closed_refuted.any(axis=1)
        done = np.logical_not(still.any(axis=1) | spoiled_now)
        both += float(share @ done)
        spoiled += float(share @ spoiled_now)
        split = still.any(axis=1) & ~small & ~spoiled_now
        if split.any():
            rest = _Cells(batch.low[split], batch.high[split], still[split])
            queue.append(_halved(rest, box, weight[split]))
        if say:
            say("cells", both + spoiled)
    say_failure, say_condition = (
        (float(p), float(r), max(0.0, 1.0 - float(p) - float(r))) for p, r in volumes
    )
    undecided = 1.0 - both - spoiled
    return CellResult(
        settings=settings,
        proven=both,
        refuted=spoiled,
        undecided=undecided if undecided > 1e-12 else 0.0,
        failure=say_failure,
        condition=say_condition,
        counterexamples=tuple(found),
        cells=cells,
        batches=batches,
        seconds=time.monotonic() - started,
    )


def condition_at(system: System, barrier: LearnedBarrier, settings: CellSettings, x: Array) -> Array:
    """Return max_u grad V . (f + g u) - eps |grad V| + alpha V at states (batch, n); for settings.delta = 0."""
    value, gradient = values_and_gradients(barrier, x)
    with jax.enable_x64(True):
        drift = np.asarray(jax.vmap(system.f)(x), dtype=np.float64)
        actuation = np.asarray(jax.vmap(system.g)(x), dtype=np.float64)
    row = np.einsum("bn,bnm->bm", gradient, actuation)
    best = _best_input(system.inputs, row)
    rate = (gradient * drift).sum(axis=1) + (row * best).sum(axis=1)
    return rate - settings.model_error * np.linalg.norm(gradient, axis=1) + settings.alpha * value


class _Refuted(NamedTuple):
    whole: np.ndarray
    """Refuted everywhere in the cell, shape (batch, 2)."""
    centre: np.ndarray
    """Refuted at the centre."""


class _Judge:
    """Decides cells of one system and one barrier."""

    def __init__(self, system: System, barrier: LearnedBarrier, settings: CellSettings) -> None:
        self._system, self._barrier, self._settings = system, barrier, settings
        self._f: Enclosure = enclosure(system.f, system.n, BATCH)
        self._g: Enclosure = enclosure(system.g, system.n, BATCH)
        self._l: Enclosure = enclosure(system.margin, system.n, BATCH)
        self._point = jax.jit(jax.vmap(lambda x: (system.f(x), system.g(x), system.margin(x))))

    def __call__(self, cells: _Cells) -> tuple[np.ndarray, _Refuted, Array, list[Counterexample]]:
        """Return what is proven and refuted, shapes (batch, 2), the weight of each axis, and counterexamples."""
        parts = bound_barrier(self._barrier, cells.low, cells.high, backward=False)
        least = np.minimum.reduce([p.value.low for p in parts])
        most = np.minimum.reduce([p.value.high for p in parts])
        margin = self._l(cells.low, cells.high)
        drift, actuation = self._f(cells.low, cells.high), self._g(cells.low, cells.high)
        centre = 0.5 * (cells.low + cells.high)
        point = self._at(centre)
        active = [p.value.low <= most for p in parts]
        outside = most < 0.0
        lower = self._lower(parts, active, drift, actuation, point)
        proven = np.stack([(margin.low >= 0.0) | outside, outside | (lower >= 0.0)], axis=1)
        upper = self._upper(parts, active, drift, actuation)
        whole = np.stack(
            [(margin.high < 0.0) & (least >= 0.0), (upper < -TOLERANCE) & (least >= 0.0)], axis=1
        )
        value, rate, safe = point.value, point.condition, point.value > TOLERANCE
        wrong = np.stack([(point.margin < -TOLERANCE) & safe, (rate < -TOLERANCE) & safe], axis=1)
        examples = [
            Counterexample(CLAIMS[k], tuple(centre[i].tolist()), float(value[i] if k == FAILURE else rate[i]))
            for k in (FAILURE, CONDITION)
            for i in np.flatnonzero(wrong[:, k])
        ]
        steep = np.maximum.reduce(
            [np.maximum(np.abs(p.gradient.low), np.abs(p.gradient.high)) for p in parts]
        )
        return proven, _Refuted(whole, wrong), steep, examples

    def _at(self, x: Array) -> "_Point":
        value, gradient = values_and_gradients(self._barrier, x)
        pad = np.concatenate((x, np.broadcast_to(x[-1:], (BATCH - len(x), x.shape[1]))))
        with jax.enable_x64(True):
            drift, actuation, margin = (np.asarray(p, dtype=np.float64)[: len(x)] for p in self._point(pad))
        row = np.einsum("bn,bnm->bm", gradient, actuation)
        rate = (gradient * drift).sum(axis=1) + (row * _best_input(self._system.inputs, row)).sum(axis=1)
        rate += self._settings.alpha * value - self._settings.model_error * np.linalg.norm(gradient, axis=1)
        return _Point(value, margin, rate, actuation)

    def _lower(
        self,
        parts: list[Bounds],
        active: list[np.ndarray],
        drift: Interval,
        actuation: Interval,
        point: "_Point",
    ) -> Array:
        """Return the best lower bound of the condition over the witnesses."""
        directions = [0.5 * (p.gradient.low + p.gradient.high) for p in parts]
        if len(parts) > 1:
            directions.append(
                np.sum([d * a[:, None] for d, a in zip(directions, active, strict=True)], axis=0)
            )
        best = np.full(len(drift.low), -np.inf)
        for direction in directions:
            u = _best_input(self._system.inputs, np.einsum("bn,bnm->bm", direction, point.actuation))
            u = _strictly_inside(self._system.inputs, u)
            flow = _sum_with(drift, product(actuation, Interval(u[:, None], u[:, None])))
            worst = np.full(len(best), np.inf)
            for part, counts in zip(parts, active, strict=True):
                rate = _total(product(part.gradient, flow)).low
                rate = rate + self._settings.alpha * np.maximum(part.value.low, 0.0)
                rate = rate - self._settings.model_error * _largest_norm(part.gradient)
                rate = rate - 1e-12 * (1.0 + np.abs(rate))
                worst = np.where(counts, np.minimum(worst, rate), worst)
            best = np.maximum(best, worst)
        return np.where(np.isnan(best), -np.inf, best)

    def _upper(
        self, parts: list[Bounds], active: list[np.ndarray], drift: Interval, actuation: Interval
    ) -> Array:
        """Return an upper bound of the condition, whichever member is the smallest and whatever the input."""
        most = np.full(len(drift.low), -np.inf)
        for part, counts in zip(parts, active, strict=True):
            row = _total(product(Interval(*(g[:, :, None] for g in part.gradient)), actuation))
            rate = _total(product(part.gradient, drift)).high + _most_over(self._system.inputs, row)
            rate = rate + self._settings.alpha * np.maximum(part.value.high, 0.0)
            rate = rate + 1e-12 * (1.0 + np.abs(rate))
            most = np.where(counts, np.maximum(most, rate), most)
        return np.where(np.isnan(most), np.inf, most)


class _Point(NamedTuple):
    value: Array
    margin: Array
    condition: Array
    actuation: Array


def _take(queue: deque[_Cells]) -> _Cells:
    parts, count = [], 0
    while queue and count < BATCH:
        head = queue.popleft()
        room = BATCH - count
        if len(head.low) > room:
            queue.appendleft(_Cells(*(p[room:] for p in head)))
            head = _Cells(*(p[:room] for p in head))
        parts.append(head)
        count += len(head.low)
    return _Cells(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _halved(cells: _Cells, box: Array, steep: Array) -> _Cells:
    """Halve every cell along the axis with the largest relative width, weighted by how much V changes along it."""
    influence = np.where(np.isfinite(steep), steep, 0.0) * box
    influence = 0.1 + influence / np.maximum(influence.max(axis=1, keepdims=True), 1e-300)
    axis = np.argmax((cells.high - cells.low) / box * influence, axis=1)
    rows = np.arange(len(axis))
    middle = 0.5 * (cells.low[rows, axis] + cells.high[rows, axis])
    left_high, right_low = cells.high.copy(), cells.low.copy()
    left_high[rows, axis] = middle
    right_low[rows, axis] = middle
    return _Cells(
        np.concatenate((cells.low, right_low)),
        np.concatenate((left_high, cells.high)),
        np.concatenate((cells.open, cells.open)),
    )


def _worst(found: list[Counterexample]) -> list[Counterexample]:
    kept = []
    for claim in CLAIMS:
        mine = sorted((c for c in found if c.claim == claim), key=lambda c: -abs(c.amount))
        kept += mine[:KEPT]
    return kept


def _best_input(inputs: Box | Ball, row: Array) -> Array:
    """Return argmax over U of row . u for rows (batch, m)."""
    if isinstance(inputs, Ball):
        norm = np.linalg.norm(row, axis=1, keepdims=True)
        return inputs.radius * row / np.maximum(norm, 1e-300)
    return np.where(row >= 0.0, inputs.upper, inputs.lower)


def _strictly_inside(inputs: Box | Ball, u: Array) -> Array:
    """Return u shrunk by more than its rounding, so that it is admissible."""
    return u * (1.0 - 1e-14) if isinstance(inputs, Ball) else u


def _most_over(inputs: Box | Ball, row: Interval) -> Array:
    """Return an upper bound of max over U of w . u for w in the interval, shape (batch,)."""
    if isinstance(inputs, Ball):
        return inputs.radius * _largest_norm(row)
    corners = [w * b for w in row for b in (np.asarray(inputs.lower), np.asarray(inputs.upper))]
    return np.maximum.reduce(corners).sum(axis=1)


def _largest_norm(x: Interval) -> Array:
    return np.linalg.norm(np.maximum(np.abs(x.low), np.abs(x.high)), axis=1) * (1.0 + 1e-12)


def _sum_with(a: Interval, products: Interval) -> Interval:
    total = _total(Interval(products.low.transpose(0, 2, 1), products.high.transpose(0, 2, 1)))
    slack = 1e-13 * (np.abs(a.low) + np.abs(a.high) + np.abs(total.low) + np.abs(total.high))
    return Interval(a.low + total.low - slack, a.high + total.high + slack)


def _total(products: Interval) -> Interval:
    """Return bounds of the sum over axis 1."""
    slack = 1e-13 * (np.abs(products.low) + np.abs(products.high)).sum(axis=1)
    return Interval(products.low.sum(axis=1) - slack, products.high.sum(axis=1) + slack)


def as_claim(result: CellResult) -> dict[str, Any]:
    """Return the result in the words of a certificate file."""
    s = result.settings
    return {
        "statement": (
            f"V - {s.delta:.6g} < 0 where l < 0, and the barrier condition with alpha {s.alpha:g} 1/s and model "
            f"error {s.model_error:g} where V >= {s.delta:.6g}: {result.verdict}; {100 * result.proven:.4g} % of the "
            f"box's volume proven, {100 * result.refuted:.4g} % refuted, {100 * result.undecided:.4g} % undecided"
        ),
        "holds": result.verdict == "proven",
        "alpha": s.alpha,
        "model_error": s.model_error,
        "delta": s.delta,
        "smallest_cell": s.smallest_cell,
        "batches": result.batches,
        "cells": result.cells,
        "proven": result.proven,
        "refuted": result.refuted,
        "undecided": result.undecided,
        "failure_claim": list(result.failure),
        "condition_claim": list(result.condition),
        "counterexamples": [
            {"claim": c.claim, "state": list(c.state), "amount": c.amount} for c in result.counterexamples
        ],
        "seconds": round(result.seconds, 1),
    }


def settings_of(claim: dict[str, Any]) -> CellSettings:
    """Return settings that repeat a claim's work exactly."""
    return CellSettings(
        alpha=claim["alpha"],
        model_error=claim["model_error"],
        delta=claim["delta"],
        smallest_cell=claim["smallest_cell"],
        seconds=float("inf"),
        batches=claim["batches"],
    )
