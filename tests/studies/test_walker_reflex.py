# SPDX-License-Identifier: Apache-2.0
"""The study of the walker's reflex: what its page claims, and that a fresh run agrees with the committed one."""

import json
from pathlib import Path

import pytest

from reflexarc.cli.bench import load_study
from reflexarc_sim.scenario import load_scenario
from reflexarc_sim.walker_lockstep import run_walker
from tests.clocks.test_lockstep import STORE, fingerprint

FOLDER = Path(__file__).parents[2] / "benchmarks/walker_reflex"


@pytest.fixture(scope="module")
def figures():
    parts = json.loads((FOLDER / "results.json").read_text(encoding="utf-8"))["figures"]
    return {name: part["figures"] for name, part in parts.items()}


def row(figures, newton, column):
    return next(r for r in figures["pushes"]["rows"] if (r["newton"], r["column"]) == (newton, column))


def test_every_magnitude_was_run_in_every_way_over_all_seeds(figures):
    study = load_study(FOLDER)
    rows = figures["pushes"]["rows"]
    assert len(rows) == 9 and {r["runs"] for r in rows} == {len(study.SEEDS)} == {32}
    for r in rows:
        assert (
            r["survived"] == sum(r["outcomes"])
            and 0.0 <= r["low"] <= r["survived"] / r["runs"] <= r["high"] <= 1.0
        )
        assert (r["reflexes"] == 0.0) == (r["column"] == "without")
        assert not r["faults"]


def test_harder_pushes_throw_more_robots_down(figures):
    for column in ("without", "along", "stand"):
        up = [row(figures, newton, column)["survived"] for newton in (40.0, 50.0, 60.0)]
        assert up[0] + 2 >= up[1] >= up[2] - 2, column


def test_a_robot_whose_policy_falls_silent_stays_up_as_often_as_one_that_walks_on(figures):
    stops = {r["lost"]: r for r in figures["stops"]["rows"]}
    assert stops["policy"]["survived"] >= stops["nothing"]["survived"] - 3
    assert stops["policy"]["speed_before"] > 0.3 and stops["policy"]["speed_after"] < 0.1
    assert stops["state"]["survived"] >= stops["nothing"]["survived"] - 3, "a crouch needs no state"


def test_the_risk_can_be_believed_at_run_time(figures):
    assert figures["pushes"]["calibration_error"] < 0.02


def test_a_tick_fits_into_its_period_many_times(figures):
    for part in figures["times"].values():
        assert part["p50_us"] < 500.0 and part["p99_us"] < 4000.0


@pytest.mark.parametrize("column", ["without", "along", "stand"])
def test_a_fresh_run_is_the_committed_one(figures, column):
    if json.loads(STORE.read_text())["fingerprint"] != fingerprint():
        pytest.skip("other package versions or another processor than the committed runs; bytes may differ")
    over = {"without": {"arc.walker.threshold": 1.0}, "along": {"arc.walker.rule": "along"}}
    scenario = load_scenario("quadruped_push", {"walk.pushes.magnitude": [40.0, 40.0]})
    scenario = scenario.with_overrides(over.get(column, {"arc.walker.rule": "stand"}))
    outcomes = [int(run_walker(scenario, seed).summary.success) for seed in (0, 1)]
    assert outcomes == row(figures, 40.0, column)["outcomes"][:2]


def test_a_short_run_has_the_figures_of_a_full_one():
    study = load_study(FOLDER)
    stops = study.run_part("stops", False, lambda _: None)
    assert [r["lost"] for r in stops["figures"]["rows"]] == ["nothing", "policy", "state"]
    assert set(stops["headline"]) == {f"walker_upright_without_{w}" for w in ("nothing", "policy", "state")}
