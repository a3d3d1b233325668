# SPDX-License-Identifier: Apache-2.0
"""Recorded transitions: composed steps, data sets on disk, DSRL files, and what is refused."""

import json

import h5py
import numpy as np
import pytest
from tests.barrier.learn.oracles import transitions

from reflexarc.barrier.learn.calibration import hold_out, level_shift
from reflexarc.barrier.learn.dataset import data_hash, load_dataset, save_dataset
from reflexarc.barrier.learn.dsrl import load_dsrl
from reflexarc.barrier.learn.generate import generate
from reflexarc.barrier.learn.transitions import compose
from reflexarc.core.errors import ConfigError
from reflexarc.robots.systems import SYSTEMS


@pytest.fixture(scope="module")
def boat():
    return generate(SYSTEMS["boat"], 3000, 1)


def test_generated_rows_follow_the_system_and_stay_within_the_bounds(boat):
    x, u = boat.x, boat.u
    rate = np.column_stack((u[:, 0] + 2.0 - 0.5 * x[:, 1] ** 2, u[:, 1]))
    assert boat.next_x == pytest.approx(x + 0.005 * rate, abs=2e-4)
    assert (np.linalg.norm(u, axis=1) <= 1.0 + 1e-9).all()
    hypot = np.hypot(x[:, 0] + 0.5, x[:, 1] - 0.5) - 0.4, np.hypot(x[:, 0] + 1.0, x[:, 1] + 1.2) - 0.5
    assert boat.margin == pytest.approx(np.minimum(*hypot), abs=1e-5)
    assert (boat.next_x[:-1] == boat.x[1:]).all(axis=1)[~boat.last[:-1]].all()


def test_the_same_seed_gives_the_same_data(boat):
    assert data_hash(generate(SYSTEMS["boat"], 3000, 1)) == data_hash(boat)
    assert data_hash(generate(SYSTEMS["boat"], 3000, 2)) != data_hash(boat)


def test_composed_steps_add_durations_and_stop_where_a_recording_ends():
    margin = [3.0, 1.0, 2.0, -1.0, 5.0]
    last = np.array([False, False, True, False, True])
    data = transitions(
        range(5), np.zeros(5), range(1, 6), margin, np.zeros(5), dt=[0.1, 0.2, 0.3, 0.4, 0.5], last=last
    )
    paths = compose(data, 3)
    assert paths.end.tolist() == [2, 2, 2, 4, 4]
    assert paths.least.tolist() == [1.0, 1.0, 2.0, -1.0, 5.0]
    assert paths.dt == pytest.approx([0.6, 0.5, 0.3, 0.9, 0.5])
    with pytest.raises(ConfigError, match="at least 1"):
        compose(data, 0)


def test_a_data_set_comes_back_bit_for_bit(boat, tmp_path):
    save_dataset(boat, tmp_path / "boat")
    again = load_dataset(tmp_path / "boat")
    assert data_hash(again) == data_hash(boat)
    assert (again.state, again.input, again.system) == (boat.state, boat.input, "boat")
    assert again.lower.tolist() == [-1.0, -1.0]
    with pytest.raises(ConfigError, match="already"):
        save_dataset(boat, tmp_path / "boat")


def test_minari_itself_reads_the_data_set(boat, tmp_path):
    minari = pytest.importorskip("minari")
    save_dataset(boat, tmp_path / "boat")
    reader = minari.MinariDataset(tmp_path / "boat" / "data")
    assert reader.total_steps == 3000
    assert reader.action_space.shape == (2,) and reader.observation_space.shape == (2,)
    row = 0
    for episode in reader.iterate_episodes():
        steps = len(episode.actions)
        assert episode.observations.shape == (steps + 1, 2)
        assert (episode.observations[:-1] == boat.x[row : row + steps]).all()
        assert (episode.infos["margin"][:-1] == boat.margin[row : row + steps]).all()
        assert (episode.infos["dt"] == 0.005).all()
        assert bool(episode.terminations[-1]) == bool(boat.terminal[row + steps - 1])
        row += steps
    assert row == 3000


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: f["episode_1"].__delitem__("infos"), "episode_1 has no infos/margin"),
        (
            lambda f: f["episode_0/actions"].__setitem__((4, 0), np.nan),
            "episode_0/actions is not finite in row 4",
        ),
        (lambda f: f.__delitem__("episode_2"), "episode_2 is missing"),
        (
            lambda f: (
                f["episode_0"].__delitem__("rewards"),
                f["episode_0"].create_dataset("rewards", data=[1.0]),
            ),
            "episode_0/rewards has shape",
        ),
    ],
)
def test_a_damaged_data_set_is_refused_by_key_and_row(boat, tmp_path, damage, words):
    save_dataset(boat, tmp_path / "boat")
    with h5py.File(tmp_path / "boat" / "data" / "main_data.hdf5", "a") as file:
        damage(file)
    with pytest.raises(ConfigError, match=words):
        load_dataset(tmp_path / "boat")


def test_a_data_set_of_another_format_is_refused(boat, tmp_path):
    save_dataset(boat, tmp_path / "boat")
    path = tmp_path / "boat" / "data" / "metadata.json"
    content = json.loads(path.read_text())
    content["reflexarc"]["format"] = "other"
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="'other'"):
        load_dataset(tmp_path / "boat")
    path.write_text("[")
    with pytest.raises(ConfigError, match="metadata.json"):
        load_dataset(tmp_path / "boat")


def dsrl_file(path, **changes):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(7, 3))
    content = {
        "observations": x[:6],
        "next_observations": x[1:7].copy(),
        "actions": rng.uniform(-1, 1, (6, 2)),
        "rewards": np.arange(6.0),
        "costs": np.array([0.0, 0.0, 1.0, 0.0, 0.0, 1.0]),
        "terminals": np.array([0, 0, 0, 0, 0, 1]),
        "timeouts": np.array([0, 0, 0, 1, 0, 0]),
    } | changes
    with h5py.File(path, "w") as file:
        for key, value in content.items():
            if value is not None:
                file[key] = value
    return path


def test_dsrl_costs_become_margins_and_recordings_end_where_they_break(tmp_path):
    data = load_dsrl(dsrl_file(tmp_path / "a.hdf5"), 0.05)
    assert data.margin.tolist() == [1.0, 1.0, -25.0, 1.0, 1.0, -25.0]
    assert data.next_margin.tolist() == [1.0, -25.0, 1.0, 1.0, -25.0, -25.0]
    assert data.last.tolist() == [False, False, False, True, False, True]
    assert data.terminal.tolist() == [False] * 5 + [True]
    assert set(data.dt) == {0.05}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"costs": None}, "lacks costs"),
        ({"rewards": np.array([0, 1, np.nan, 3, 4, 5.0])}, "rewards is not finite in row 2"),
        ({"actions": np.zeros((5, 2))}, r"actions has shape \(5, 2\)"),
        ({"next_observations": np.zeros((6, 4))}, "next_observations has shape"),
    ],
)
def test_a_bad_dsrl_file_is_refused_by_key_and_row(tmp_path, changes, words):
    with pytest.raises(ConfigError, match=words):
        load_dsrl(dsrl_file(tmp_path / "a.hdf5", **changes), 0.05)


def test_transitions_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="x is not finite in row 1"):
        transitions([0.0, np.nan], [0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0])
    with pytest.raises(ConfigError, match="dt is 0.0 s in row 1"):
        transitions([0.0, 1.0], [0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0], dt=[0.1, 0.0])
    with pytest.raises(ConfigError, match="margin has shape"):
        transitions([0.0, 1.0], [0.0, 0.0], [1.0, 1.0], [1.0], [1.0, 1.0])


def test_whole_episodes_are_held_out(boat):
    training, held = hold_out(boat, 0.3, 0)
    episode = np.concatenate(([0], np.cumsum(boat.last)[:-1]))
    assert not set(episode[training]) & set(episode[held])
    assert len(training) + len(held) == len(boat) and len(held)


def test_the_level_shift_covers_the_promised_share_of_new_states():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(300):
        excess = rng.exponential(size=1000)
        delta, share = level_shift(excess[:200], np.zeros(200), 0.05, 0.1)
        assert share == 0.05
        covered.append((excess[200:] > delta).mean())
    assert 0.044 < np.mean(covered) < 0.0505
    assert level_shift(np.array([0.3, -1.0]), np.zeros(2), 0.01, 0.1) == (0.3, pytest.approx(1 / 3))
    assert level_shift(np.array([0.9]), np.array([5.0]), 0.01, 0.1) == (0.0, 1.0)
