# SPDX-License-Identifier: Apache-2.0
"""Pairwise covering arrays: few rows in which every two levels of two factors meet at least once.

Greedy, one row at a time, the best of several candidates, after D. M. Cohen, S. R. Dalal, M. L. Fredman, G. C. Patton:
The AETG System, IEEE Transactions on Software Engineering 23 (7), 1997. No array has
fewer rows than the product of the two longest factors' levels. Same input and seed, same rows.

A constraint forbids a combination of levels: `{"region": ("face",), "speed": ("2.0",)}` forbids the rows that have a
listed level in every factor that it names. A pair that no allowed row holds is returned as impossible, not dropped in
silence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import TypeAlias

import numpy as np

from reflexarc.core.errors import ConfigError, UnknownNameError

Levels: TypeAlias = Mapping[str, Sequence[str]]
"""Factor to its levels; as a constraint, factor to the levels that are forbidden together."""
Row: TypeAlias = dict[str, str]
Pair: TypeAlias = tuple[tuple[str, str], tuple[str, str]]
"""(factor, level) of two factors, in the factors' order."""
CANDIDATES = 20
"""Rows tried for each that is kept."""
ATTEMPTS = 6
"""Arrays made, of which the one with the fewest rows is kept; fewer where one has the least possible number."""
MOST_LEVELS, MOST_FACTORS = 50, 12


@dataclass(frozen=True, slots=True)
class Covering:
    """Rows and what they could not cover."""

    rows: tuple[Row, ...]
    impossible: tuple[Pair, ...]
    """Pairs that the constraints leave no row for."""


def cover(factors: Levels, forbidden: Sequence[Levels] = (), seed: int = 0) -> Covering:
    """Return rows that cover every possible pair.

    Args:
        factors: two at least, each with distinct levels.
        forbidden: combinations that cannot be.
        seed: of the choice among candidates.

    Raises:
        ConfigError: a factor without levels, or the constraints leave no row at all.
        UnknownNameError: a constraint names a factor or level that does not exist.
    """
    _check(factors, forbidden)
    if not _completable({}, factors, forbidden):
        raise ConfigError("the constraints leave no row at all; nothing can be covered")
    open_pairs = {pair: None for pair in pairs(factors)}  # a dict: its order does not depend on hashes
    impossible = [pair for pair in open_pairs if not _completable(dict(pair), factors, forbidden)]
    for pair in impossible:
        del open_pairs[pair]
    rng = np.random.default_rng(seed)
    sizes = sorted(len(levels) for levels in factors.values())
    best: list[Row] | None = None
    for _ in range(ATTEMPTS):
        rows = _array(dict(open_pairs), factors, forbidden, rng)
        best = rows if best is None or len(rows) < len(best) else best
        if len(best) <= sizes[-1] * sizes[-2]:
            break
    assert best is not None
    return Covering(tuple(best), tuple(impossible))


def pairs(factors: Levels) -> list[Pair]:
    """Return every pair of levels of two factors."""
    return [
        ((a, first), (b, second))
        for a, b in combinations(factors, 2)
        for first, second in product(factors[a], factors[b])
    ]


def uncovered(rows: Sequence[Mapping[str, str]], factors: Levels) -> list[Pair]:
    """Return the pairs that no row holds."""
    held = {pair for row in rows for pair in _pairs_of(row, factors)}
    return [pair for pair in pairs(factors) if pair not in held]


def allowed(row: Mapping[str, str], forbidden: Sequence[Levels]) -> bool:
    """Whether a row, or the part of one, breaks no constraint."""
    return not any(all(row.get(name) in levels for name, levels in item.items()) for item in forbidden)


def _array(
    open_pairs: dict[Pair, None], factors: Levels, forbidden: Sequence[Levels], rng: np.random.Generator
) -> list[Row]:
    """Return rows until no pair is open."""
    rows: list[Row] = []
    while open_pairs:
        tried = [_candidate(list(open_pairs), factors, forbidden, rng) for _ in range(CANDIDATES)]
        best = max(tried, key=lambda row: sum(pair in open_pairs for pair in _pairs_of(row, factors)))
        for pair in _pairs_of(best, factors):
            open_pairs.pop(pair, None)
        rows.append(best)
    return rows


def _candidate(
    open_pairs: Sequence[Pair], factors: Levels, forbidden: Sequence[Levels], rng: np.random.Generator
) -> Row:
    """Begin with an open pair, then give each factor, in random order, the level that covers most."""
    row: Row = dict(open_pairs[int(rng.integers(len(open_pairs)))])
    wanted = set(open_pairs)
    rest = [name for name in factors if name not in row]
    for name in rng.permutation(np.array(rest, dtype=object)) if rest else ():
        levels = [v for v in factors[name] if _completable({**row, name: v}, factors, forbidden)]
        gains = [sum(_pair(factors, name, v, other, row[other]) in wanted for other in row) for v in levels]
        best = [v for v, gain in zip(levels, gains, strict=True) if gain == max(gains)]
        row[name] = best[int(rng.integers(len(best)))]
    return {name: row[name] for name in factors}


def _pairs_of(row: Mapping[str, str], factors: Levels) -> list[Pair]:
    return [((a, row[a]), (b, row[b])) for a, b in combinations((f for f in factors if f in row), 2)]


def _pair(factors: Levels, a: str, x: str, b: str, y: str) -> Pair:
    """Return the pair of two factors' levels in the factors' order."""
    order = list(factors)
    return ((a, x), (b, y)) if order.index(a) < order.index(b) else ((b, y), (a, x))


def _completable(part: Row, factors: Levels, forbidden: Sequence[Levels]) -> bool:
    """Whether a row that breaks no constraint begins with this part."""
    if not allowed(part, forbidden):
        return False
    name = next((f for f in factors if f not in part and any(f in item for item in forbidden)), None)
    if name is None:  # what is left is named by no constraint
        return True
    return any(_completable({**part, name: level}, factors, forbidden) for level in factors[name])


def _check(factors: Levels, forbidden: Sequence[Levels]) -> None:
    if not 2 <= len(factors) <= MOST_FACTORS:
        raise ConfigError(f"{len(factors)} factors; allowed: 2 to {MOST_FACTORS}")
    for name, levels in factors.items():
        if not 1 <= len(levels) <= MOST_LEVELS or len(set(levels)) != len(levels):
            raise ConfigError(
                f"factor {name!r} has the levels {list(levels)}; needed: 1 to {MOST_LEVELS}, each once"
            )
    for item in forbidden:
        if not item:
            raise ConfigError("a constraint names no factor; it would forbid every row")
        for name, levels in item.items():
            if name not in factors:
                raise UnknownNameError("factor", name, factors, "a constraint")
            for level in levels:
                if level not in factors[name]:
                    raise UnknownNameError(
                        "level", str(level), map(str, factors[name]), f"a constraint on {name}"
                    )
