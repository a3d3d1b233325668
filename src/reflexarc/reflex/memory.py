# SPDX-License-Identifier: Apache-2.0
"""Transitions to learn from: offline ones that stay, and a ring of those that were driven."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from reflexarc.reflex.loop import Piece


class Memory(NamedTuple):
    """Rows 0..offline-1 stay; the ring behind them is followed by one row into which nothing worth keeping goes."""

    rows: Piece
    """Shape (offline + ring + 1, ...)."""
    at: Any
    """Where the ring goes on, counted from its beginning."""
    size: Any
    """How much of it is filled."""


def memory_of(offline: Piece, ring: int) -> Memory:
    """Return a memory that holds `offline` and has room for `ring` more."""
    rows = jax.tree.map(lambda x: jnp.concatenate([x, jnp.zeros((ring + 1, *x.shape[1:]), x.dtype)]), offline)
    return Memory(rows, jnp.int32(0), jnp.int32(0))


def remembered(memory: Memory, offline: int, pieces: Piece) -> Memory:
    """Return the memory with the valid ones of `pieces`, the oldest of the ring forgotten."""
    ring = len(memory.rows.valid) - offline - 1
    place = (memory.at + jnp.cumsum(pieces.valid) - 1) % ring
    rows = jnp.where(pieces.valid, offline + place, offline + ring)
    count = pieces.valid.sum()
    return Memory(
        jax.tree.map(lambda old, new: old.at[rows].set(new), memory.rows, pieces),
        (memory.at + count) % ring,
        jnp.minimum(memory.size + count, ring),
    )


def drawn(memory: Memory, offline: int, key: Any, count: int, online: bool) -> Piece:
    """Return `count` transitions, of the ring alone if `online`; before it holds any, invalid ones."""
    first = offline if online else 0
    many = offline - first + memory.size
    row = first + (jax.random.uniform(key, (count,)) * many).astype(jnp.int32)
    found = jax.tree.map(lambda x: x[row], memory.rows)
    return found._replace(valid=found.valid & (many > 0))
