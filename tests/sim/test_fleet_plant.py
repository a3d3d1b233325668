# SPDX-License-Identifier: Apache-2.0
"""Several robots in one MuJoCo world: what each sees of the others, contacts, stops, and a short delivery."""

import math

import numpy as np
import pytest

from reflexarc.core.errors import ConfigError
from reflexarc.core.plant import ContactClass, ContactEvent
from reflexarc_sim.fleet_lockstep import run_fleet
from reflexarc_sim.fleet_tasks import FleetTasks, load_lanes
from reflexarc_sim.mujoco_plant.fleet_plant import FleetPlant, stop_times
from reflexarc_sim.scenario import load_scenario
from reflexarc_sim.world.lanes import lanes

BASE = {"crowd.count": 0, "fleet.robots": 2, "fleet.stops.robots": 0}
POSES = np.array([[10.0, 7.0, 0.0], [12.5, 7.0, math.pi]])
"""Two robots that look at each other."""


@pytest.fixture
def plant():
    made = FleetPlant(load_scenario("fleet_delivery", BASE))
    yield made
    made.close()


def drive(plant, commands, seconds):
    events = [[] for _ in plant.units]
    for _ in range(round(seconds / plant.step_period)):
        states, happened = plant.step(np.array(commands))
        for k, row in enumerate(happened):
            events[k] += row
    return states, events


def test_each_robot_obeys_its_own_command(plant):
    plant.reset(0, POSES)
    states, _ = drive(plant, [[0.5, 0.0], [0.0, 0.5]], 1.0)
    assert states[0].pose[0] == pytest.approx(10.4, abs=0.1)
    assert states[1].pose[:2] == pytest.approx(POSES[1, :2], abs=0.05)
    assert abs(states[1].pose[2]) < math.pi - 0.3


def test_robots_know_and_see_each_other(plant):
    states = plant.reset(0, POSES)
    states, _ = drive(plant, np.zeros((2, 2)), 0.2)
    assert states[0].obstacles.ids == ("robot_2",)
    assert states[0].obstacles.position[0] == pytest.approx([12.5, 7.0], abs=0.3)
    assert states[0].obstacles.radius[0] == pytest.approx(0.542, abs=0.01)
    scan = plant.units[0].scan()
    ahead = scan.ranges[len(scan.ranges) // 2]
    assert ahead == pytest.approx(2.5 - 0.445, abs=0.1), "the lidar sees the hull of the other one"
    assert not np.isfinite(scan.ranges[0]) or scan.ranges[0] > 2.0, "and not its own"


def test_a_touch_of_two_robots_is_a_contact_of_class_robot_for_both(plant):
    plant.reset(0, POSES)
    _, events = drive(plant, [[0.8, 0.0], [0.8, 0.0]], 1.6)
    found = [row + list(unit.finish()) for row, unit in zip(events, plant.units, strict=True)]
    for row, partner in zip(found, ("robot_2", "robot_1"), strict=True):
        contacts = [e for e in row if isinstance(e, ContactEvent)]
        assert [c.partner for c in contacts] == [partner]
        assert contacts[0].contact_class is ContactClass.ROBOT
        assert contacts[0].impulse > 1.0


def test_a_stopped_robot_stands_whatever_it_is_commanded():
    scenario = load_scenario(
        "fleet_delivery", BASE | {"fleet.stops.robots": 1, "fleet.stops.mean_gap_s": 1.0}
    )
    stops = stop_times(scenario.fleet.stops, 2, 0)
    (victim,) = [k for k, row in enumerate(stops) if row]
    begin, end = stops[victim][0]
    assert 1.0 <= end - begin <= 5.0
    plant = FleetPlant(scenario)
    try:
        plant.reset(0, POSES + (0.0, 0.0, math.pi))
        moved = {True: [], False: []}
        while plant.time < end + 0.5:
            states, _ = plant.step(np.full((2, 2), (0.3, 0.0)))
            moved[begin + 1.0 < plant.time < end].append(abs(states[victim].twist[0]))
    finally:
        plant.close()
    assert not moved[True] or max(moved[True]) < 0.05
    assert max(moved[False]) > 0.2


def test_equal_seeds_give_equal_bytes_and_two_robots_deliver():
    scenario = load_scenario(
        "fleet_delivery",
        BASE
        | {"missions.count": 1, "missions.max_distance_m": 18.0, "crowd.count": 4, "fleet.stops.robots": 1},
    )
    first = run_fleet(scenario, 1, 90.0)
    s = first.summary
    assert (s.reached, s.goals, s.robot_contacts, s.other_contacts) == (2, 2, 0, 0)
    assert s.least_gap_m > 1.0
    assert first.poses.shape[1:] == (2, 3)
    again = run_fleet(scenario, 1, 3.0)
    assert np.array_equal(again.commands, first.commands[: len(again.commands)])
    assert np.array_equal(again.poses, first.poses[: len(again.poses)])


def test_goals_keep_away_from_a_lost_robot_wherever_it_stands():
    """Robots are put to the end of what they may drive, so that many goals are drawn; the first is lost on its way."""
    tasks = FleetTasks(load_scenario("fleet_delivery", {"fleet.robots": 3, "missions.count": 30}), 0)
    fleet, places = tasks.fleet, dict(zip(tasks.names, tasks.start_poses()[:, :2], strict=True))
    lost = None
    for turn in range(400):
        now = 0.5 * turn
        tasks.update(now, places)
        if lost is None and turn > 3:
            bay = min(
                tasks.road.bays, key=lambda v: math.dist(tasks.road.graph.positions[v], places["robot_1"])
            )
            lost = tasks.road.graph.positions[bay] + (0.1, 0.2)
            fleet.report("robot_1", lost, now)
            fleet.lose("robot_1", now)
        places |= {n: fleet.permission(n)[-1] for n in ("robot_2", "robot_3")}
    drawn = [d for d in tasks.deliveries if d.robot != "robot_1" and d.begin > 5.0]
    assert len(drawn) > 20
    gaps = [math.dist(tasks.road.graph.positions[d.goal], lost) for d in drawn]
    assert min(gaps) >= 2.0 * tasks.config.plan_radius_m


def test_what_a_fleet_cannot_have_is_refused():
    for key, value in (("fleet.robots", 0), ("cargo.pieces", 2)):
        with pytest.raises(ConfigError, match="a fleet needs"):
            FleetPlant(load_scenario("fleet_delivery", BASE | {key: value}))
    with pytest.raises(ConfigError, match="needs world.type plaza"):
        FleetTasks(load_scenario("fleet_delivery", {"world.type": "sidewalk"}), 0)
    with pytest.raises(ConfigError, match="more bays"):
        FleetTasks(load_scenario("fleet_delivery", {"fleet.robots": 40}), 0)
    with pytest.raises(ConfigError, match="too small for lanes"):
        lanes(10.0, 6.0, 1.8, 0.8, 2.0)


def test_every_bay_is_reached_from_every_bay_and_keeps_its_distance():
    road = lanes(38.0, 14.0, 1.8, 0.8, 2.5)
    graph = road.graph
    for bay in road.bays:
        seen, todo = {bay}, [bay]
        while todo:
            v = todo.pop()
            ends = graph.head[graph.first[v] : graph.first[v + 1]].tolist()
            todo += [u for u in ends if u not in seen]
            seen |= set(ends)
        assert seen == set(range(graph.vertices))
    gaps = np.hypot(*np.moveaxis(graph.positions[:, None] - graph.positions[None], 2, 0))
    assert gaps[~np.eye(len(gaps), dtype=bool)].min() >= 2 * 0.76, "discs of planning fit at any two vertices"


def test_a_roadmap_of_ones_own_is_read_and_checked(tmp_path):
    path = tmp_path / "road.yaml"
    path.write_text("roadmap: {vertices: [[0, 0], [3, 0]], edges: [[0, 1]]}\nbays: [1]\n", encoding="utf-8")
    assert load_lanes(path).bays == (1,)
    path.write_text("roadmap: {vertices: [[0, 0], [3, 0]], edges: [[0, 1]]}\nbays: [7]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bays must be vertices 0\.\.1"):
        load_lanes(path)
    path.write_text("bays: [1]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no roadmap with bays"):
        load_lanes(path)


def test_a_goal_that_is_refused_costs_a_robot_its_turn_and_nothing_else(monkeypatch):
    tasks = FleetTasks(load_scenario("fleet_delivery", BASE), 0)
    places = dict(zip(tasks.names, tasks.start_poses()[:, :2], strict=True))
    tasks.update(0.0, places)
    first, second = tasks.names
    taken, left = tasks.fleet.goal(first), tasks.left[second]
    tasks.left[second] += 1
    del tasks.open[second]  # it asks for the next one
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "_draw", lambda name: taken)
        tasks.update(0.1, places)
        assert second not in tasks.open and tasks.left[second] == left + 1
        assert first in tasks.refused[second]
    tasks.update(0.2, places)
    assert second in tasks.open and tasks.left[second] == left and not tasks.refused
