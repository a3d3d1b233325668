# SPDX-License-Identifier: Apache-2.0
"""The route follower reaches its goal on an ideal unicycle, and its table of names is open."""

import math

import numpy as np
import pytest

from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.types import BaseState, Obstacles, Walls
from reflexarc.policies import make_policy
from reflexarc.policies.route_follower import RouteFollower

ROUTES = {
    "straight": [(0, 0), (15, 0)],
    "corner": [(0, 0), (6, 0), (6, 6)],
    "u_turn": [(0, 0), (5, 0), (5, 2), (0, 2)],
    "behind": [(0, 0), (-8, 0)],
}


def state_at(pose, now):
    return BaseState(now, "odom", np.array(pose), np.zeros(2), Obstacles.none(now), Walls.none())


def drive(policy, route, seconds=60.0, step=0.05):
    """Follow the route with an ideal unicycle; return the path (n, 3) and the proposals (n, 2)."""
    policy.reset(np.array(route, dtype=float))
    pose, path, proposals = np.zeros(3), [], []
    for k in range(int(seconds / step)):
        v, omega = policy.propose(state_at(pose, k * step), k * step).twist
        pose = pose + step * np.array([v * math.cos(pose[2]), v * math.sin(pose[2]), omega])
        path.append(pose)
        proposals.append((v, omega))
    return np.array(path), np.array(proposals)


@pytest.mark.parametrize("name", ROUTES)
def test_goal_is_reached_and_kept(name):
    path, proposals = drive(make_policy("route_follower"), ROUTES[name])
    assert np.hypot(*(path[-1, :2] - ROUTES[name][-1])) <= 0.35
    assert not proposals[-20:].any()


@pytest.mark.parametrize("name", ROUTES)
def test_proposals_keep_to_the_parameters(name):
    _, proposals = drive(make_policy("route_follower", {"cruise_speed_m_s": 0.8}), ROUTES[name])
    assert proposals[:, 0].min() >= 0.0 and proposals[:, 0].max() <= 0.8 + 1e-9
    assert np.abs(proposals[:, 1]).max() <= 1.0 + 1e-9


def test_straight_route_is_driven_at_cruise_speed_and_straight():
    path, proposals = drive(make_policy("route_follower"), ROUTES["straight"])
    assert proposals[:, 0].max() == pytest.approx(1.5)
    assert np.abs(path[:, 1]).max() < 1e-6


def test_without_a_route_it_stands():
    assert not make_policy("route_follower").propose(state_at((0, 0, 0), 0.0), 0.0).twist.any()


@pytest.mark.parametrize("route", [[(0, 0)], [(0, 0), (math.nan, 1)], [0.0, 1.0]])
def test_useless_route_is_refused(route):
    with pytest.raises(ValueError, match="two finite points"):
        make_policy("route_follower").reset(np.array(route))


def test_policy_by_import_path():
    policy = make_policy("reflexarc.policies.route_follower:RouteFollower", {"lookahead_m": 2.0})
    assert isinstance(policy, RouteFollower)
    assert policy.config.lookahead_m == 2.0


def test_unknown_policy_lists_those_that_exist():
    with pytest.raises(UnknownNameError, match="route_follower"):
        make_policy("rout_follower")


@pytest.mark.parametrize(
    "name", ["no.such.module:Policy", "reflexarc.policies.route_follower:Nothing", "math:pi"]
)
def test_policy_that_cannot_be_imported_says_why(name):
    with pytest.raises(ConfigError, match="cannot be imported"):
        make_policy(name)


def test_unknown_parameter_lists_those_that_exist():
    with pytest.raises(UnknownNameError, match="cruise_speed_m_s"):
        make_policy("route_follower", {"speed": 1.0})
