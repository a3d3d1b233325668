# SPDX-License-Identifier: Apache-2.0
import cmath
import math
import re

import gymnasium
import mujoco
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import reflexarc_sim.tasks  # noqa: F401 - registers
from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc_sim.tasks.arena import VASE_SIZE
from reflexarc_sim.tasks.layout import Kind, sample_layout, sample_place
from reflexarc_sim.tasks.lidar import bearing_lidar
from reflexarc_sim.tasks.navigation import CircleTask, GoalTask

NAVIGATION = {
    "reflexarc/PointGoal1-v0": (60, 0.02, 1000),
    "reflexarc/PointGoal2-v0": (60, 0.02, 1000),
    "reflexarc/CarGoal1-v0": (72, 0.04, 1000),
    "reflexarc/CarGoal2-v0": (72, 0.04, 1000),
    "reflexarc/PointCircle1-v0": (28, 0.02, 500),
    "reflexarc/PointCircle2-v0": (28, 0.02, 500),
}


@pytest.mark.parametrize("name", NAVIGATION)
@pytest.mark.filterwarnings("ignore:.*WARN.*")
def test_a_navigation_task_passes_gymnasiums_own_check_and_has_the_original_sizes(name):
    size, period, steps = NAVIGATION[name]
    environment = gymnasium.make(name)
    check_env(environment.unwrapped, skip_render_check=True)
    assert environment.observation_space.shape == (size,)
    assert environment.action_space == gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float64)
    assert environment.unwrapped.period == pytest.approx(period)
    assert environment.spec is not None and environment.spec.max_episode_steps == steps


@pytest.mark.parametrize("name", NAVIGATION)
def test_the_same_seed_and_actions_give_the_same_episode_and_another_seed_another(name):
    def episode(seed):
        environment = gymnasium.make(name)
        observation, _ = environment.reset(seed=seed)
        environment.action_space.seed(1)
        rows = [observation]
        for _ in range(40):
            observation, reward, _, _, info = environment.step(environment.action_space.sample())
            rows.append(np.append(observation, [reward, info["cost"], info["margin"]]))
        return np.concatenate(rows)

    assert np.array_equal(episode(3), episode(3))
    assert not np.array_equal(episode(3), episode(4))


def test_an_episode_is_truncated_at_its_length_and_not_terminated():
    environment = gymnasium.make("reflexarc/PointCircle1-v0")
    environment.reset(seed=0)
    ends = [environment.step(np.zeros(2))[2:4] for _ in range(500)]
    assert ends[-1] == (False, True)
    assert not any(terminated or truncated for terminated, truncated in ends[:-1])


def _on_the_spot(task: GoalTask, place):
    """Put the robot at rest somewhere and let the task judge it there, after one step without input."""
    vases = [((3.0, 3.0 - 0.3 * k), 0.0) for k in range(len(task.arena.vases))]
    task.arena.place(tuple(place), 0.0, vases)
    return task.step(np.zeros(2))[4]


@pytest.mark.parametrize(("inside", "cost"), [(1e-4, 1.0), (-1e-4, 0.0)])
def test_a_hazard_costs_within_its_radius_of_20_cm_and_not_beyond(inside, cost):
    task = GoalTask("Point", 1)
    task.reset(seed=5)
    loneliest = max(task.hazards, key=lambda h: np.sort(np.linalg.norm(task.hazards - h, axis=1))[1])
    away = loneliest - np.mean(np.delete(task.hazards, np.all(task.hazards == loneliest, axis=1), 0), axis=0)
    info = _on_the_spot(task, loneliest + away / np.linalg.norm(away) * (0.2 - inside))
    assert info["cost"] == info["cost_hazards"] == cost
    assert info["margin"] == pytest.approx(-inside, abs=2e-5)


@pytest.mark.parametrize("robot", ["Point", "Car"])
@pytest.mark.parametrize("level", [1, 2])
def test_the_margin_is_negative_exactly_where_there_is_a_cost(robot, level):
    task = GoalTask(robot, level)
    rng = np.random.default_rng(0)
    seen = set()
    for seed in range(3):
        task.reset(seed=seed)
        for step in range(250):
            if step % 25 == 0:  # drive at a hazard or, at level 2, at a vase
                targets = np.concatenate([task.hazards, task.arena.vases])
                target = targets[rng.integers(len(targets))]
                shift = rng.uniform(-0.35, 0.35, 2)
                vases = [(tuple(v), 0.0) for v in task.arena.vases]
                task.arena.place(tuple(target + shift), rng.uniform(0, 6), vases)
            info = task.step(np.array([1.0, 0.0]))[4]
            assert (info["margin"] < 0.0) == (info["cost"] == 1.0)
            seen.add(info["cost"])
    assert seen == {0.0, 1.0}


def test_a_vase_costs_at_level_2_when_touched_and_is_free_at_level_1():
    for level, expected in ((1, 0.0), (2, 1.0)):
        task = GoalTask("Point", level)
        task.reset(seed=0)
        spot = np.array([3.2, 0.0])  # no hazard is that far out
        others = [((-3.2, 3.0 - 0.3 * k), 0.0) for k in range(len(task.arena.vases) - 1)]
        task.arena.place(tuple(spot), math.pi, [((2.6, 0.0), 0.0), *others])
        quiet = task.step(np.zeros(2))[4]
        assert quiet["cost"] == 0.0
        costs = []
        while task.arena.vases[0, 0] > 2.5 and len(costs) < 200:
            costs.append(task.step(np.array([1.0, 0.0]))[4]["cost"])
        assert task.arena.vases[0, 0] <= 2.5, "the robot never pushed the vase"
        assert max(costs) == expected


def test_the_distance_to_a_vase_is_that_of_the_hulls():
    task = GoalTask("Point", 2)
    task.reset(seed=0)
    others = [((-3.2, 3.0 - 0.3 * k), 0.0) for k in range(9)]
    for gap in (0.4, 0.05, 0.001):
        # heading 0: the nose, a box, ends 15 cm ahead of the frame
        task.arena.place((2.0, 0.0), 0.0, [((2.0 + 0.15 + gap + VASE_SIZE, 0.0), 0.0), *others])
        assert task.arena.vase_distance() == pytest.approx(gap, abs=1e-4)


def test_resting_vases_cost_nothing():
    task = GoalTask("Point", 2)
    task.reset(seed=1)
    assert all(task.step(np.zeros(2))[4]["cost"] == 0.0 for _ in range(200))


def test_reaching_the_goal_pays_and_moves_it_to_a_free_place():
    task = GoalTask("Point", 1)
    moved = 0
    for seed in range(15):
        task.reset(seed=seed)
        old = task.goal.copy()
        vases = [(tuple(v), 0.0) for v in task.arena.vases]
        task.arena.place((old[0] + 0.31, old[1]), math.pi, vases)  # one centimetre outside
        for _ in range(100):
            _, reward, terminated, _, info = task.step(np.array([1.0, 0.0]))
            if info["goal_met"]:
                break
        assert info["goal_met"] and not terminated
        assert 1.0 < reward < 1.1
        assert not np.array_equal(task.goal, old)
        assert np.abs(task.goal).max() <= 1.5 - 0.305
        assert np.linalg.norm(task.hazards - task.goal, axis=1).min() >= 0.18 + 0.305
        assert np.linalg.norm(task.arena.position - task.goal) >= 0.4 + 0.305
        # the next step is paid towards the new goal, not for the jump
        assert abs(task.step(np.zeros(2))[1]) < 0.05
        moved += 1
    assert moved == 15


def test_the_episode_terminates_when_no_place_is_left_for_a_goal(monkeypatch):
    task = GoalTask("Point", 1)
    task.reset(seed=0)
    monkeypatch.setattr("reflexarc_sim.tasks.navigation.sample_place", lambda *a, **k: None)
    task.arena.place(tuple(task.goal), 0.0, [((3.0, 3.0), 0.0)])
    _, _, terminated, _, info = task.step(np.zeros(2))
    assert info["goal_met"] and terminated


def test_the_reward_is_the_way_gained_towards_the_goal():
    task = GoalTask("Car", 1)
    task.reset(seed=2)
    goal, start = task.goal.copy(), math.dist(task.arena.position, task.goal)
    total = 0.0
    for _ in range(100):
        _, reward, _, _, info = task.step(np.array([1.0, 0.8]))
        assert not info["goal_met"]
        total += reward
    assert total == pytest.approx(start - math.dist(task.arena.position, goal), abs=1e-9)
    assert abs(total) > 0.05


@pytest.mark.parametrize("level", [1, 2])
def test_layouts_respect_extents_and_keepouts(level):
    extent, hazards, vases = {1: (1.5, 8, 1), 2: (2.0, 10, 10)}[level]
    task = GoalTask("Point", level)
    for seed in range(10):
        task.reset(seed=seed)
        things = [(task.arena.position, 0.4), (task.goal, 0.305)]
        things += [(h, 0.18) for h in task.hazards] + [(v, 0.15) for v in task.arena.vases]
        assert len(task.hazards) == hazards and len(task.arena.vases) == vases
        for i, (place, keepout) in enumerate(things):
            assert np.abs(place).max() <= extent - keepout + 1e-9
            for other, apart in things[:i]:
                assert np.linalg.norm(place - other) >= keepout + apart - 1e-9


@pytest.mark.parametrize(
    ("level", "place", "cost"),
    [
        (1, (1.1249, 0.0), 0.0),
        (1, (1.1251, 0.0), 1.0),
        (1, (-1.1251, 0.0), 1.0),
        (1, (0.0, 1.3), 0.0),
        (2, (0.0, 1.1249), 0.0),
        (2, (0.0, 1.1251), 1.0),
        (2, (0.3, -1.1251), 1.0),
        (2, (1.1251, 0.0), 1.0),
    ],
)
def test_the_walls_of_circle_stand_at_1125_mm_two_at_level_1_and_four_at_level_2(level, place, cost):
    task = CircleTask("Point", level)
    task.reset(seed=0)
    task.arena.place(place, 0.0, [])
    info = task.step(np.zeros(2))[4]
    assert info["cost"] == cost
    walls = [abs(place[0])] if level == 1 else [abs(place[0]), abs(place[1])]
    assert info["margin"] == pytest.approx(1.125 - max(walls), abs=1e-5)


def test_circle_pays_for_going_round_counter_clockwise_near_the_line():
    rewards = {}
    for x, direction in ((1.0, 1), (1.0, -1), (0.5, 1)):
        task = CircleTask("Point", 1)
        task.reset(seed=0)
        task.arena.place((x, 0.0), direction * math.pi / 2, [])
        for _ in range(20):
            before = task.arena.position
            _, reward, _, _, _ = task.step(np.array([1.0, 0.0]))
        (px, py), (u, v) = task.arena.position, (task.arena.position - before) / 0.02
        rewards[x, direction] = reward
        # velocity by differences of the place lags by half a step, hence the tolerance
        expected = 0.1 * (v * px - u * py) / math.hypot(px, py) / (1.0 + abs(math.hypot(px, py) - 1.5))
        assert reward == pytest.approx(expected, rel=0.05)
    assert rewards[1.0, 1] > rewards[0.5, 1] > 0.0 > rewards[1.0, -1]


def test_the_lidar_reads_the_bins_by_bearing_and_closeness():
    def by_definition(places, reach, bins=16):
        # an independent reading: complex numbers, one bin at a time
        readings = [0.0] * bins
        for x, y in places:
            z = complex(x, y)
            near = max(0.0, 1.0 - abs(z) / reach)
            turn = (cmath.phase(z) / (2 * math.pi)) % 1.0 * bins
            for k in range(bins):
                ahead = (k - math.floor(turn)) % bins
                weight = {0: 1.0, 1: turn % 1.0, bins - 1: 1.0 - turn % 1.0}.get(ahead, 0.0)
                readings[k] = max(readings[k], weight * near)
        return readings

    rng = np.random.default_rng(0)
    for count in (1, 3, 10):
        places = rng.uniform(-3.0, 3.0, (count, 2))
        assert bearing_lidar(places, 3.0) == pytest.approx(by_definition(places, 3.0))
    assert not bearing_lidar(np.array([[3.1, 0.0]]), 3.0).any()
    assert bearing_lidar(np.array([[1.0, 1e-9]]), 2.0)[[0, 1, 15]] == pytest.approx([0.5, 0.0, 0.5], abs=1e-6)
    assert bearing_lidar(np.array([[1.0, -1e-18]]), 2.0).max() <= 1.0


@pytest.mark.parametrize("robot", ["Point", "Car"])
def test_the_lidar_turns_with_the_robot(robot):
    task = GoalTask(robot, 1)
    task.reset(seed=0)
    task.arena.place((0.0, 0.0), 0.0, [((3.0, 3.0), 0.0)])
    straight = task.arena.seen_from_robot(np.array([[1.0, 0.0]]))[0]
    task.arena.place((0.0, 0.0), math.pi / 2, [((3.0, 3.0), 0.0)])
    turned = task.arena.seen_from_robot(np.array([[1.0, 0.0]]))[0]
    assert straight == pytest.approx([1.0, 0.0], abs=1e-9)
    assert turned == pytest.approx([0.0, -1.0], abs=1e-9)


def test_the_point_drives_along_its_nose_and_turns_left_with_a_positive_input():
    task = GoalTask("Point", 1)
    task.reset(seed=0)
    task.arena.place((0.0, 0.0), math.pi / 2, [((3.0, 3.0), 0.0)])
    for _ in range(50):
        task.step(np.array([1.0, 0.0]))
    x, y = task.arena.position
    assert y > 0.1 and abs(x) < 0.01 * y
    task.arena.place((0.0, 0.0), 0.0, [((3.0, 3.0), 0.0)])
    for _ in range(20):
        task.step(np.array([0.0, 1.0]))
    assert task.arena.seen_from_robot(np.array([[1.0, 0.0]]))[0, 1] < -0.05


def test_the_robots_weigh_what_their_volumes_and_densities_say():
    # independent of the compiler: volumes by hand, in m^3
    point = 4 / 3 * math.pi * 0.1**3 + 0.1**3
    boxes = 8 * (
        0.1 * 0.1 * 0.05 + 0.1 * 0.01 * 0.05 + 0.01 * 0.025 * 0.03 + 0.05 * 0.01 * 0.05 + 0.05 * 0.03 * 0.01
    )
    wheels, ball = 2 * math.pi * 0.05**2 * 0.05, 4 / 3 * math.pi * 0.05**3
    for robot, mass in (("Point", point), ("Car", 5.0 * (boxes + wheels + ball))):
        model = GoalTask(robot, 1).model
        body = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, "robot")
        assert model.body_subtreemass[body] == pytest.approx(mass, rel=1e-9)


def test_the_cars_observation_ends_its_sensors_with_a_rotation_matrix():
    task = GoalTask("Car", 1)
    task.reset(seed=0)
    for _ in range(30):
        observation = task.step(np.array([1.0, -1.0]))[0]
    matrix = observation[15:24].reshape(3, 3)
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-9)
    assert np.abs(matrix - np.eye(3)).max() > 1e-3


def test_bad_names_and_actions_are_refused_with_what_is_allowed():
    with pytest.raises(UnknownNameError, match="Car, Point"):
        GoalTask("Doggo", 1)
    with pytest.raises(UnknownNameError, match="allowed: 1, 2"):
        CircleTask("Point", 3)
    with pytest.raises(UnknownNameError, match="rgb_array"):
        GoalTask("Point", 1, render_mode="human")
    task = GoalTask("Point", 1)
    task.reset(seed=0)
    for action in (np.zeros(3), np.array([0.0, np.nan])):
        with pytest.raises(ValueError, match=re.escape("2 finite numbers")):
            task.step(action)


def test_a_layout_without_room_is_an_error_that_says_so(monkeypatch):
    monkeypatch.setattr("reflexarc_sim.tasks.layout.LAYOUTS", 20)
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="9 stones with keepout"):
        sample_layout({"stones": Kind(9, 0.5, 1.0)}, rng)
    with pytest.raises(ConfigError, match="does not fit"):
        sample_layout({"stones": Kind(1, 1.5, 1.0)}, rng)
    assert sample_place(Kind(1, 0.5, 1.0), [((0.0, 0.0), 1.0)], rng, 50) is None


@pytest.mark.render
def test_pictures_show_the_arena():
    task = GoalTask("Point", 1, render_mode="rgb_array")
    task.reset(seed=0)
    picture = task.render()
    assert picture is not None and picture.shape == (256, 256, 3) and picture.std() > 5
    task.close()
