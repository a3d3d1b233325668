# SPDX-License-Identifier: Apache-2.0
"""Edges of the monitors that warn: which plans can be judged, which chains can be learned, what their file says."""

import json
import math

import numpy as np
import pytest

from reflexarc.assurance.monitors import drift, drift_file
from reflexarc.assurance.monitors.drift import Bins, DriftModel, DriftMonitor, Feature, Run, count_transitions
from reflexarc.assurance.monitors.drift_file import read_drift, write_drift
from reflexarc.assurance.monitors.entropy import THRESHOLD, EntropyMonitor, cluster_entropy, lateral_anchors
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.core.types import Mode

# Anchors and plans.

TIME = np.linspace(0.1, 4.0, 40)
ANCHORS = lateral_anchors(2.0, TIME)


def test_the_thresholds_are_those_of_the_paper_with_a_margin_and_a_dwell():
    assert THRESHOLD == pytest.approx(0.5 * math.log(5.0))
    switch = EntropyMonitor(ANCHORS)._switch
    assert (switch.on, switch.off, switch.dwell) == (THRESHOLD, 0.8 * THRESHOLD, 1.0)


@pytest.mark.parametrize("time", [[2.0], [0.0, 2.0], [0.0, 1e-6, 3.0]])
def test_an_anchor_may_have_one_way_point_and_may_begin_now(time):
    found = lateral_anchors(2.0, np.array(time), (0.5, 0.0))
    assert found.shape == (2, len(time), 2)
    assert found[0, -1, 1] == pytest.approx(0.5)
    assert found[1] == pytest.approx(np.column_stack((2.0 * np.array(time), np.zeros(len(time)))))


@pytest.mark.parametrize(
    "time",
    [[], [[1.0, 2.0]], [0.0], [-0.1, 1.0], [1.0, 1.0], [2.0, 1.0], [1.0, math.nan], [1.0, math.inf], 3.0],
)
@pytest.mark.parametrize("speed", [2.0])
def test_times_of_an_anchor_increase_from_now_on(time, speed):
    with pytest.raises(ConfigError, match="anchors need a positive speed"):
        lateral_anchors(speed, np.array(time), (0.0,))


@pytest.mark.parametrize("speed", [0.0, -2.0, math.nan, math.inf])
def test_an_anchor_has_a_speed(speed):
    with pytest.raises(ConfigError, match="anchors need a positive speed"):
        lateral_anchors(speed, np.array([1.0, 2.0]), (0.0,))


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.6, 0.7, 0.72])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_an_arc_ends_where_it_should_to_the_last_digits(share, sign):
    arc = lateral_anchors(2.0, TIME, (sign * share * 8.0,))[0]
    assert arc[-1, 1] == pytest.approx(sign * share * 8.0, abs=1e-12)
    assert arc[-1, 0] > 0.0
    k = 2.0 * arc[-1, 1] / (arc[-1] @ arc[-1])
    assert arc == pytest.approx(
        np.column_stack((np.sin(k * 2.0 * TIME), 1.0 - np.cos(k * 2.0 * TIME))) / k, abs=1e-9
    )


@pytest.mark.parametrize("share", [0.721, -0.721, 0.9, -2.0])
def test_an_arc_cannot_end_farther_aside_than_it_is_long(share):
    with pytest.raises(ConfigError, match="an arc of 8 m cannot end"):
        lateral_anchors(2.0, TIME, (share * 8.0,))


def changed(array, value):
    array = array.copy()
    array.flat[7] = value
    return array


ONES = np.ones(5)


@pytest.mark.parametrize(
    ("plans", "scores", "anchors", "problem"),
    [
        (np.float64(3.0), ONES, ANCHORS, "must be"),
        (ANCHORS[0], ONES, ANCHORS, "must be"),
        (ANCHORS[:0], ONES[:0], ANCHORS, "n >= 1"),
        (ANCHORS, ONES, ANCHORS[0], "must be"),
        (ANCHORS, ONES, ANCHORS[:, :-1], "must be"),
        (ANCHORS, ONES[:4], ANCHORS, "one score per plan"),
        (ANCHORS, ONES[:, None], ANCHORS, "one score per plan"),
        (changed(ANCHORS, math.nan), ONES, ANCHORS, "not finite"),
        (ANCHORS, ONES, changed(ANCHORS, math.inf), "not finite"),
        (ANCHORS, np.array([1.0, 1.0, -1e-9, 1.0, 1.0]), ANCHORS, "a score is negative"),
        (ANCHORS, np.zeros(5), ANCHORS, "the scores sum to 0"),
        (ANCHORS, np.full(5, 1e308), ANCHORS, "the scores sum to inf"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_plans_scores_and_anchors_fit_each_other_and_are_numbers(plans, scores, anchors, problem):
    with pytest.raises(ConfigError, match=problem):
        cluster_entropy(plans, scores, anchors)


def test_a_single_plan_is_sure_of_itself_and_belongs_to_the_nearest_anchor():
    for index in range(5):
        found = cluster_entropy(ANCHORS[index : index + 1] + 0.1, np.array([0.3]), ANCHORS)
        assert (found.entropy, found.cluster.tolist()) == (0.0, [index])
        assert found.share.tolist() == np.eye(5)[index].tolist()


def test_nearest_is_by_the_sum_of_squares_over_the_way_points():
    plan, anchors = np.zeros((1, 4, 2)), np.zeros((2, 4, 2))
    plan[0, 3, 1] = 2.4
    anchors[1, :, 1] = 1.5
    assert cluster_entropy(plan, np.ones(1), anchors).cluster.tolist() == [0]
    plan[0, 3, 1] = 3.1
    assert cluster_entropy(plan, np.ones(1), anchors).cluster.tolist() == [1]


def test_a_doubt_says_why_and_its_thresholds():
    monitor = EntropyMonitor(ANCHORS, 0.9, 0.6, 0.5)
    torn = monitor.update(0.0, ANCHORS, ONES)
    assert (torn.mode, torn.entropy) == (Mode.SPEED_SEPARATION, pytest.approx(math.log(5.0)))
    assert torn.reason == "entropy 1.61 nat, on from 0.90, off after 0.5 s below 0.60"
    late = monitor.update(0.0, ANCHORS, ONES)
    assert late.reason == "the time 0.0 s is not after 0.0 s"
    none = monitor.update(0.1, ANCHORS[:0], ONES[:0])
    assert "n >= 1" in none.reason and math.isnan(none.entropy)


# Chains.

LINE = Bins((Feature("gap", "m", (1.0, 2.0)),))


def chain(counts, steps=1, **more):
    return DriftModel(LINE, np.array(counts), 0.1, steps, **more)


def test_there_may_be_four_hundred_states():
    edges = tuple(range(19))
    assert Bins((Feature("a", "m", edges), Feature("b", "m", edges))).count == 400
    with pytest.raises(ConfigError, match="420 states; allowed: 2 to 400"):
        Bins((Feature("a", "m", edges), Feature("b", "m", (*edges, 19))))
    with pytest.raises(ConfigError, match="0 states"):
        Bins(())


@pytest.mark.parametrize("values", [[1.0, 2.0], [[[1.0]]], [[1.0, 2.0]], 3.0])
def test_features_are_a_row_per_sample(values):
    with pytest.raises(ConfigError, match=r"expected \(n, 1\)"):
        LINE.states(np.array(values))
    assert LINE.states(np.array([[0.5], [1.0], [2.5]])).tolist() == [0, 1, 2]


def test_danger_is_told_for_every_row():
    with pytest.raises(ConfigError, match="3 rows of features and danger of shape"):
        count_transitions(LINE, [Run(np.ones((3, 1)), np.zeros(2, dtype=bool))])


@pytest.mark.parametrize(
    ("period", "steps", "confidence", "good"),
    [
        (0.1, 1, 0.95, True),
        (1e-9, 10_000, 0.01, True),
        (9e9, 2, 0.99, True),
        (0.0, 2, 0.95, False),
        (-0.1, 2, 0.95, False),
        (math.inf, 2, 0.95, False),
        (math.nan, 2, 0.95, False),
        (0.1, 0, 0.95, False),
        (0.1, -1, 0.95, False),
        (0.1, 10_001, 0.95, False),
        (0.1, 2, 0.0, False),
        (0.1, 2, 1.0, False),
        (0.1, 2, 1.5, False),
    ],
)
def test_a_chain_has_a_period_a_horizon_and_a_confidence(monkeypatch, period, steps, confidence, good):
    monkeypatch.setattr(drift, "DRAWS", 1)
    counts = np.array([[9, 1, 0, 1], [1, 9, 1, 0], [0, 1, 9, 0]])
    if good:
        assert DriftModel(LINE, counts, period, steps, confidence).steps == steps
    else:
        with pytest.raises(ConfigError, match="is out of bounds"):
            DriftModel(LINE, counts, period, steps, confidence)


def test_a_transition_that_was_seen_once_is_all_that_is_known_of_its_state():
    assert chain([[0, 0, 0, 1], [0, 1, 0, 0], [0, 1, 0, 1]]).risk == pytest.approx([1.0, 0.0, 0.5])


def test_a_state_that_leads_to_an_unseen_one_is_as_dangerous():
    model = chain([[0, 0, 0, 0], [5, 5, 0, 0], [0, 0, 8, 2]])
    assert model.risk == pytest.approx([1.0, 0.5, 0.2])
    assert model.within(2) == pytest.approx([1.0, 0.75, 0.36])
    assert model.confidence == 0.95


@pytest.mark.parametrize("confidence", [0.95, 0.5])
def test_the_interval_is_that_of_jeffreys_posterior(confidence):
    """One transition to itself, and two of three to danger: Beta distributions (1/2, 3/2) and (5/2, 3/2)."""
    stats = pytest.importorskip("scipy.stats")
    tail = 0.5 * (1.0 - confidence)
    beta = [stats.beta(0.5, 1.5), stats.beta(2.5, 1.5)]
    counts = [[1, 0, 0, 0], [0, 1, 0, 2], [0, 0, 1, 0]]
    found = [chain(counts, confidence=confidence, seed=seed) for seed in range(8)]
    for state in (0, 1):
        low, high = beta[state].ppf(tail), beta[state].ppf(1.0 - tail)
        assert np.mean([m.low[state] for m in found]) == pytest.approx(
            min(low, found[0].risk[state]), abs=0.03
        )
        assert np.mean([m.high[state] for m in found]) == pytest.approx(high, abs=0.03)


def test_an_unseen_state_and_features_that_are_none_say_nothing_of_the_risk():
    monitor = DriftMonitor(chain([[0, 0, 0, 0], [1, 9, 0, 0], [0, 1, 9, 0]]), 0.9, 0.8, 0.0)
    told = {"no run was ever in this state": [0.5], "a feature is not finite": [math.nan], "0 features": []}
    for what, features in told.items():
        found = monitor.update(0.0, features)
        assert found[:4] == (True, 1.0, 0.0, 1.0)
        assert found.reason.startswith(what)
    good = monitor.update(1.0, [1.5])
    assert (good.active, good.risk, good.reason) == (False, pytest.approx(0.1), "")
    assert good.low <= good.risk <= good.high


# A file.


@pytest.fixture
def path(tmp_path):
    write_drift(chain([[5, 2, 0, 1], [2, 6, 2, 0], [0, 2, 7, 0]]), tmp_path / "drift.json", "made up")
    return tmp_path / "drift.json"


def test_a_file_has_its_format_version_and_a_line_per_entry(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith('{\n "format": "reflexarc drift",\n "version": 1,\n "features": [\n  {\n')
    assert text.endswith("\n}\n")
    assert json.loads(text)["counts"][3] == [1, 0, 2]


@pytest.mark.parametrize("text", ["3", "[]", "[[]]", '"drift"', "null", "{}"])
def test_what_is_no_mapping_is_no_chain(path, text):
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="expected exactly the keys"):
        read_drift(path)


@pytest.mark.parametrize(
    ("counts", "good"),
    [
        ([[0, 0, 1]], True),
        ([[2, 3, 7], [0, 1, 2]], True),
        ([[0, 0, 0]], False),
        ([[0, 0, -1]], False),
        ([[0, 0, 1.5]], False),
        ([[0, 0, 1], [0, 0, 2]], False),
        ([[3, 0, 1]], False),
        ([[-1, 0, 1]], False),
        ([[0, 4, 1]], False),
        ([[0, -1, 1]], False),
    ],
)
def test_a_count_is_a_positive_number_given_once_for_states_that_exist(path, counts, good):
    data = json.loads(path.read_text(encoding="utf-8")) | {"counts": counts}
    del data["digest"]
    path.write_text(json.dumps(data | {"digest": drift_file._digest(data)}), encoding="utf-8")
    if good:
        found = read_drift(path).counts
        assert [[i, j, found[i, j]] for i, j, _ in counts] == counts
        assert found.sum() == sum(n for *_, n in counts)
    else:
        with pytest.raises(ModelError, match="is not acceptable"):
            read_drift(path)
