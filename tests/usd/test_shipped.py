# SPDX-License-Identifier: Apache-2.0
"""Every scenario that is shipped leaves as a stage that equals its model and that OpenUSD finds nothing wrong with."""

import pytest

from reflexarc_sim.scenario import load_scenario, scenario_names
from reflexarc_sim.usd.compare import TOLERANCE, compare
from reflexarc_sim.usd.export import export_stage, open_stage, write_stage
from reflexarc_sim.usd.source import scenario_source
from reflexarc_sim.usd.validators import problems

QUANTITIES = {
    "position of a body [m]",
    "mass [of itself]",
    "inertia [of its largest moment]",
    "pose across a joint",
}
"""What every scenario has something of."""


NAMES = [pytest.param(n, marks=pytest.mark.data) if n == "recorded_eth" else n for n in scenario_names()]


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_scenario_comes_back_from_its_file_as_it_was(name, shipped, tmp_path):
    source = shipped(name)
    path = tmp_path / "stage.usda"
    write_stage(export_stage(source).stage, path)
    gaps = compare(source, open_stage(path))
    assert QUANTITIES <= set(gaps)
    assert {quantity: gap for quantity, gap in gaps.items() if gap.size > TOLERANCE} == {}
    assert problems(path) == []
    again = tmp_path / "again.usda"
    write_stage(export_stage(source).stage, again)
    assert path.read_bytes() == again.read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_scenario_in_its_reference_configuration_equals_the_model(name, shipped):
    source = shipped(name, start=False)
    assert (source.qpos == source.model.qpos0).all()
    gaps = compare(source, export_stage(source).stage)
    assert {quantity: gap for quantity, gap in gaps.items() if gap.size > TOLERANCE} == {}


def test_a_seed_gives_the_same_bytes_from_a_fresh_plant(tmp_path):
    for k in (0, 1):
        stage = export_stage(scenario_source(load_scenario("sidewalk_calm"), seed=3)).stage
        write_stage(stage, tmp_path / f"{k}.usda")
    other = export_stage(scenario_source(load_scenario("sidewalk_calm"), seed=4)).stage
    write_stage(other, tmp_path / "other.usda")
    first = (tmp_path / "0.usda").read_bytes()
    assert first == (tmp_path / "1.usda").read_bytes()
    assert first != (tmp_path / "other.usda").read_bytes()


@pytest.mark.parametrize("suffix", [".usda", ".usdc", ".usd"])
def test_every_kind_of_file_holds_the_same(suffix, tmp_path):
    source = scenario_source(load_scenario("maze_arm"), seed=1)
    write_stage(export_stage(source).stage, tmp_path / f"maze{suffix}")
    assert compare(source, open_stage(tmp_path / f"maze{suffix}")).worst <= TOLERANCE


def test_a_quadruped_on_rough_ground_has_its_terrain(tmp_path):
    scenario = load_scenario("quadruped_push", {"walk.ground": "tiles", "walk.payload_kg": "2.5"})
    source = scenario_source(scenario, seed=0)
    stage = export_stage(source).stage
    gaps = compare(source, stage)
    assert gaps["points of a height field [m]"].size <= TOLERANCE
    assert gaps.worst <= TOLERANCE


def test_a_fleet_stands_apart_and_every_robot_has_its_lidar():
    made = export_stage(scenario_source(load_scenario("fleet_delivery"), seed=0))
    assert made.counts["robots"] == made.counts["articulations"] == 8
    assert made.counts["people"] == 16
    for k in range(8):
        lidar = made.stage.GetPrimAtPath(f"/World/Robots/robot_{k + 1}/robot_{k + 1}_base_link/sensor_lidar")
        assert lidar.GetAttribute("reflexarc:sensor").Get() == "lidar"
