# SPDX-License-Identifier: Apache-2.0
"""The study `assurance`: the welding cell's mitigations in the published order, and what breaks it."""

import importlib
import json
import sys

import pytest

from reflexarc.assurance.hazards.read import read_cell
from reflexarc.assurance.synthesis.checker import Checker
from reflexarc.cli.bench import benchmarks_dir
from reflexarc.core.paths import models_dir

pytest.importorskip("stormpy")
FOLDER = benchmarks_dir() / "assurance"
ORDER = json.loads((FOLDER / "results.json").read_text())["figures"]["synthesis"]["figures"]["order"]


@pytest.fixture(scope="module")
def study():
    """Import the module that stands beside the study."""
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module("mitigation_order")
    sys.path.remove(str(FOLDER))
    del sys.modules["mitigation_order"]


@pytest.fixture(scope="module")
def checker():
    with Checker(30.0) as one:
        yield one


@pytest.fixture(scope="module")
def cell():
    return read_cell(models_dir() / "cells" / "welding.yaml")


def test_every_pair_is_in_the_published_order_and_every_share_near_the_published_one():
    assert ORDER["productivity_pairs_agreeing"] == ORDER["mishap_pairs_agreeing"] == "21 of 21"
    assert ORDER["share_error"] <= 0.025
    for row in ORDER["rows"]:
        assert row["share"] == pytest.approx(row["published_share"], abs=ORDER["share_error"] + 1e-12)


def test_the_committed_productivities_are_those_of_the_cell(study, checker, cell):
    own = study.productivities(cell, checker, {})
    assert own == pytest.approx([row["productivity"] for row in ORDER["rows"]], rel=1e-9)


@pytest.mark.parametrize("name", [row["name"] for row in ORDER["ranges"]])
def test_the_order_holds_at_both_ends_of_a_range_and_breaks_beyond_what_bounds_it(study, checker, cell, name):
    row = next(row for row in ORDER["ranges"] if row["name"] == name)
    scanned = 2.0**study.OCTAVES
    for end, beyond, bounded in (
        (row["low"], row["low"] / 1.05, row["low"] > row["nominal"] / scanned),
        (row["high"], row["high"] * 1.05, row["high"] < row["nominal"] * scanned),
    ):
        assert study.holds(cell, checker, {name: end})
        if bounded and beyond <= row["most"]:
            assert not study.holds(cell, checker, {name: beyond})


def test_a_seam_of_two_turns_or_loud_alarms_break_the_order(study, checker, cell):
    assert study.holds(cell, checker, {})
    assert not study.holds(cell, checker, {"a seam": 0.5})
    assert not study.holds(cell, checker, {}, 0.5)
    assert ORDER["alarms"] < 0.5


def test_pairs_count_what_stands_in_the_same_order(study):
    assert study.pairs_alike([1.0, 2.0, 3.0], [10.0, 20.0, 30.0]) == 3
    assert study.pairs_alike([1.0, 3.0, 2.0], [10.0, 20.0, 30.0]) == 2
    assert study.pairs_alike([3.0, 2.0, 1.0], [10.0, 20.0, 30.0]) == 0
