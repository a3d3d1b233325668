# SPDX-License-Identifier: Apache-2.0
"""The trained agent of the central-obstacle map: its predictions, its roadmap, its edges driven in their tubes."""

import dataclasses
from pathlib import Path

import equinox as eqx
import numpy as np
import pytest

from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.fleet.gcrl.agent import load_agent
from reflexarc.fleet.gcrl.calibration import conformal_bounds, coverage
from reflexarc.fleet.gcrl.follow import drive_edges, step_team
from reflexarc.fleet.gcrl.mapping import attached, free_places, learned_roadmap
from reflexarc.fleet.gcrl.rollout import roll_out
from reflexarc.fleet.roadmap import RoadmapOptions, connectivity
from reflexarc.fleet.roadmap_space_time import point_distance

WEIGHTS = Path(__file__).resolve().parents[3] / "models/fleet/center_dot/seed_0/unconstrained.safetensors"
OPTIONS = RoadmapOptions(vertices=50, spacing=1.8, candidates=400, longest=4.5, doubt=1.5)


@pytest.fixture(scope="module")
def agent():
    return load_agent(WEIGHTS)


@pytest.fixture(scope="module")
def roadmap(agent):
    return learned_roadmap(agent, OPTIONS)


def broken(agent):
    """The agent with one weight that is not a number."""
    weight = agent.networks.cost.last.weight.at[0, 0, 0].set(np.nan)
    return dataclasses.replace(
        agent, networks=eqx.tree_at(lambda n: n.cost.last.weight, agent.networks, weight)
    )


def nudged(agent):
    """The agent after the smallest change of one weight."""
    bias = agent.networks.actor.mlp.layers[0].bias
    networks = eqx.tree_at(lambda n: n.actor.mlp.layers[0].bias, agent.networks, bias.at[0].add(1e-3))
    return dataclasses.replace(agent, networks=networks)


def test_predictions_of_short_ways_are_those_of_roll_outs(agent):
    starts, goals = free_places(agent, 400, 1), free_places(agent, 400, 2)
    steps, costs = agent.expected(starts, goals)
    short = steps.max(axis=0) < 5.0
    found = roll_out(agent, starts, goals, 60)
    assert short.sum() > 80 and found.success[short].mean() > 0.97
    arrived = short & found.success
    assert np.abs(steps.mean(axis=0) - found.steps)[arrived].mean() < 0.5
    assert np.abs(costs.mean(axis=0) - found.cost)[arrived].mean() < 0.5
    half = np.flatnonzero(short)[::2], np.flatnonzero(short)[1::2]
    parts = [(steps[:, i], costs[:, i], found.steps[i], found.cost[i]) for i in half]
    held = coverage(conformal_bounds(*parts[0], alpha=0.2), *parts[1])
    assert min(held["steps_above"], held["cost_above"]) > 0.65  # 0.8 but for chance


def test_the_roadmap_is_connected_and_its_edges_can_be_driven(agent, roadmap):
    report = connectivity(roadmap)
    assert report["strong_components"] == 1 and report["pairs_without_way"] == 0
    g = roadmap.graph
    driven = drive_edges(agent, g.positions[g.tail], g.positions[g.head], 0.1, 12)
    assert np.isfinite(driven.steps).mean() > 0.97
    error = np.where(np.isfinite(driven.steps), driven.steps, 12.0) - g.duration / roadmap.period
    assert np.abs(error).mean() < 1.0


def test_a_wall_at_which_a_point_slides_leads_nobody_out_of_its_tube(agent):
    # this robot slid along the wall of the obstacle and met another half a metre beside its edge
    u, v = np.array([[8.181, 9.0], [8.9, 5.5]]), np.array([[10.166, 7.572], [9.5, 5.5]])
    x = np.array([[8.276, 9.007], [8.9, 5.5]])
    for _ in range(12):
        moves = step_team(agent, x, u, v, np.ones(2, dtype=int), 0.1)
        for k in range(2):
            assert max(point_distance(*p, *u[k], *v[k]) for p in moves.ways[k]) <= 0.1 + 1e-6
        x = moves.states
    # the edge of the first leads through the wall, that of the second does not
    assert np.hypot(*(x[0] - v[0])) > 1.0 and np.hypot(*(x[1] - v[1])) <= 0.1
    assert np.isfinite(drive_edges(agent, u, v, 0.1, 12).steps).tolist() == [False, True]


def test_the_cache_is_named_by_the_agent(agent, roadmap, tmp_path):
    folder = tmp_path / "cache"
    first = learned_roadmap(agent, OPTIONS, cache=folder)
    assert [p.name for p in folder.iterdir()] == [f"roadmap-{roadmap.digest}.safetensors"]
    again = learned_roadmap(agent, OPTIONS, cache=folder)
    np.testing.assert_array_equal(first.risk, again.risk)
    assert first.digest != learned_roadmap(nudged(agent), OPTIONS).digest


def test_starts_and_goals_are_attached_or_named(agent, roadmap):
    starts, goals = np.array([[2.0, 2.0], [12.0, 3.0]]), np.array([[12.5, 12.0], [3.0, 11.0]])
    whole, first, last = attached(roadmap, agent, starts, goals, OPTIONS)
    n = roadmap.graph.vertices
    assert first == [n, n + 1] and last == [n + 2, n + 3]
    g = whole.graph
    assert not np.isin(g.head, first).any() and not np.isin(g.tail, last).any()
    assert whole.graph.edges > roadmap.graph.edges
    with pytest.raises(ConfigError, match="agent 0: its start"):
        attached(roadmap, agent, starts, goals, dataclasses.replace(OPTIONS, longest=0.2))


def test_weights_that_are_not_finite_end_in_an_error(agent, tmp_path):
    bad = broken(agent)
    with pytest.raises(ConfigError, match="learned cost .* is not finite"):
        learned_roadmap(bad, OPTIONS)
    bad.save(tmp_path / "bad.safetensors")
    with pytest.raises(ModelError, match="not finite"):
        load_agent(tmp_path / "bad.safetensors")


def test_actions_are_within_their_bounds(agent):
    actions = agent.act(free_places(agent, 64, 3), free_places(agent, 64, 4))
    assert actions.shape == (64, 2) and np.abs(actions).max() <= 1.0
