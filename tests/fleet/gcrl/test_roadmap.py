# SPDX-License-Identifier: Apache-2.0
"""Roadmaps: coverage, pruning, report, cache; calibration on critics that are known; bad values."""

import dataclasses

import numpy as np
import pytest

from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.fleet.gcrl.calibration import conformal_bounds, coverage, report
from reflexarc.fleet.graph import roadmap as make_graph
from reflexarc.fleet.roadmap import (
    Edges,
    RoadmapOptions,
    connectivity,
    cover,
    directed_graph,
    draw_roadmap,
    merged,
    selected,
)
from reflexarc.fleet.roadmap_file import cached_roadmap, load_roadmap, roadmap_digest, save_roadmap

PLACES = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [2.0, 1.0], [9.0, 9.0]])
OPTIONS = RoadmapOptions(longest=1.6, dearest=1.0, doubt=0.5, degree=10)


def euclidean(starts, goals):
    """Members that agree on the distance; driving towards larger x is dear."""
    length = np.hypot(*(goals - starts).T)
    cost = 0.8 * np.maximum(goals[:, 0] - starts[:, 0], 0.0)
    return Edges(np.array([0.95 * length, 1.05 * length]), np.array([cost, 1.1 * cost]), length, 2.0 * cost)


def draw(options=OPTIONS, judge=euclidean, **more):
    return draw_roadmap(PLACES, judge, np.zeros(5), options, 0.5, "digest", **more)


def pairs(roadmap):
    return set(zip(roadmap.graph.tail.tolist(), roadmap.graph.head.tolist(), strict=True))


def test_edges_stay_where_the_ensemble_agrees_that_they_are_short_and_safe():
    r = draw()
    assert pairs(r) == {(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2), (1, 3), (3, 1)}
    assert r.graph.duration[0] == pytest.approx(0.5)
    assert r.risk.tolist()[:2] == pytest.approx([0.84, 0.0])
    assert r.risk_upper[0] == pytest.approx(0.88)
    assert r.risk_tail[0] == pytest.approx(1.6)
    assert (1, 2) not in pairs(draw(dataclasses.replace(OPTIONS, dearest=0.5)))
    assert (2, 1) in pairs(draw(dataclasses.replace(OPTIONS, dearest=0.5)))  # directed
    assert not pairs(draw(dataclasses.replace(OPTIONS, doubt=0.01)))
    assert (1, 3) not in pairs(draw(dataclasses.replace(OPTIONS, longest=1.4)))
    assert (1, 3) not in pairs(draw(corrections={"steps_above": 0.3}))
    assert (0, 1) not in pairs(draw(corrections={"cost_above": 0.2}))


def test_only_the_shortest_edges_of_a_vertex_are_kept():
    r, whole = draw(dataclasses.replace(OPTIONS, degree=1)), draw()
    assert np.diff(r.graph.first).tolist() == [1, 1, 1, 1, 0]
    for v in range(4):
        out = slice(whole.graph.first[v], whole.graph.first[v + 1])
        assert r.steps_upper[v] == whole.steps_upper[out].min()


def test_the_report_counts_components_and_pairs_without_way():
    found = connectivity(draw())
    assert found["vertices"] == 5 and found["edges"] == 8
    assert found["strong_components"] == 2 and found["largest_component"] == 4
    assert found["pairs_without_way"] == 8  # the lonely vertex, to and from four others
    assert found["no_way_out"] == found["no_way_in"] == 1


def test_coverage_is_a_spread_that_leaves_no_candidate_alone():
    rng = np.random.default_rng(0)
    candidates = rng.uniform(0.0, 5.0, (800, 2))
    chosen = candidates[cover(candidates, 1000, 0.7, lambda a, b: np.hypot(*(b - a).T))]
    gaps = np.hypot(*(chosen[:, None] - chosen[None]).transpose(2, 0, 1)) + 10.0 * np.eye(len(chosen))
    to_chosen = np.hypot(*(candidates[:, None] - chosen[None]).transpose(2, 0, 1)).min(axis=1)
    assert gaps.min() >= 0.7
    assert to_chosen.max() < 0.7
    assert len(cover(candidates, 7, 0.0, lambda a, b: np.hypot(*(b - a).T))) == 7


def test_the_fast_graph_equals_the_checked_one():
    r = draw()
    g = r.graph
    slow = make_graph(PLACES, zip(g.tail.tolist(), g.head.tolist(), g.duration.tolist(), strict=True))
    for name in ("first", "head", "duration", "back_first", "back_tail", "back_edge", "opposite"):
        np.testing.assert_array_equal(getattr(g, name), getattr(slow, name))
    with pytest.raises(ConfigError, match="sorted"):
        directed_graph(PLACES, np.array([1, 0]), np.array([0, 1]), np.ones(2))
    with pytest.raises(ConfigError, match="duration"):
        directed_graph(PLACES, np.array([0, 1]), np.array([1, 0]), np.array([1.0, np.nan]))


def test_selected_and_merged_keep_edges_and_their_arrays_together():
    r = draw()
    keep = r.risk > 0.0
    few, rest = selected(r, keep), selected(r, ~keep)
    assert (few.risk > 0.0).all() and few.graph.edges == keep.sum()
    whole = merged(few, rest)
    np.testing.assert_array_equal(whole.graph.head, r.graph.head)
    np.testing.assert_array_equal(whole.risk, r.risk)


@pytest.mark.parametrize("what", ["steps", "costs", "tail"])
def test_learned_values_that_are_not_finite_are_an_error(what):
    def judge(starts, goals):
        found = euclidean(starts, goals)
        values = getattr(found, what).copy()
        values[..., 3] = np.nan
        return dataclasses.replace(found, **{what: values})

    with pytest.raises(ConfigError, match="is not finite"):
        draw(judge=judge)


def test_the_cache_is_used_by_digest_and_survives_damage(tmp_path):
    made = []

    def make():
        made.append(1)
        return draw()

    digest = roadmap_digest("agent", OPTIONS)
    r = dataclasses.replace(make(), digest=digest)
    first = cached_roadmap(tmp_path, digest, lambda: (made.append(1), r)[1])
    again = cached_roadmap(tmp_path, digest, lambda: (made.append(1), r)[1])
    assert len(made) == 2
    np.testing.assert_array_equal(first.risk, again.risk)
    np.testing.assert_array_equal(first.graph.opposite, again.graph.opposite)
    path = next(tmp_path.glob("roadmap-*.safetensors"))
    path.write_bytes(b"broken")
    cached_roadmap(tmp_path, digest, lambda: (made.append(1), r)[1])
    assert len(made) == 3
    with pytest.raises(ModelError, match="expected other"):
        load_roadmap(path, "other")


def test_the_digest_depends_on_agent_options_and_corrections():
    options = dataclasses.replace(OPTIONS, spacing=0.9)
    names = {
        roadmap_digest("a", OPTIONS),
        roadmap_digest("b", OPTIONS),
        roadmap_digest("a", options),
        roadmap_digest("a", OPTIONS, {"steps_above": 0.5}),
    }
    assert len(names) == 4


def test_a_file_with_values_that_are_not_finite_is_refused(tmp_path):
    r = draw()
    path = tmp_path / "roadmap.safetensors"
    save_roadmap(dataclasses.replace(r, risk=np.full(r.graph.edges, np.nan)), path)
    with pytest.raises(ConfigError, match="risk"):
        load_roadmap(path)


def test_conformal_bounds_hold_on_a_critic_with_a_known_bias():
    rng = np.random.default_rng(0)
    true = rng.uniform(1.0, 15.0, 4000)
    steps = np.array([true - 1.0, true - 0.5]) + rng.normal(0.0, 0.4, (1, 4000))
    costs = np.array([0.5 * true, 0.5 * true])
    half = slice(0, 2000), slice(2000, None)
    bounds = conformal_bounds(steps[:, half[0]], costs[:, half[0]], true[half[0]], 0.5 * true[half[0]], 0.1)
    assert bounds.steps_above == pytest.approx(0.5 + 0.4 * 1.2816, abs=0.05)
    assert bounds.steps_below == pytest.approx(-1.0 + 0.4 * 1.2816, abs=0.05)
    assert bounds.cost_above == pytest.approx(0.0, abs=1e-9)
    held = coverage(bounds, steps[:, half[1]], costs[:, half[1]], true[half[1]], 0.5 * true[half[1]])
    assert 0.88 < held["steps_above"] < 0.92
    assert held["steps_above_uncorrected"] < 0.15


def test_rollouts_that_never_arrive_are_never_covered_cheaply():
    true = np.full(100, 5.0)
    true[:20] = np.inf
    bounds = conformal_bounds(np.full((2, 100), 5.0), np.ones((2, 100)), true, np.ones(100), 0.1)
    assert bounds.steps_above == np.inf and bounds.cost_above == np.inf
    with pytest.raises(ConfigError, match="not finite"):
        conformal_bounds(np.full((2, 100), np.nan), np.ones((2, 100)), true, np.ones(100))
    with pytest.raises(ConfigError, match="use more"):
        conformal_bounds(np.ones((2, 5)), np.ones((2, 5)), np.ones(5), np.ones(5))


def test_the_report_has_a_row_per_bin():
    least = np.array([2.0, 2.0, 5.0, 12.0])
    rows = report(
        np.array([[2.0, 3.0, 6.0, 12.0]]),
        np.zeros((1, 4)),
        np.array([2.0, 2.0, 5.0, np.inf]),
        np.zeros(4),
        least,
    )
    assert [row["pairs"] for row in rows] == [2, 1, 1]
    assert rows[0]["steps_bias"] == pytest.approx(0.5) and rows[0]["steps_error"] == pytest.approx(0.5)
    assert rows[2]["arrived"] == 0.0 and "steps_bias" not in rows[2]
