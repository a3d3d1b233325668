# SPDX-License-Identifier: Apache-2.0
"""The simulated welding cell: its parameters, the person, the tool, the process, the sensors, contacts."""

import math

import numpy as np
import pytest
import yaml

from reflexarc.assurance.pfl import body_region
from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.types import Mode
from reflexarc_sim.welding.arm import Arm
from reflexarc_sim.welding.controllers import (
    make_controller,
    mode_ranks,
    one_answer,
    required_ranks,
    welding_cell,
    welding_table,
)
from reflexarc_sim.welding.geometry import distance_to_box, nearest_on_segment, segments_cross
from reflexarc_sim.welding.operator import Operator, Waypoint
from reflexarc_sim.welding.parameters import STEP_S, plant_file, read_plant
from reflexarc_sim.welding.process import PHASES, Process
from reflexarc_sim.welding.sensors import Sensing
from reflexarc_sim.welding.simulation import Setup, phases, run_cell
from reflexarc_sim.welding.truth import encounter, hazards, peak_force

OUTSIDE = (0.0, 6.0)
AWAY = (Waypoint(OUTSIDE, math.inf, 1.0),)


@pytest.fixture(scope="module")
def plant():
    return read_plant()


@pytest.fixture(scope="module")
def undisturbed(plant):
    """A run without anybody near."""
    return run_cell(plant, Setup("gripper", "chest", AWAY, OUTSIDE, 18.0), make_controller("verified", plant))


def standing(plant, torso, hand=None):
    """Return an operator who stands at a place with a hand out."""
    reach = Waypoint(torso, math.inf, 1.0, hand, 5.0) if hand else Waypoint(torso, math.inf, 1.0)
    person = Operator(plant, (reach,), torso)
    for k in range(100):
        person.step(k * STEP_S, STEP_S, False)
    return person


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d["arm"].update(normal_m_s=9.0), "out of bounds"),
        (lambda d: d["arm"].update(speed=1.0), "unknown key 'speed'"),
        (lambda d: d["arm"].update(hand_guided_m_s=0.3), "out of bounds"),
        (lambda d: d["arm"].update(pfl_regions=["face"]), "contact with face is not permitted"),
        (lambda d: d["arm"].update(pfl_regions=["elbow"]), "unknown body region"),
        (lambda d: d["arm"].update(deceleration_m_s2=2.0), "more than the arm reaches"),
        (lambda d: d["layout"].update(raw_spot=[3.0, 1.0]), "not on the bench"),
        (lambda d: d["layout"].update(bench=[0.5, 0.8, -0.5, 1.4]), "no extent"),
        (lambda d: d["range_finder"].update(near_m=3.0), "does not hold"),
        (lambda d: d["range_finder"].update(noise_m=math.nan), "out of bounds"),
        (lambda d: d["light_curtain"].update(ends=[[0.0, 1.0]]), "expected 2"),
        (lambda d: d["light_curtain"].update(ends=[[0.0, 1.0], [0.0, "x"]]), "no coordinate"),
        (lambda d: d.update(tools={}), "at least one"),
        (lambda d: d["tools"]["gripper"].update(radius_m=0.0), "out of bounds"),
        (lambda d: d["separation"].update(source=" "), "says nothing"),
    ],
)
def test_parameters_that_are_not_acceptable_are_refused(tmp_path, change, says):
    data = yaml.safe_load(plant_file().read_text())
    change(data)
    path = tmp_path / "plant.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(ConfigError, match=says):
        read_plant(path)


def test_geometry_against_points_worked_out_by_hand():
    assert nearest_on_segment((1.0, 1.0), (0.0, 0.0), (2.0, 0.0)) == ((1.0, 0.0), 0.5)
    assert nearest_on_segment((5.0, 1.0), (0.0, 0.0), (2.0, 0.0)) == ((2.0, 0.0), 1.0)
    assert segments_cross((0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0))
    assert not segments_cross((0.0, 0.0), (1.0, 1.0), (2.0, 1.0), (3.0, 0.0))
    assert not segments_cross((0.0, 0.0), (0.0, 0.0), (1.0, 0.0), (2.0, 0.0))
    assert distance_to_box((3.0, 4.0), (-1.0, -1.0, 0.0, 0.0)) == 5.0
    assert distance_to_box((-0.5, -0.5), (-1.0, -1.0, 0.0, 0.0)) == 0.0


def test_the_tool_keeps_speed_and_acceleration_and_stops_at_its_goal(plant):
    arm = Arm(plant.arm, (0.0, 0.0))
    speeds = []
    for _ in range(400):
        arm.step((2.0, 0.0), 1.2, None, STEP_S)
        speeds.append(arm.speed)
    assert max(speeds) == pytest.approx(1.2)
    assert max(np.diff(speeds)) <= plant.arm.acceleration_m_s2 * STEP_S + 1e-9
    assert min(np.diff(speeds)) >= -plant.arm.deceleration_m_s2 * STEP_S - 1e-9
    assert arm.at((2.0, 0.0)) and arm.position[0] < 2.011


def test_a_stop_takes_the_way_that_its_deceleration_needs(plant):
    arm = Arm(plant.arm, (0.0, 0.0))
    for _ in range(100):
        arm.step((9.0, 0.0), 1.2, None, STEP_S)
    begin = arm.position[0]
    while arm.speed > 0.0:
        arm.step((9.0, 0.0), 0.0, None, STEP_S)
    assert arm.position[0] - begin == pytest.approx(1.2**2 / (2.0 * 3.0), abs=0.01)


def test_near_the_bench_the_tool_is_slow_in_every_mode(plant):
    arm, spot = Arm(plant.arm, (0.0, -2.0)), (0.0, 1.2)
    for _ in range(500):
        arm.step(spot, 1.2, spot, STEP_S)
        if math.dist(arm.position, spot) < plant.arm.bench_slow_m - 0.01:
            assert arm.speed <= plant.arm.bench_m_s + 0.02
    assert arm.at(spot)


def test_the_process_goes_through_the_tasks_of_the_hazard_model(undisturbed):
    found = phases(undisturbed)
    assert set(found) == set(PHASES)
    seen = list(dict.fromkeys((s.activity, s.gripper, s.support) for s in undisturbed.steps))
    assert seen == [
        ("idle", "open", "left"),
        ("exchange", "open", "left"),
        ("welding", "raw", "empty"),
        ("exchange", "finished", "empty"),
        ("idle", "open", "right"),
    ]
    assert undisturbed.value == 14.0 and undisturbed.finished == 1 and not undisturbed.contacts


def test_a_halted_process_does_nothing_and_a_resumed_welding_without_a_workpiece_ends(plant):
    process, arm = Process(plant), Arm(plant.arm, plant.layout.raw_spot)
    process.step(arm, STEP_S, halted=True)
    assert process.activity == "idle"
    process.resume("welding")
    process.step(arm, STEP_S, halted=False)
    assert (process.activity, process.gripper) == ("exchange", "open")


def test_an_operator_who_serves_brings_and_takes(plant):
    spot = plant.layout.finished_spot
    place = (spot[0], spot[1] + 0.85)
    script = (Waypoint(place, math.inf, 1.0, spot, 1.0, serve=True),)
    run = run_cell(plant, Setup("gripper", "chest", script, place, 60.0), make_controller("none", plant))
    assert run.finished >= 3 and run.value > 42.0


def test_a_person_who_only_walks_through_a_corner_turns_on_arrival(plant):
    script = (Waypoint((1.0, 6.0), 0.0, 1.0, through=True), Waypoint((1.0, 7.0), math.inf, 1.0))
    person = Operator(plant, script, (0.0, 6.0))
    for k in range(150):
        person.step(k * STEP_S, STEP_S, False)
    assert person.torso == pytest.approx((1.0, 6.5), abs=0.02)
    assert math.hypot(*person.torso_velocity) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ((), "no waypoint"),
        ((Waypoint((0.0, 2.0), 1.0, 0.0),), "positive speeds"),
        ((Waypoint((math.nan, 2.0), 1.0, 1.0),), "finite"),
        ((Waypoint((0.0, 2.0), 1.0, 1.0), Waypoint((0.0, 2.0), 1.0, 1.0)), "is not after"),
        ((Waypoint((0.0, 3.0), 1.0, 1.0, hand=(0.0, 1.0)),), "2.00 m away"),
    ],
)
def test_a_script_that_cannot_be_is_refused(plant, script, says):
    with pytest.raises(ConfigError, match=says):
        Operator(plant, script, (0.0, 2.0))


def signals(plant, person, activity="exchange", blind=(), seed=0, lost=False):
    sensing = Sensing(plant, np.random.default_rng(seed), blind)
    for k in range(30):
        sensing.step(person, k * STEP_S)
    return sensing.signals(activity, 0.29 + (1.0 if lost else 0.0))


def test_what_the_sensors_say_of_places(plant):
    none = {"range_near": False, "range_close": False, "arm_at_shared_table": False}
    assert signals(plant, standing(plant, OUTSIDE)) == none
    x, y = plant.layout.weld_spot
    assert signals(plant, standing(plant, (x - 1.5, y))) == none | {"range_near": True}
    assert signals(plant, standing(plant, (x - 0.4, y))) == none | {"range_near": True, "range_close": True}
    reaching = standing(plant, (0.25, 2.05), (0.25, 1.2))
    assert signals(plant, reaching) == none | {"arm_at_shared_table": True}
    assert signals(plant, reaching, "welding") == none
    from_behind = standing(plant, (1.1, 1.2), (0.25, 1.2))
    assert signals(plant, from_behind) == none and hazards(plant, from_behind, "exchange")["HRW"]


def test_old_samples_say_nothing_and_a_blind_sensor_says_nobody(plant):
    x, y = plant.layout.weld_spot
    near = standing(plant, (x - 0.4, y))
    assert set(signals(plant, near, lost=True).values()) == {None}
    assert not any(signals(plant, near, blind=("range_finder",)).values())


def test_a_sensor_that_loses_everything_stops_the_cell(plant, tmp_path):
    data = yaml.safe_load(plant_file().read_text())
    data["range_finder"]["lost"] = 1.0
    path = tmp_path / "plant.yaml"
    path.write_text(yaml.safe_dump(data))
    broken = read_plant(path)
    run = run_cell(broken, Setup("gripper", "chest", AWAY, OUTSIDE, 1.0), make_controller("verified", broken))
    assert {step.mode for step in run.steps} == {"stopped"} and run.value == 0.0


def test_hazards_by_place_and_activity(plant):
    x, y = plant.layout.weld_spot
    person = standing(plant, (x - 0.5, y))
    assert hazards(plant, person, "welding") == {"HRW": False, "HS": True, "HC": True}
    assert not any(hazards(plant, person, "idle").values())


def test_the_gap_is_that_of_the_nearest_part_and_speeds_are_along_it(plant):
    arm, tool = Arm(plant.arm, (0.25, 0.8)), plant.tool("gripper")
    arm.velocity = (0.3, 0.4)
    met = encounter(plant, tool, arm, standing(plant, (0.25, 2.05), (0.25, 1.2)))
    assert met.gap == pytest.approx(0.4 - 0.05 - 0.1)
    assert met.tool_towards == pytest.approx(0.4) and met.person_towards == pytest.approx(0.0)
    met = encounter(plant, tool, arm, standing(plant, (2.25, 0.8)))
    assert met.gap == pytest.approx(2.0 - 0.25 - 0.1) and met.tool_towards == pytest.approx(0.3)


def test_the_peak_force_is_that_of_two_masses_and_a_spring():
    chest = body_region("chest")
    assert peak_force(chest, 10.0, 0.5) == pytest.approx(0.5 * math.sqrt(8.0 * 25000.0))
    assert peak_force(chest, 10.0, chest.speed(10.0)) == pytest.approx(chest.transient)
    assert peak_force(chest, 10.0, -0.5) == 0.0


def test_in_power_force_limiting_no_contact_is_too_hard(plant):
    for loaded in (False, True):
        mass = plant.effective_mass(plant.tool("plate_holder"), loaded)
        assert all(peak_force(r, mass, plant.pfl_speed(mass)) < 0.91 * r.transient for r in plant.regions)


def test_baselines_answer_every_hazard_in_one_mode_and_keep_the_default_stop():
    table = one_answer(welding_table(), "speed_separation", Mode.SPEED_SEPARATION)
    assert {state.mode for state in table.states if state.hazards} == {"speed_separation"}
    assert table.states[table.default_stop].mode == "stopped" and table.digest == ""
    assert {state.mode for state in welding_table().states if state.hazards} != {"speed_separation"}


def test_required_ranks_are_those_of_the_policy():
    assert required_ranks(welding_cell(), welding_table()) == {"HRW": 2, "HS": 2, "HC": 3}
    assert mode_ranks(welding_cell())["stopped"] == 5


def test_what_cannot_be_run_is_refused(plant):
    with pytest.raises(UnknownNameError, match="unknown controller"):
        make_controller("best", plant)
    with pytest.raises(UnknownNameError, match="unknown tool"):
        run_cell(plant, Setup("hammer", "chest", AWAY, OUTSIDE, 1.0), None)
    with pytest.raises(UnknownNameError, match="unknown sensor"):
        run_cell(plant, Setup("gripper", "chest", AWAY, OUTSIDE, 1.0, blind=("camera",)), None)
    for duration in (0.0, math.nan, 1e6):
        with pytest.raises(ConfigError, match="duration"):
            run_cell(plant, Setup("gripper", "chest", AWAY, OUTSIDE, duration), None)
