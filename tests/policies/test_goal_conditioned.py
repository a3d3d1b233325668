# SPDX-License-Identifier: Apache-2.0
"""The learned goal-conditioned policy drives the delivery robot, and refuses what it was not trained for."""

import numpy as np
import pytest

from reflexarc.core.errors import ConfigError, ModelError, UnknownNameError
from reflexarc.core.types import FIXED_FRAME, BaseState
from reflexarc.policies import make_policy

AGENT = {"agent": "fleet/delivery_center_dot/seed_0"}
HERE = (2.0, 2.0, 0.0)


def state(pose=HERE, twist=(0.0, 0.0)):
    return BaseState(0.0, FIXED_FRAME, np.array(pose), np.array(twist), None, None)


@pytest.fixture(scope="module")
def policy():
    return make_policy("goal_conditioned", AGENT)


def test_it_acts_once_per_period_as_its_agent_does(policy):
    goal = np.array([5.0, 3.0])
    policy.reset(np.array([HERE[:2], goal]))
    domain = policy.agent.domain
    action = policy.agent.act(np.array([[*HERE, 0.0, 0.0]]), goal[None])[0]
    wanted = np.asarray(domain.command(action))
    assert wanted[0] > 0.2  # the way is free
    assert np.allclose(policy.propose(state(), 10.0).twist, wanted)
    elsewhere = state((3.0, 4.0, 2.0), (0.5, 0.1))
    assert np.allclose(policy.propose(elsewhere, 10.4).twist, wanted)
    assert not np.allclose(policy.propose(elsewhere, 10.5).twist, wanted)
    later = policy.propose(elsewhere, 10.6).twist
    assert np.allclose(policy.propose(state(), 3.0).twist, wanted)  # time went back: a new run
    policy.reset(goal[None])
    assert np.allclose(policy.propose(elsewhere, 3.1).twist, later)


@pytest.mark.parametrize(
    "pose", [(4.8, 3.1, 0.0), (-0.1, 5.0, 0.0), (5.0, 15.1, 0.0), (np.nan, 5.0, 0.0), (5.0, 5.0, np.inf)]
)
def test_it_proposes_zero_at_its_goal_and_where_it_knows_nothing(policy, pose):
    policy.reset(np.array([[5.0, 3.0]]))
    assert not policy.propose(state(pose), 0.0).twist.any()


def test_it_proposes_zero_without_a_goal():
    assert not make_policy("goal_conditioned", AGENT).propose(state(), 0.0).twist.any()


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        ({"agent": "fleet/nowhere"}, ModelError, "nowhere.*not readable"),
        ({"agent": "fleet/center_dot/seed_0"}, ConfigError, "PointDomain.*delivery"),
        ({**AGENT, "stage": "third"}, ConfigError, "third.*constrained"),
        ({"speed": 1.0}, UnknownNameError, "speed"),
    ],
)
def test_what_it_cannot_use_is_an_error(parameters, error, words):
    with pytest.raises(error, match=words):
        make_policy("goal_conditioned", parameters)


@pytest.mark.parametrize("route", [np.zeros((0, 2)), np.array([[np.nan, 1.0]]), np.zeros(2)])
def test_bad_routes_are_refused(policy, route):
    with pytest.raises(ValueError, match="finite point"):
        policy.reset(route)
