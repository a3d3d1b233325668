# SPDX-License-Identifier: Apache-2.0
"""Bootstrap over runs: resampled means of the rows of a table, and what follows from them.

The ordinary bootstrap (B. Efron, Bootstrap methods: another look at the jackknife, 1979): each resample
draws n rows with replacement. It is drawn in two steps with the same joint distribution: how many of the n
draws fall into each block of 512 rows is multinomial, and within a block every draw is uniform. A block
stays in the first-level cache, a draw within a block of 2^9 rows takes nine bits, and the sums are one pass
over the counts. Bits come from SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), one stream per resample derived
from the seed, so results do not depend on the number of threads; the last, shorter block uses multiplication
with rejection (Lemire, TOMACS 2019).
"""

import numpy as np
import numpy.typing as npt
from numba import njit, prange, uint64

from reflexarc.core.types import Array

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_BITS = 9
_BLOCK = 1 << _BITS
_DRAWS = 64 // _BITS
"""Draws from one word of 64 bits."""
_CHUNK = 2_000_000
"""Block counts that are held at a time."""
COVERAGE = 0.95


def resampled_means(table: Array, resamples: int, seed: int) -> Array:
    """Return the column means of `resamples` resamples of the rows of `table` (n, m), shape (resamples, m).

    Raises:
        ValueError: the table is empty or not finite, or there are no resamples.
    """
    table = np.ascontiguousarray(table, dtype=np.float64)
    if table.ndim != 2 or not len(table) or not np.isfinite(table).all():
        raise ValueError(f"the table must be finite with at least one row, got shape {table.shape}")
    if resamples < 1:
        raise ValueError(f"resamples must be >= 1, got {resamples}")
    result = np.tile(table[0], (resamples, 1))
    moving = np.flatnonzero((table != table[0]).any(axis=0))
    if not len(moving):
        return result
    n, blocks = len(table), -(-len(table) // _BLOCK)
    shift = table[:, moving].mean(axis=0)  # sums of deviations lose no digits to a large common value
    low, high = table[:, moving].min(axis=0), table[:, moving].max(axis=0)
    padded = np.zeros((blocks * _BLOCK, len(moving)))
    padded[:n] = table[:, moving] - shift
    columns = np.ascontiguousarray(padded.reshape(blocks, _BLOCK, -1).transpose(0, 2, 1))  # (blocks, m, 512)
    sizes = np.full(blocks, _BLOCK)
    sizes[-1] = n - (blocks - 1) * _BLOCK
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // blocks)
    for start in range(0, resamples, step):
        stop = min(start + step, resamples)
        counts = rng.multinomial(n, sizes / n, size=stop - start)
        sums = _resampled_sums(columns, counts, int(sizes[-1]), np.uint64(seed), start)
        # A mean lies between the extremes; without this, rounding could make a share a little negative.
        result[start:stop, moving] = np.clip(sums / n + shift, low, high)
    return result


def column_means(table: Array) -> Array:
    """Return the column means of `table` (n, m), shape (m,); a column of equal values keeps that value to
    the bit.
    """
    return np.where((table == table[0]).all(axis=0), table[0], table.mean(axis=0))


def interval(values: Array, coverage: float = COVERAGE) -> tuple[float, float]:
    """Return the percentile interval of resampled values; an end may be infinite."""
    ordered = np.sort(values)
    tail = (1.0 - coverage) / 2.0
    last = len(ordered) - 1
    return float(ordered[int(np.floor(tail * last))]), float(ordered[int(np.ceil((1.0 - tail) * last))])


@njit(cache=True, inline="always")
def _mixed(state: np.uint64) -> np.uint64:
    z = (state ^ (state >> uint64(30))) * _MIX_1
    z = (z ^ (z >> uint64(27))) * _MIX_2
    return z ^ (z >> uint64(31))


@njit(cache=True, parallel=True, fastmath={"reassoc", "nsz"})
def _resampled_sums(
    columns: Array, counts: npt.NDArray[np.int64], last_size: int, seed: np.uint64, first: int
) -> Array:
    """Return the sums of each resample's rows, shape (resamples, m).

    Args:
        columns: rows in blocks, columns first, shape (blocks, m, 512); the last block is filled up with
            zeros.
        counts: draws per resample and block, shape (resamples, blocks).
        last_size: rows of the last block.
        seed: of the bits.
        first: number of the first resample.
    """
    blocks, m, size = columns.shape
    sums = np.zeros((len(counts), m))
    low32 = uint64(0xFFFFFFFF)
    for b in prange(len(counts)):
        state = _mixed(seed ^ _mixed(uint64(first + b) * _GOLDEN + _GOLDEN))
        drawn = np.zeros(size, np.int32)
        for block in range(blocks):
            drawn[:] = 0
            left = counts[b, block]
            if block < blocks - 1 or last_size == size:
                while left >= _DRAWS:
                    state += _GOLDEN
                    bits = _mixed(state)
                    for _ in range(_DRAWS):
                        drawn[bits & uint64(_BLOCK - 1)] += 1
                        bits >>= uint64(_BITS)
                    left -= _DRAWS
                state += _GOLDEN
                bits = _mixed(state)
                for _ in range(left):
                    drawn[bits & uint64(_BLOCK - 1)] += 1
                    bits >>= uint64(_BITS)
            else:
                span = uint64(last_size)
                rejected = (uint64(1) << uint64(32)) % span
                while left > 0:
                    state += _GOLDEN
                    product = (_mixed(state) & low32) * span
                    if product & low32 >= rejected:
                        drawn[product >> uint64(32)] += 1
                        left -= 1
            for k in range(m):
                total = 0.0
                for i in range(size):
                    total += drawn[i] * columns[block, k, i]
                sums[b, k] += total
    return sums
