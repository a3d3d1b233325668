# SPDX-License-Identifier: Apache-2.0
import gymnasium
import numpy as np
import pytest

from reflexarc.core.errors import ConfigError
from reflexarc_sim.tasks import TASKS
from reflexarc_sim.tasks.collect import HeldInputs, collect


def test_every_task_of_the_suite_is_registered_once():
    assert len(TASKS) == len(set(TASKS)) == 12
    assert all(name in gymnasium.registry for name in TASKS)


def test_collected_rows_join_up_and_the_same_seed_gives_the_same_data():
    data = collect("reflexarc/PointGoal1-v0", 330, seed=0, copies=4)
    again = collect("reflexarc/PointGoal1-v0", 330, seed=0, copies=4)
    assert len(data) == 330 and np.array_equal(data.x, again.x) and np.array_equal(data.u, again.u)
    assert not np.array_equal(data.x, collect("reflexarc/PointGoal1-v0", 330, seed=1, copies=4).x)
    inside = ~data.last[:-1]
    assert np.array_equal(data.next_x[:-1][inside], data.x[1:][inside])
    assert np.array_equal(data.next_margin[:-1][inside], data.margin[1:][inside])
    assert data.last.sum() == 4 and np.allclose(data.dt, 0.02)
    assert not np.array_equal(data.x[82], data.x[83]), "the copies must not be the same episode"


def test_an_episode_that_ends_is_marked_and_the_next_one_begins_afresh():
    data = collect("reflexarc/HopperVelocity-v0", 400, seed=0, copies=2)
    ends = np.flatnonzero(data.terminal)
    assert len(ends) > 2 and data.last[ends].all()
    following = ends[ends < len(data) - 1] + 1
    assert np.allclose(data.margin[following], 0.7402), "a reset starts at rest"
    assert (data.margin != 0.7402).any()


def test_the_given_policy_drives():
    def push(observations, rng):
        return np.full((len(observations), 2), [1.0, -0.5])

    data = collect("reflexarc/PointCircle2-v0", 20, seed=0, policy=push, copies=2)
    assert (data.u == [1.0, -0.5]).all()


def test_collected_data_survive_the_way_to_the_disk_and_back(tmp_path):
    pytest.importorskip("h5py")
    from reflexarc.barrier.learn.dataset import load_dataset, save_dataset  # noqa: PLC0415 - needs the extra `learn`

    data = collect("reflexarc/Walker2dVelocity-v0", 200, seed=0, copies=2)
    save_dataset(data, tmp_path)
    back = load_dataset(tmp_path)
    assert back.system == data.system == "Walker2dVelocity"
    for name in ("x", "u", "next_x", "margin", "next_margin", "reward", "dt", "terminal", "last"):
        assert np.array_equal(getattr(back, name), getattr(data, name)), name


def test_recorded_inputs_replayed_give_the_recorded_states():
    data = collect("reflexarc/SwimmerVelocity-v0", 50, seed=3, copies=1)
    environment = gymnasium.make("reflexarc/SwimmerVelocity-v0")
    environment.reset(seed=int(np.random.default_rng(3).integers(2**31)))
    for u, after in zip(data.u, data.next_x, strict=True):
        assert np.array_equal(environment.step(u.astype(np.float32))[0], after)


def test_held_inputs_stay_and_change():
    policy = HeldInputs(gymnasium.spaces.Box(-1.0, 1.0, (2,)))
    rng = np.random.default_rng(0)
    inputs = np.array([policy(np.zeros((3, 5)), rng) for _ in range(200)])
    changed = (inputs[1:] != inputs[:-1]).any(axis=2).mean()
    assert 0.02 < changed < 0.5 and np.abs(inputs).max() <= 1.0


def test_what_cannot_be_recorded_is_refused():
    with pytest.raises(ConfigError, match="at least 1 step each"):
        collect("reflexarc/PointGoal1-v0", 3, seed=0, copies=4)
    with pytest.raises(ConfigError, match="gives no margin"):
        collect("Pendulum-v1", 10, seed=0, copies=1)
