# SPDX-License-Identifier: Apache-2.0
import importlib.util
import math
import sys
import types

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import reflexarc_sim.tasks  # noqa: F401 - registers
from reflexarc.core.errors import UnknownNameError
from reflexarc_sim.tasks.velocity import VelocityTask

# robot -> limit [m/s], observations, inputs, period [s], whether the limit holds for the planar speed
TABLE = {
    "Ant": (2.6222, 27, 8, 0.05, True),
    "HalfCheetah": (3.2096, 17, 6, 0.05, False),
    "Hopper": (0.7402, 11, 3, 0.008, False),
    "Swimmer": (0.2282, 8, 2, 0.04, True),
    "Walker2d": (2.3415, 17, 6, 0.008, False),
    "Humanoid": (1.4149, 376, 17, 0.015, True),
}


@pytest.mark.parametrize("robot", TABLE)
@pytest.mark.filterwarnings("ignore:.*WARN.*")
def test_a_velocity_task_passes_gymnasiums_own_check_and_has_the_original_sizes(robot):
    limit, size, inputs, period, _ = TABLE[robot]
    environment = gymnasium.make(f"reflexarc/{robot}Velocity-v0")
    check_env(environment.unwrapped, skip_render_check=True)
    assert environment.observation_space.shape == (size,)
    assert environment.action_space.shape == (inputs,)
    assert environment.unwrapped.period == pytest.approx(period)
    assert environment.spec is not None and environment.spec.max_episode_steps == 1000
    assert environment.reset(seed=0)[1] == {"cost": 0.0, "margin": limit}


def _episode(task, steps=12):
    task.reset(seed=1)
    task.action_space.seed(1)
    return [task.step(task.action_space.sample()) for _ in range(steps)]


@pytest.mark.parametrize("robot", TABLE)
def test_the_same_seed_and_actions_give_the_same_episode(robot):
    first, second = _episode(VelocityTask(robot)), _episode(VelocityTask(robot))
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a[0], b[0]) and a[1:] == b[1:]


@pytest.mark.parametrize("robot", TABLE)
def test_speed_at_the_limit_is_free_and_the_next_number_above_costs(robot):
    # The same episode again, with the limit moved onto, and just below, the speed that it reached.
    limit, _, _, _, planar = TABLE[robot]
    task = VelocityTask(robot)
    infos = [row[4] for row in _episode(task)]
    speeds = [math.hypot(i["x_velocity"], i["y_velocity"]) if planar else i["x_velocity"] for i in infos]
    for info, speed in zip(infos, speeds, strict=True):
        assert info["cost"] == float(speed > limit)
        assert info["margin"] == pytest.approx(limit - speed, abs=1e-12)
    fastest = int(np.argmax(speeds))
    reached = max(speeds)
    for threshold, cost in ((reached, 0.0), (np.nextafter(reached, -np.inf), 1.0)):
        task.runner = task.runner._replace(limit=threshold)
        assert _episode(task)[fastest][4]["cost"] == cost


@pytest.mark.parametrize("robot", TABLE)
@pytest.mark.filterwarnings("ignore")
def test_observation_reward_and_end_are_those_of_gymnasiums_own_environment(robot, monkeypatch):
    # Gymnasium's class needs imageio only to save pictures; where it is missing, an empty module stands in.
    if importlib.util.find_spec("imageio") is None:
        monkeypatch.setitem(sys.modules, "imageio", types.ModuleType("imageio"))
    original = gymnasium.make(f"{robot}-v4")
    ours = gymnasium.make(f"reflexarc/{robot}Velocity-v0")
    ends = 0
    for seed in range(2):
        theirs, _ = original.reset(seed=seed)
        observation, _ = ours.reset(seed=seed)
        assert np.array_equal(theirs, observation)
        original.action_space.seed(seed)
        for _ in range(80):
            action = original.action_space.sample()
            expected, got = original.step(action), ours.step(action)
            # they square the input in single precision, we in double
            assert got[0] == pytest.approx(expected[0], abs=1e-9)
            assert got[1] == pytest.approx(expected[1], abs=1e-6)
            assert got[2] == expected[2]
            if "x_velocity" in expected[4]:
                assert got[4]["x_velocity"] == pytest.approx(expected[4]["x_velocity"], abs=1e-9)
            if expected[2]:
                ends += 1
                break
    if robot in ("Hopper", "Walker2d", "Humanoid"):
        assert ends == 2, "random inputs should have thrown it over"


def test_an_unknown_robot_is_refused_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="Ant, HalfCheetah, Hopper, Humanoid, Swimmer, Walker2d"):
        VelocityTask("Doggo")
