# SPDX-License-Identifier: Apache-2.0
"""The chain's probabilities are those of matrix powers, its intervals cover, and what it does not know is a warning."""

import json
import math

import numpy as np
import pytest

from reflexarc.assurance.monitors.approach import FAR, approach
from reflexarc.assurance.monitors.drift import Bins, DriftModel, DriftMonitor, Feature, Run, count_transitions
from reflexarc.assurance.monitors.drift_file import read_drift, write_drift
from reflexarc.assurance.monitors.hysteresis import Hysteresis
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.core.types import BaseState, Obstacles, Walls

LINE = Bins((Feature("gap", "m", (1.0, 2.0)),))
"""Three states: 0 below 1 m, 1, 2 above 2 m."""


def model(counts, steps=5, bins=LINE, confidence=0.95):
    return DriftModel(bins, np.array(counts), 0.1, steps, confidence)


def test_the_probability_is_one_minus_the_power_of_the_transient_part():
    rng = np.random.default_rng(5)
    counts = rng.integers(1, 30, (3, 4))
    rows = counts / counts.sum(axis=1, keepdims=True)
    for steps in (1, 2, 7, 40):
        expected = 1.0 - np.linalg.matrix_power(rows[:, :3], steps) @ np.ones(3)
        assert model(counts, steps).risk == pytest.approx(expected, abs=1e-12)


def test_the_ruin_of_a_gambler_has_its_textbook_probability():
    # 2 -> 1 -> 0 -> danger and back with probability 1/2, reflected at 2; within 3 steps from 0: 1/2 + 1/4 * 1/2
    counts = [[0, 8, 0, 8], [8, 0, 8, 0], [0, 8, 8, 0]]
    assert model(counts, 3).risk == pytest.approx([0.5 + 0.25 * 0.5, 0.25, 0.125])


def test_transitions_are_counted_within_runs_until_danger_and_not_across_gaps():
    run = Run(
        np.array([[2.5], [1.5], [0.5], [0.2], [1.5], [math.nan], [2.5], [2.6]]), np.zeros(8, dtype=bool)
    )
    run.danger[3] = True
    counts = count_transitions(LINE, [run, Run(np.array([[0.5]]), np.array([False]))])
    assert counts.tolist() == [[0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 1, 0]]


def test_values_on_an_edge_belong_to_the_upper_bin_and_features_are_combined_in_order():
    bins = Bins((Feature("a", "m", (0.0,)), Feature("b", "m/s", (1.0, 2.0))))
    rows = np.array(
        [[-1.0, 0.0], [-1.0, 1.0], [-1.0, 5.0], [0.0, 0.0], [9.0, 2.0], [math.inf, 0.0], [0.0, math.nan]]
    )
    assert bins.states(rows).tolist() == [0, 1, 2, 3, 5, -1, -1]


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(11)
    truth = np.array([[0.6, 0.2, 0.0, 0.2], [0.2, 0.6, 0.2, 0.0], [0.0, 0.3, 0.7, 0.0]])
    exact = 1.0 - np.linalg.matrix_power(truth[:, :3], 5) @ np.ones(3)
    covered = []
    for _ in range(60):
        counts = np.stack([rng.multinomial(60, row) for row in truth])
        m = model(counts)
        covered.append((m.low <= exact) & (exact <= m.high))
        assert (m.low <= m.risk).all()
        assert (m.risk <= m.high).all()
    assert np.mean(covered) > 0.9


def test_more_runs_make_the_interval_narrower():
    counts = np.array([[5, 2, 0, 1], [2, 6, 2, 0], [0, 2, 7, 0]])
    few, many = model(counts), model(100 * counts)
    assert (many.high - many.low < 0.3 * (few.high - few.low)).all()


def test_a_state_that_was_never_left_or_seen_counts_as_danger():
    m = model([[0, 0, 0, 0], [1, 9, 0, 0], [0, 1, 9, 0]], 1)
    assert m.seen.tolist() == [False, True, True]
    assert m.risk == pytest.approx([1.0, 0.1, 0.0])


def monitor(**thresholds):
    # per step from 0: danger 0.5; from 1: to 0 with 0.1; from 2: to 1 with 0.01
    m = model([[500, 0, 0, 500], [100, 900, 0, 0], [0, 10, 990, 0]], 1)
    return DriftMonitor(m, **({"on": 0.3, "off": 0.1, "dwell": 0.2} | thresholds))


def test_the_warning_has_hysteresis_and_starts_on():
    w = monitor()
    gaps = [3.0, 3.0, 3.0, 0.5, 1.5, 1.5, 1.5, 1.5]
    active = [w.update(0.1 * k, [gap]).active for k, gap in enumerate(gaps)]
    assert active == [False, False, False, True, True, True, False, False]
    w.reset()
    assert w.update(0.0, [0.5]).active


@pytest.mark.parametrize("features", [[math.nan], [math.inf], [1.0, 2.0], []])
def test_features_that_cannot_be_used_are_a_warning_with_a_reason(features):
    w = monitor(dwell=0.0)
    assert not w.update(0.0, [3.0]).active
    found = w.update(0.1, features)
    assert found.active
    assert (found.risk, found.high) == (1.0, 1.0)
    assert found.reason
    assert not w.update(0.2, [3.0]).active


@pytest.mark.parametrize("time", [0.1, 0.0, math.nan])
def test_time_that_does_not_advance_is_a_warning(time):
    w = monitor(dwell=0.0)
    w.update(0.1, [3.0])
    found = w.update(time, [3.0])
    assert found.active
    assert "is not after" in found.reason


def test_an_unseen_state_is_a_warning_that_says_so():
    m = model([[0, 0, 0, 0], [1, 9, 0, 0], [0, 1, 9, 0]], 1)
    found = DriftMonitor(m, 0.9, 0.8, 0.0).update(0.0, [0.25])
    assert found.active
    assert found.reason == "no run was ever in this state: gap 0.25 m"


def test_the_warning_comes_before_the_danger_of_a_run_it_never_saw():
    rng = np.random.default_rng(3)

    def drive():
        gap, gaps = 3.0, []
        while gap > 0.0 and len(gaps) < 3000:
            gap = min(gap + rng.normal(-0.01, 0.1), 3.5)
            gaps.append(gap)
        return Run(np.array(gaps)[:, None], np.array(gaps) <= 0.0)

    bins = Bins((Feature("gap", "m", tuple(np.arange(0.25, 3.1, 0.25))),))
    m = DriftModel(bins, count_transitions(bins, [drive() for _ in range(30)]), 0.1, 20)
    assert (np.diff(m.risk) < 0.02).all()
    run = drive()
    w = DriftMonitor(m, 0.5, 0.3, 0.5)
    active = np.array([w.update(0.1 * k, row).active for k, row in enumerate(run.features)])
    end = len(active) - 1
    assert run.danger[end]
    assert active[end - 3 : end].all()
    assert active.mean() < 0.8


def test_a_saved_model_is_the_same_and_a_changed_file_is_refused(tmp_path):
    path = tmp_path / "drift.json"
    m = model([[5, 2, 0, 1], [2, 6, 2, 0], [0, 2, 7, 0]])
    write_drift(m, path, "made up")
    read = read_drift(path)
    assert read.bins == m.bins
    assert (read.counts == m.counts).all()
    assert (read.risk == m.risk).all()
    assert (read.high == m.high).all()
    good = json.loads(path.read_text())
    for change, text in [
        ({"steps": 9}, "digest does not match"),
        ({"version": 2}, "version 2"),
        ({"extra": 1}, "exactly the keys"),
    ]:
        path.write_text(json.dumps(good | change))
        with pytest.raises(ModelError, match=text):
            read_drift(path)
    path.write_text(path.read_text()[:50])
    with pytest.raises(ModelError, match="not readable"):
        read_drift(path)


@pytest.mark.parametrize(
    "triplet", [[3, 0, 1], [0, 4, 1], [0, 0, -1], [-1, 0, 1], [0, 0, 1.5], ["a", 0, 1], [0, 0]]
)
def test_a_file_with_impossible_counts_is_refused_although_its_digest_fits(tmp_path, triplet):
    path = tmp_path / "drift.json"
    write_drift(model([[5, 2, 0, 1], [2, 6, 2, 0], [0, 2, 7, 0]]), path, "made up")
    from reflexarc.assurance.monitors import drift_file  # noqa: PLC0415 - its digest is what an attacker would make

    data = json.loads(path.read_text())
    data["counts"] = [triplet]
    data.pop("digest")
    path.write_text(json.dumps(data | {"digest": drift_file._digest(data)}))
    with pytest.raises(ModelError):
        read_drift(path)


def test_impossible_models_and_thresholds_are_refused():
    for counts in ([[0] * 4] * 3, [[-1, 1, 1, 1]] * 3, [[1, 1, 1]] * 3, [[0.5] * 4] * 3):
        with pytest.raises(ConfigError):
            model(counts)
    for edges in ((), (1.0, 1.0), (2.0, 1.0), (math.nan,)):
        with pytest.raises(ConfigError):
            Feature("gap", "m", edges)
    with pytest.raises(ConfigError, match="states"):
        Bins((Feature("a", "m", tuple(range(30))), Feature("b", "m", tuple(range(30)))))
    for on, off, dwell in ((0.1, 0.2, 0.0), (math.nan, 0.0, 0.0), (0.2, 0.1, -1.0), (0.2, 0.1, math.inf)):
        with pytest.raises(ConfigError, match="off <= on"):
            Hysteresis(on, off, dwell)


def state(people, twist=(1.0, 0.0), pose=(1.0, 2.0, math.pi / 2)):
    rows = np.array(people, dtype=float).reshape(-1, 4)
    ones = np.full(len(rows), 0.25)
    tracks = Obstacles(0.0, "odom", rows[:, :2], rows[:, 2:], ones, 0 * ones, 0 * ones)
    return BaseState(0.0, "odom", pose, twist, tracks, Walls.none())


def test_the_approach_is_the_smallest_gap_on_the_way():
    # the robot drives along +y of the fixed frame at 1 m/s; a person stands 4 m ahead, another crosses far away
    a = approach(state([[1.0, 6.0, 0.0, 0.0], [9.0, 2.0, 0.0, 0.0]]), 0.4, 0.3, 2.0)
    assert a.gap == pytest.approx(4.0 - 0.4 - 0.25)
    assert a.predicted == pytest.approx(2.0 - 0.4 - 0.25)
    assert a.time == pytest.approx(2.0)
    crossing = approach(state([[3.0, 3.0, -2.0, 0.0]]), 0.4, 0.3, 2.0)
    assert crossing.predicted == pytest.approx(-0.25)
    assert crossing.time == pytest.approx(0.9, abs=0.11)


def test_the_approach_without_people_is_far_and_with_nan_is_nan():
    assert approach(state([]), 0.4, 0.3, 2.0) == (FAR, FAR, 0.0)
    assert math.isnan(approach(state([[math.nan, 0.0, 0.0, 0.0]]), 0.4, 0.3, 2.0).gap)
    with pytest.raises(ConfigError):
        approach(state([]), 0.0, 0.3, 2.0)
