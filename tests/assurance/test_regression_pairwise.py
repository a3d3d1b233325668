# SPDX-License-Identifier: Apache-2.0
"""Covering arrays: every pair that can be is there, no row breaks a constraint, few rows, the same rows for a seed."""

from itertools import product

import pytest

from reflexarc.assurance.regression.pairwise import allowed, cover, pairs, uncovered
from reflexarc.core.errors import ConfigError, UnknownNameError


def factors(*sizes: int) -> dict[str, tuple[str, ...]]:
    return {f"f{k}": tuple(f"{k}.{i}" for i in range(size)) for k, size in enumerate(sizes)}


@pytest.mark.parametrize(
    "sizes", [(2, 2), (5, 3, 4, 3, 5), (3, 3, 3, 3), (2, 2, 2, 2, 2), (4, 1, 7), (6, 6, 2)]
)
def test_every_pair_is_covered_by_few_rows(sizes):
    given = factors(*sizes)
    found = cover(given, seed=3)
    covered = {
        (a, row[a], b, row[b]) for row in found.rows for a in row for b in row if a < b
    }  # counted anew, not by the code under test
    wanted = {(a, x, b, y) for a in given for b in given if a < b for x, y in product(given[a], given[b])}
    assert covered == wanted and not found.impossible
    largest = sorted(sizes)[-1] * sorted(sizes)[-2]
    assert largest <= len(found.rows) <= 1.5 * largest
    assert all(set(row) == set(given) for row in found.rows)


def test_the_same_seed_gives_the_same_rows_and_another_one_does_not():
    given = factors(4, 4, 3, 3)
    assert cover(given, seed=1) == cover(given, seed=1)
    assert cover(given, seed=1).rows != cover(given, seed=2).rows


def test_what_is_forbidden_is_in_no_row_and_the_pair_is_told():
    given = factors(3, 3, 3)
    rule = {"f0": ("0.0", "0.1"), "f1": ("1.2",)}
    found = cover(given, [rule])
    assert all(not (row["f0"] in ("0.0", "0.1") and row["f1"] == "1.2") for row in found.rows)
    assert set(found.impossible) == {(("f0", "0.0"), ("f1", "1.2")), (("f0", "0.1"), ("f1", "1.2"))}
    assert set(uncovered(found.rows, given)) == set(found.impossible)


def test_a_constraint_of_three_factors_excludes_no_pair():
    given = factors(2, 2, 2)
    rule = {"f0": ("0.0",), "f1": ("1.0",), "f2": ("2.0",)}
    found = cover(given, [rule])
    assert not found.impossible and not uncovered(found.rows, given)
    assert all(allowed(row, [rule]) for row in found.rows)


def test_a_pair_that_two_constraints_leave_no_row_for_is_impossible():
    given = factors(2, 2, 2)
    rules = [{"f0": ("0.0",), "f2": ("2.0",)}, {"f1": ("1.0",), "f2": ("2.1",)}]
    assert (("f0", "0.0"), ("f1", "1.0")) in cover(given, rules).impossible


@pytest.mark.parametrize(
    ("given", "rules", "says"),
    [
        ({"a": ("1",)}, [], "allowed: 2 to 12"),
        ({"a": ("1", "1"), "b": ("1",)}, [], "each once"),
        ({"a": (), "b": ("1",)}, [], "needed: 1 to"),
        ({"a": ("1",), "b": ("1",)}, [{}], "names no factor"),
        ({"a": ("1",), "b": ("1",)}, [{"a": ("1",)}], "no row at all"),
    ],
)
def test_what_cannot_be_covered_is_refused(given, rules, says):
    with pytest.raises(ConfigError, match=says):
        cover(given, rules)


def test_a_constraint_on_an_unknown_name_is_refused():
    with pytest.raises(UnknownNameError, match="unknown factor 'c'"):
        cover({"a": ("1",), "b": ("1",)}, [{"c": ("1",)}])
    with pytest.raises(UnknownNameError, match="unknown level '2'"):
        cover({"a": ("1",), "b": ("1",)}, [{"a": ("2",)}])


def test_pairs_count_as_the_products():
    assert len(pairs(factors(5, 3, 4))) == 15 + 20 + 12
