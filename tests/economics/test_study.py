# SPDX-License-Identifier: Apache-2.0
"""The committed study: its missions are still those of the simulator, its statements those of its episodes."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from reflexarc.economics import Capex, cost_model, state_episodes
from reflexarc.economics.missions import MissionFile
from reflexarc.economics.readers import read_policies
from reflexarc.economics.readers.tables import EPISODE_FIELDS, episodes_from

STUDY = Path(__file__).parents[2] / "benchmarks" / "costnav"
RESULTS = json.loads((STUDY / "results.json").read_text(encoding="utf-8"))
FILES = {
    "pure pursuit": "pure_pursuit",
    "pure pursuit + arc": "pure_pursuit_with_arc",
    "DWA": "dwa",
    "DWA + arc": "dwa_with_arc",
}


@pytest.fixture(scope="module")
def driver():
    spec = importlib.util.spec_from_file_location("costnav_drive", STUDY / "drive.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["costnav_drive"] = module
    spec.loader.exec_module(module)
    return module


def test_the_mission_file_is_what_the_simulator_plans(driver):
    file = MissionFile.load(STUDY / "missions.json")
    assert len(file.missions) == 100
    for mission in driver.study_missions(tuple(m.seed for m in file.missions[::20])).missions:
        (kept,) = [m for m in file.missions if m.seed == mission.seed]
        assert mission.same_as(kept), "the world's generator has changed: repeat the full study"


@pytest.mark.parametrize("name", FILES)
def test_every_policy_drove_every_mission_and_the_statement_is_that_of_its_episodes(name):
    missions = {m.key for m in MissionFile.load(STUDY / "missions.json").missions}
    for model_name, statements in RESULTS["figures"]["statements"].items():
        model = cost_model(model_name)
        (policy,) = read_policies(STUDY / "episodes" / f"{FILES[name]}.json", model)
        assert set(policy.data.keys) == missions and policy.capex == Capex(robot=8000.0, lidar=3000.0)
        convention = statements[name]["revenue_convention"]
        got = state_episodes(policy.data, model, policy.capex, convention, resamples=0)
        for key in (
            "electricity",
            "service",
            "pedestrian",
            "property",
            "repair",
            "opex",
            "revenue",
            "margin",
        ):
            assert got.figures[key] == pytest.approx(statements[name][key], rel=1e-9, abs=1e-12), (
                model_name,
                key,
            )


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("name", ["pure pursuit", "DWA + arc"])
def test_a_mission_driven_again_ends_as_it_did(driver, name):
    policy, parameters, arc = driver.POLICIES[name]
    mission = MissionFile.load(STUDY / "missions.json").missions[1]
    row = driver.drive(mission, policy, parameters, arc, {})
    rows = json.loads((STUDY / "episodes" / f"{FILES[name]}.json").read_text(encoding="utf-8"))["episodes"]
    (kept,) = [r for r in rows if r["seed"] == mission.seed]
    assert row["outcome"] == kept["outcome"]
    # Bits may differ between processors, and a crowd amplifies them; the run must stay the same kind of run.
    assert row["duration_s"] == pytest.approx(kept["duration_s"], rel=0.25)
    assert row["distance_m"] == pytest.approx(kept["distance_m"], rel=0.1)
    result = state_episodes_of(row)
    assert row["step_cost_usd"] == pytest.approx(-result.figures["margin"], abs=1e-3)


def state_episodes_of(row):
    table, _ = episodes_from([{k: v for k, v in row.items() if k in EPISODE_FIELDS}], "row")
    return state_episodes(table, cost_model("reflexarc_run"), Capex(), resamples=0)
