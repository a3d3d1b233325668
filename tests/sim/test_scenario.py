# SPDX-License-Identifier: Apache-2.0
"""Scenario files: what is wrong is refused with the file, the key and what is allowed."""

import math

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reflexarc.cli import main
from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc_sim import load_scenario, make_plant, scenario_names
from reflexarc_sim.mujoco_plant.fleet_plant import FleetPlant
from reflexarc_sim.plants import make_arm_plant, make_walker_plant
from reflexarc_sim.scenario import SCENARIOS_DIR, Scenario, data_file, scenario_from_mapping


@pytest.mark.parametrize("name", scenario_names())
def test_every_scenario_that_comes_along_is_valid_and_named_like_its_file(name):
    scenario = load_scenario(name)
    assert scenario.name == name
    assert scenario.description
    assert math.isclose(scenario.arc_config.period, scenario.plant.step_period)


def test_the_required_scenarios_come_along():
    assert {"sidewalk_delivery", "sidewalk_calm", "recorded_eth"} <= set(scenario_names())


def test_the_main_scenario_has_twenty_pedestrians_of_whom_three_tenths_are_distracted():
    crowd = load_scenario("sidewalk_delivery").crowd
    assert (crowd.count, crowd.distracted_fraction) == (20, 0.3)


def test_an_unknown_scenario_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="'motorway'.*sidewalk_delivery"):
        load_scenario("motorway")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.yaml: no such file"):
        load_scenario(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\ncrowds: {}\n", r"unknown key 'crowds' in .*bad\.yaml; allowed: .*crowd"),
        ("name: a\ncrowd: {counts: 3}\n", r"unknown key 'counts' in .*bad\.yaml\.crowd; allowed: count"),
        ("name: a\nsource: {}\n", r"unknown key 'source'"),
        ("name: a\nwhere: x\n", r"unknown key 'where'"),
        (
            "name: a\ncrowd: {source: drones}\n",
            r"'drones' in .*crowd\.source; allowed: jupedsim, none, recorded",
        ),
        ("name: a\nworld: {type: moon}\n", r"'moon' in .*world\.type; allowed: cells, plaza, sidewalk"),
        ("name: a\nworld: {type: cells}\n", "type 'cells' with map ''.*needed there"),
        ("name: a\nworld: {map: Line}\n", "type 'sidewalk' with map 'Line'.*'cells' only"),
        ("name: a\nplant: {type: gazebo}\n", r"'gazebo' in .*plant\.type; allowed: mujoco, newton"),
        ("name: a\nrobot: unicycle\n", r"unknown robot 'unicycle'.*segway_e1"),
        ("name: a\nduration_s: -5\n", r"duration_s: -5 is out of bounds"),
        ("name: a\nduration_s: soon\n", r"duration_s: expected a number, found 'soon'"),
        ("name: a\nduration_s: .nan\n", r"duration_s: nan is out of bounds"),
        ("name: a\ncrowd: {count: 2.5}\n", r"count: expected a whole number"),
        ("name: a\ncrowd: {count: true}\n", r"count: expected a number, found True"),
        ("name: a\nsensors: {lidar: {rays: 1}}\n", r"rays: 1 is out of bounds; allowed: 8 to 4096"),
        ("name: a\ncrowd: {source: recorded}\n", r"'recorded' needs 'file'"),
        ("name: a\nplant: {step_period: 0.005, physics_period: 0.003}\n", r"whole multiple"),
        ("name: a\nmissions: {min_distance_m: 30, max_distance_m: 20}\n", r"must be above min_distance_m"),
        ("name: a\narc: {enabled: 1}\n", r"arc\.enabled: expected true or false, found 1"),
        ("name: a\narc: {rate: 100}\n", r"unknown key 'rate' in .*arc; allowed: .*rate_hz"),
        (
            "name: a\ndisturbances: [{type: earthquake}]\n",
            r"'earthquake' in .*disturbances\[0\]\.type; allowed: push",
        ),
        ("name: a\nname: b\n", r"key 'name' is given twice"),
        ("description: x\n", r"the key 'name' is required"),
        ("- 1\n", r"expected a mapping"),
        ("name: [\n", r"not readable as YAML"),
    ],
)
def test_what_is_wrong_is_refused_with_file_key_and_what_is_allowed(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_scenario(path)


def test_overrides_replace_nested_values_and_leave_the_rest_and_the_original():
    base = load_scenario("sidewalk_delivery")
    changed = base.with_overrides(
        {"crowd.count": "30", "arc.enabled": "false", "arc.barrier.clearance_m": "0.2"}
    )
    assert changed.crowd.count == 30
    assert not changed.arc_enabled
    assert changed.arc_overrides == {"barrier": {"clearance_m": 0.2}}
    assert changed.crowd.speed_mean == base.crowd.speed_mean
    assert base.crowd.count == 20 and base.arc_enabled
    again = changed.with_overrides({"seed": "4"})
    assert (again.seed, again.crowd.count) == (4, 30)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("crowd.number", "3", "unknown key 'number'"),
        ("crowd.count.x", "3", "single value"),
        ("duration_s.x", "3", "single value"),
        ("crowd.count", "many", "expected a number, found 'many'"),
        ("", "3", "dotted key"),
        ("crowd.count", "[", "not readable as YAML"),
    ],
)
def test_a_wrong_override_is_refused(key, value, message):
    with pytest.raises(ConfigError, match=message):
        load_scenario("sidewalk_delivery", {key: value})


def test_overrides_may_be_values_as_well_as_text():
    scenario = load_scenario("sidewalk_delivery", {"crowd.count": 7, "arc.enabled": False})
    assert scenario.crowd.count == 7 and not scenario.arc_enabled


def _leaves(data, prefix=""):
    for key, value in data.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


LEAVES = sorted(_leaves(yaml.safe_load((SCENARIOS_DIR / "sidewalk_delivery.yaml").read_text())))
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.integers(-(10**12), 10**12),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@settings(deadline=None)
@given(key=st.sampled_from(LEAVES), value=JUNK)
def test_any_value_for_any_key_gives_a_scenario_or_a_config_error(key, value):
    try:
        scenario = load_scenario("sidewalk_delivery", {key: value})
    except ConfigError as error:
        assert str(error)
    else:
        assert isinstance(scenario, Scenario)
        assert scenario_from_mapping(scenario.source, scenario.where) == scenario


@given(st.text(min_size=1, max_size=12))
def test_any_unknown_key_is_refused(key):
    known = set(Scenario.__dataclass_fields__) - {"source", "where"}
    if key in known:
        return
    with pytest.raises(UnknownNameError):
        scenario_from_mapping({"name": "a", key: 1})


def test_a_data_file_is_looked_for_where_the_message_says(tmp_path, monkeypatch):
    monkeypatch.setenv("REFLEXARC_DATA", str(tmp_path / "data"))
    with pytest.raises(ConfigError, match=r"tried .*data/crowd\.txt.*set REFLEXARC_DATA"):
        data_file("crowd.txt", str(tmp_path / "s.yaml"))
    (tmp_path / "crowd.txt").write_text("")
    assert data_file("crowd.txt", str(tmp_path / "s.yaml")) == tmp_path / "crowd.txt"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "crowd.txt").write_text("")
    assert data_file("crowd.txt", str(tmp_path / "s.yaml")) == tmp_path / "data" / "crowd.txt"


def test_a_missing_recording_is_found_out_at_reset(tmp_path, monkeypatch):
    monkeypatch.setenv("REFLEXARC_DATA", str(tmp_path))
    scenario = load_scenario("recorded_eth", {"crowd.file": "absent.txt"})
    with pytest.raises(ConfigError, match=r"no data file 'absent\.txt'"):
        make_plant(scenario).reset(0)


@pytest.mark.parametrize(
    ("name", "what"),
    [("maze_arm", "an arm"), ("quadruped_push", "a quadruped"), ("fleet_delivery", "a fleet")],
)
def test_what_newton_does_not_simulate_is_refused(name, what):
    scenario = load_scenario(name, {"plant.type": "newton"})
    makers = {"maze_arm": make_arm_plant, "quadruped_push": make_walker_plant, "fleet_delivery": FleetPlant}
    with pytest.raises(ConfigError, match=f"'newton' simulates one mobile base, not {what}"):
        makers[name](scenario)


def test_where_newton_is_missing_one_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr("reflexarc_sim.newton_plant.needs.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"not installed: newton, .*pip install 'reflexarc\[newton\]'"):
        make_plant(load_scenario("sidewalk_calm", {"plant.type": "newton"}))


def test_the_command_exits_2_where_newton_is_missing(monkeypatch, capsys):
    monkeypatch.setattr("reflexarc_sim.newton_plant.needs.find_spec", lambda name: None)
    assert main(["run", "--lockstep", "sidewalk_calm", "--set", "plant.type=newton", "--duration", "1"]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("pip install 'reflexarc[newton]'") == 1
    assert "Traceback" not in captured.err
