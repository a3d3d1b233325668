# SPDX-License-Identifier: Apache-2.0
"""Barriers of the certificate tests: random ones, and hand-made ones with known answers."""

import numpy as np

from reflexarc.barrier.learned import LearnedBarrier, Mlp


def random_mlp(rng, sizes, activation, gain=1.5):
    weights, biases = [], []
    for a, b in zip(sizes[:-1], sizes[1:], strict=True):
        weights.append(rng.normal(0.0, gain / np.sqrt(a), (b, a)))
        biases.append(rng.normal(0.0, 0.5, b))
    return Mlp(tuple(weights), tuple(biases), activation)


def random_barrier(seed, n, form, activation, members=2, hidden=(16, 16)):
    rng = np.random.default_rng(seed)
    return LearnedBarrier(
        tuple(random_mlp(rng, (n, *hidden, 1), activation) for _ in range(members)),
        form,
        rng.normal(size=n),
        rng.uniform(0.5, 2.0, n),
        0.05,
        "none",
        tuple(f"x{i}" for i in range(n)),
        {},
    )


def affine_barrier(normals, offsets, system, state, delta=0.0):
    """V = min_k normals_k . x + offsets_k, as networks without a hidden layer."""
    members = tuple(
        Mlp((np.array([row], dtype=float),), (np.array([shift], dtype=float),), "relu")
        for row, shift in zip(normals, offsets, strict=True)
    )
    n = len(state)
    return LearnedBarrier(members, "min", np.zeros(n), np.ones(n), delta, system, tuple(state), {})
