# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from tests.barrier.learn.small_problems import jump_data

from reflexarc.barrier.learn.cpq import train
from reflexarc.core.errors import ConfigError

SMALL = {
    "steps": 1500,
    "batch": 64,
    "hidden": (24, 24),
    "backup": 1,
    "gamma": 0.8,
    "polyak": 0.02,
    "cost_limit": 1.0,
    "episode": 10,
    "kl_weight": 0.02,
    "actor_rate": 2e-3,
    "critic_rate": 3e-3,
}
STATES = np.linspace(-0.9, 0.9, 7)[:, None]


def test_the_policy_takes_the_reward_up_to_the_failure_set_and_not_beyond():
    # The input is the next state; reward grows with it, above 0.3 lies the failure set.
    learned = train(jump_data(), 0, SMALL)
    inputs = learned.policy(STATES)
    assert (inputs < 0.32).all()
    # states outside the failure set; the policy started at 0, and only reward draws it towards the failure set
    assert inputs[STATES < 0.25].mean() > 0.08
    assert (learned.value(STATES[:4]) > 0.0).all() and (learned.value(STATES[5:]) < 0.0).all()


def test_the_push_on_unsupported_inputs_keeps_the_policy_within_the_data():
    # Nothing above -0.2 was ever tried, so no cost was ever seen; the reward's critic extrapolates upwards.
    data = jump_data(highest=-0.2, ends=True)
    data.margin[:] = data.next_margin[:] = 1.0
    pushed = train(data, 0, SMALL).policy(STATES)
    free = train(data, 0, {**SMALL, "first_multiplier": 0.0}).policy(STATES)
    assert (pushed < -0.1).all()
    assert free.mean() > 0.0


def test_a_bad_parameter_is_refused():
    with pytest.raises(ConfigError, match="0 <= cost_limit"):
        train(jump_data(100), 0, {"cost_limit": -1.0})
