# SPDX-License-Identifier: Apache-2.0
"""Random filter problems, and an oracle for their solution that shares nothing with the solvers or the check."""

import numpy as np
from scipy.optimize import nnls

from reflexarc.barrier.qp import QpProblem, Tier

BOX = 2.0


def random_rows(rng, n, m):
    rows = rng.normal(size=(m, n))
    return rows / np.linalg.norm(rows, axis=1)[:, None] * rng.uniform(0.3, 3.0, size=(m, 1))


def problem(target, rows, offsets, tier=Tier.COLLISION, weight=None, box=BOX):
    n = len(target)
    tiers = np.full(len(offsets), tier) if np.isscalar(tier) else np.asarray(tier)
    weight = np.ones(n) if weight is None else weight
    return QpProblem(
        np.asarray(target, float), weight, rows, offsets, tiers, np.full(n, -box), np.full(n, box)
    )


def feasible(rng, n, m, tier=Tier.COLLISION):
    """Some rows cut the target off, but a ball of radius 0.05 around an inner point satisfies all."""
    rows = random_rows(rng, n, m)
    inner = rng.uniform(-0.8 * BOX, 0.8 * BOX, n)
    room = rng.exponential(0.5, m) + 0.05
    offsets = rows @ inner + room * np.linalg.norm(rows, axis=1)
    return problem(rng.normal(size=n) * BOX, rows, offsets, tier, rng.uniform(0.5, 2.0, n))


def infeasible(rng, n, m, tier=Tier.HARD):
    """One row contradicts another by a gap of 0.05 to 0.5."""
    p = feasible(rng, n, m, tier)
    rows, offsets = p.rows.copy(), p.offsets.copy()
    i, j = rng.choice(m, 2, replace=False)
    rows[j] = -rows[i] * rng.uniform(0.5, 2.0)
    scale = np.linalg.norm(rows[j]) / np.linalg.norm(rows[i])
    offsets[j] = -offsets[i] * scale - rng.uniform(0.05, 0.5) * np.linalg.norm(rows[j])
    return p._replace(rows=rows, offsets=offsets)


def oracle(p):
    """Least-distance programming by non-negative least squares (Lawson and Hanson, 1974, chapter 23).

    With x = sqrt(w) (u - target) the problem is: minimise |x| subject to G x >= h. The residual r of
    min |E y - f|, y >= 0, with E = (G, h)^T and f = (0, ..., 0, 1), gives x = -r[:n] / r[n]; r = 0 if and only
    if the constraints contradict each other.
    """
    n = len(p.target)
    scale = np.sqrt(p.weight)
    g = np.vstack([-p.rows, np.eye(n), -np.eye(n)]) / scale
    h = -np.concatenate([p.offsets - p.rows @ p.target, -(p.lower - p.target), p.upper - p.target])
    e = np.vstack([g.T, h])
    f = np.zeros(n + 1)
    f[n] = 1.0
    y, norm = nnls(e, f, maxiter=1000)
    r = e @ y - f
    if norm < 1e-7:
        return None
    return p.target - r[:n] / r[n] / scale
