# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from reflexarc.barrier.learn.replay import discounted_share, longest_recording, replay
from reflexarc.barrier.learn.transitions import Transitions


def recordings() -> Transitions:
    """Three recordings of 4, 1 and 3 steps; the first ends for good."""
    rng = np.random.default_rng(0)
    count = 8
    last = np.isin(np.arange(count), [3, 4, 7])
    x, after = rng.normal(size=(count, 2)), rng.normal(size=(count, 2))
    margin, end = rng.normal(size=count), rng.normal(size=count)
    for k in range(count - 1):
        if not last[k]:
            after[k], end[k] = x[k + 1], margin[k + 1]
    return Transitions(
        x, rng.uniform(-2, 0, (count, 1)), after, margin, end, rng.normal(size=count), np.full(count, 0.1),
        np.arange(count) == 3, last, "small", ("a", "b"), ("u",), np.array([-2.0]), np.array([0.0]),
    )  # fmt: skip


@pytest.mark.parametrize("backup", [1, 2, 3, 10])
def test_rows_are_the_discounted_sums_over_the_recorded_steps(backup):
    data, gamma = recordings(), 0.9
    rows, scaling = replay(data, gamma, backup)
    for start in range(len(data)):
        reward = cost = 0.0
        least, k = np.inf, start
        for power in range(backup):
            reward += gamma**power * data.reward[k]
            cost += gamma**power * (data.margin[k] < 0)
            least = min(least, data.margin[k])
            if data.last[k] or power == backup - 1:
                break
            k += 1
        assert rows.reward[start] == pytest.approx(0.1 * reward, abs=1e-5)
        assert rows.cost[start] == pytest.approx(0.1 * cost, abs=1e-6)
        assert rows.least[start] == pytest.approx(least, abs=1e-6)
        assert rows.discount[start] == pytest.approx(gamma ** (k - start + 1), abs=1e-6)
        assert rows.end_margin[start] == pytest.approx(data.next_margin[k], abs=1e-6)
        assert rows.terminal[start] == data.terminal[k]
        assert np.asarray(rows.after[start]) * scaling.scale + scaling.centre == pytest.approx(
            data.next_x[k], abs=1e-5
        )


def test_inputs_and_states_are_scaled_to_the_unit_box_and_back():
    data = recordings()
    rows, scaling = replay(data, 0.9, 1)
    assert np.abs(rows.z).max() <= 1.0 + 1e-6 and np.abs(rows.after).max() <= 1.0 + 1e-6
    assert scaling.unscaled_input(rows.a) == pytest.approx(data.u, abs=1e-6)
    assert scaling.input(np.array([[-2.0], [-1.0], [0.0]]))[:, 0] == pytest.approx([-1.0, 0.0, 1.0])


def test_rewards_can_be_lifted_to_a_least_one():
    data = recordings()
    plain, lifted = (replay(data, 0.9, 1, least_reward=least)[0].reward for least in (None, 0.0))
    assert float(lifted.min()) == pytest.approx(0.0, abs=1e-7)
    assert np.ptp(np.asarray(lifted - plain)) == pytest.approx(0.0, abs=1e-6)


def test_the_longest_recording_and_the_share_of_a_limit():
    assert longest_recording(recordings()) == 4
    # spreading 10 costs over 50 steps of an episode, summed by hand
    by_hand = 0.01 * sum(0.99**t * 10 / 50 for t in range(50))
    assert discounted_share(10.0, 50, 0.99) == pytest.approx(by_hand)
