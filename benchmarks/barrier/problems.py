# SPDX-License-Identifier: Apache-2.0
"""Programmes of a filter of seven inputs along a smooth motion, and an oracle that knows no solver of ours.

Rows are counted with the fourteen sides of the bounds, as solvers without bounds of their own would see them.
"""

import numpy as np
from scipy.optimize import nnls

from reflexarc.barrier.qp import QpProblem, Tier
from reflexarc.core.types import Array

INPUTS = 7
BOX = 2.0
"""Bound of every input; the target leaves it now and then."""
_STEP = 0.01
"""Of the motion's phase from one programme to the next: 1 kHz at ten radians per second."""
_CONTRADICTION = 0.05
"""Least gap between two rows that contradict each other; rows have unit length."""


def moving(rng: np.random.Generator, rows: int, count: int) -> list[QpProblem]:
    """Return `count` programmes whose normals, offsets and target move smoothly; a point inside satisfies every row.

    Args:
        rng: source of the motion.
        rows: with the 14 sides of the bounds.
        count: number of programmes.
    """
    m = rows - 2 * INPUTS
    centre, swing = rng.normal(size=(m, INPUTS)), rng.normal(size=(m, INPUTS))
    rate, phase = rng.uniform(0.2, 1.0, (m, 1)), rng.uniform(0.0, 2.0 * np.pi, (m, 1))
    inner_rate, inner_phase = rng.uniform(0.2, 1.0, INPUTS), rng.uniform(0.0, 2.0 * np.pi, INPUTS)
    target_rate, target_phase = rng.uniform(0.5, 2.0, INPUTS), rng.uniform(0.0, 2.0 * np.pi, INPUTS)
    room, room_phase = rng.exponential(0.7, m) + 0.05, rng.uniform(0.0, 2.0 * np.pi, m)
    problems = []
    for k in range(count):
        s = k * _STEP
        normals = centre + 0.5 * swing * np.sin(rate * s + phase)
        normals /= np.linalg.norm(normals, axis=1)[:, None]
        inner = 0.8 * BOX * np.sin(inner_rate * s + inner_phase)
        offsets = normals @ inner + room * (1.2 + np.sin(0.7 * s + room_phase))
        target = 1.5 * BOX * np.sin(target_rate * s + target_phase)
        problems.append(_programme(target, normals, offsets, Tier.HARD))
    return problems


def contradictory(rng: np.random.Generator, problems: list[QpProblem]) -> list[QpProblem]:
    """Return the same programmes, each with one row turned so that it contradicts another, or with the bounds."""
    spoiled = []
    for k, problem in enumerate(problems):
        rows, offsets = problem.rows.copy(), problem.offsets.copy()
        i, j = rng.choice(len(offsets), 2, replace=False)
        gap = rng.uniform(_CONTRADICTION, 0.5)
        if k % 2:
            rows[j], offsets[j] = -rows[i], -offsets[i] - gap
        else:
            offsets[j] = -BOX * np.abs(rows[j]).sum() - gap
        spoiled.append(problem._replace(rows=rows, offsets=offsets))
    return spoiled


def relaxable(problems: list[QpProblem]) -> list[QpProblem]:
    """Return the same programmes with rows that may give way."""
    tiers = np.full(len(problems[0].offsets), int(Tier.COLLISION))
    return [problem._replace(tiers=tiers) for problem in problems]


def oracle(problem: QpProblem) -> Array | None:
    """Return the solution, or None where rows and bounds contradict each other.

    Least-distance programming by non-negative least squares (Lawson and Hanson, Solving Least Squares Problems, 1974,
    chapter 23). With x = u - target: minimise |x| subject to G x >= h. The residual r of min |E y - f| over y >= 0,
    E = (G, h)^T and f = (0, ..., 0, 1), gives x = -r_n / r_(n+1), and r = 0 means that no x exists. The support of y
    is the active set; the solution is then computed from it by least squares, to the last digits.
    """
    n = len(problem.target)
    normals = np.vstack([-problem.rows, np.eye(n), -np.eye(n)])
    limits = np.concatenate([-problem.offsets, problem.lower, -problem.upper]) - normals @ problem.target
    matrix, aim = np.vstack([normals.T, limits]), np.append(np.zeros(n), 1.0)
    y, _ = nnls(matrix, aim, maxiter=10 * matrix.shape[1])
    r = matrix @ y - aim
    if abs(r[n]) < 1e-9:
        return None
    active = y > 0.0
    if not active.any():
        return problem.target.copy()
    return problem.target + np.linalg.lstsq(normals[active], limits[active], rcond=None)[0]


def _programme(target: Array, rows: Array, offsets: Array, tier: Tier) -> QpProblem:
    return QpProblem(
        target,
        np.ones(INPUTS),
        rows,
        offsets,
        np.full(len(offsets), int(tier)),
        np.full(INPUTS, -BOX),
        np.full(INPUTS, BOX),
    )
