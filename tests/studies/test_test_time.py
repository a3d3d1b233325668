# SPDX-License-Identifier: Apache-2.0
"""The test-time update of the study `assurance`: gated, bounded, forgotten at once, and out of the filter's reach."""

import hashlib
import importlib
import re
import sys

import numpy as np
import pytest

pytest.importorskip("optax", reason="the scorer needs JAX (pip install 'reflexarc[learn]')")

from reflexarc.assurance.monitors.entropy import cluster_entropy
from reflexarc.cli.bench import benchmarks_dir
from reflexarc.core.errors import ConfigError, ModelError, UnknownNameError
from reflexarc.core.paths import models_dir
from reflexarc.core.types import BaseState, Mode, Obstacles, Walls
from reflexarc_sim.lockstep import run, scenario_arc
from tests.test_rules import LIBRARY, ROOT

FOLDER = benchmarks_dir() / "assurance"
ABLATION = {
    "doubting_planner",
    "gated_update",
    "plan_logs",
    "plan_scorer",
    "scored_plans",
    "test_time",
    "test_time_replay",
}
ROUTE = np.array([[0.0, 0.0], [30.0, 0.0]])


@pytest.fixture(scope="module")
def module():
    """Import a module that stands beside the study."""
    sys.path.insert(0, str(FOLDER))
    held = {name: sys.modules.pop(name) for name in ABLATION if name in sys.modules}
    yield importlib.import_module
    sys.path.remove(str(FOLDER))
    for name in ABLATION:
        sys.modules.pop(name, None)
    sys.modules.update(held)


@pytest.fixture(scope="module")
def scorer(module):
    return module("plan_scorer").Scorer.load()


@pytest.fixture(scope="module")
def moments(module):
    """Features and clusters of twelve made-up moments."""
    observe = module("scored_plans").observe
    rng = np.random.default_rng(0)
    seen = [observe(state(rng), np.array([5.6, 0.0]), 1.0) for _ in range(12)]
    return np.stack([s.features for s in seen]), np.stack([s.cluster for s in seen])


@pytest.fixture
def gate(module):
    return module("gated_update").Gate


@pytest.fixture
def update(module, scorer):
    return lambda *args, **kwargs: module("gated_update").GatedUpdate(scorer, *args, **kwargs)


def state(rng=None, people=((3.0, 0.4),), pose=(0.0, 0.0, 0.0), speed=1.0):
    if rng is not None:
        people, speed = rng.uniform((0.8, -2.0), (5.0, 2.0), (4, 2)), rng.uniform(0.0, 1.5)
    n = len(people)
    at = np.array(people, dtype=float).reshape(n, 2)
    tracks = Obstacles(1.0, "odom", at, np.zeros((n, 2)), np.full(n, 0.25), np.zeros(n), np.zeros(n))
    walls = Walls(1.0, "odom", np.array([[-20.0, 2.5, 60.0, 2.5], [-20.0, -2.5, 60.0, -2.5]]))
    return BaseState(1.0, "odom", np.array(pose), np.array([speed, 0.0]), tracks, walls)


def choose(update, moments, k=0):
    x, c = moments
    return update.choose(x[k], c[k], x[k : k + 4], c[k : k + 4])


def test_the_entropy_is_that_of_the_monitor(module, scorer, moments, update, gate):
    plans = module("scored_plans")
    one = update(gate(), 0.0)
    body = plans.rollout(np.zeros(3), np.array([1.0, 0.0])).body[..., :2]
    cluster = plans.observe(state(), np.array([5.6, 0.0]), 1.0).cluster
    for features in moments[0]:
        expected = cluster_entropy(body, scorer.scores(features), plans.ANCHORS)
        assert (expected.cluster == cluster).all()
        assert one.entropy(features, cluster) == pytest.approx(expected.entropy, abs=1e-4)


def test_the_gradient_is_that_of_finite_differences(scorer, moments, update, gate):
    one, rng = update(gate(), 1.0), np.random.default_rng(1)
    for x, c, slope in zip(*moments, one.slopes(*moments), strict=True):
        # along the gradient plus something else: both parts of a wrong gradient would show
        way = slope / np.linalg.norm(slope) + 0.3 * rng.normal(size=len(slope)) / np.sqrt(len(slope))
        ahead, behind = (
            one.entropy(x, c, (scorer.theta + e * way).astype(np.float32)) for e in (3e-3, -3e-3)
        )
        assert (ahead - behind) / 6e-3 == pytest.approx(slope @ way, rel=0.03)


def test_a_step_is_the_mean_over_its_moments_and_lowers_their_entropy(scorer, moments, update, gate):
    one = update(gate(), 1e-3)
    x, c = moments
    theta, norm = one.changed(x[:4], c[:4])
    expected = -1e-3 * one.slopes(x[:4], c[:4]).mean(axis=0)
    assert np.allclose(theta - scorer.theta, expected, rtol=1e-2, atol=1e-6)
    assert norm == pytest.approx(np.linalg.norm(expected), rel=1e-4)
    before, after = (sum(one.entropy(x[k], c[k], t) for k in range(4)) for t in (None, theta))
    assert after < before - 1e-3


def test_nothing_of_a_step_is_kept(module, scorer, moments, update, gate):
    file = module("plan_scorer").FILE
    committed, digest = scorer.theta.copy(), hashlib.sha256(file.read_bytes()).hexdigest()
    one = update(gate(), 0.5)
    first = choose(one, moments)
    others = [choose(one, moments, k) for k in range(1, 9)]
    again = choose(one, moments)
    assert first.outcome == "stepped" and {s.outcome for s in others} == {"stepped"}
    assert (again.scores == first.scores).all() and again[1:] == first[1:]
    assert (scorer.theta == committed).all()
    assert hashlib.sha256(file.read_bytes()).hexdigest() == digest
    with pytest.raises(ValueError, match="read-only"):
        scorer.theta[0] = 1.0


def test_a_closed_gate_leaves_the_scores_bit_for_bit(scorer, moments, update, gate):
    h = update(gate(), 0.0).entropy(moments[0][0], moments[1][0])
    closed, open_ = (choose(update(gate(h + e), 0.1), moments) for e in (1e-4, -1e-4))
    assert closed.outcome == "closed" and closed.norm == 0.0 and closed.after == closed.entropy
    assert (closed.scores == scorer.scores(moments[0][0])).all()
    assert open_.outcome == "stepped" and (open_.scores != closed.scores).any()


def test_no_step_is_longer_than_the_norm_and_a_longer_one_keeps_its_direction(scorer, moments, update, gate):
    x, c = moments
    free, _ = update(gate(), 1.0).changed(x[:4], c[:4])
    bound, norm = update(gate(norm=0.05), 1.0).changed(x[:4], c[:4])
    a, b = (np.asarray(t, dtype=float) - scorer.theta for t in (free, bound))
    assert np.linalg.norm(a) > 0.5 and norm == 0.05
    assert np.linalg.norm(b) == pytest.approx(0.05, rel=1e-4)
    assert a @ b == pytest.approx(np.linalg.norm(a) * np.linalg.norm(b), rel=1e-4)


def test_a_random_direction_has_the_same_norm_and_not_the_direction(scorer, moments, update, gate):
    x, c = moments
    a, b = (
        np.asarray(update(gate(), 0.01, way).changed(x[:4], c[:4])[0], dtype=float) - scorer.theta
        for way in ("gradient", "random")
    )
    assert np.linalg.norm(a) == pytest.approx(np.linalg.norm(b), rel=1e-3)
    assert abs(a @ b) < 0.2 * np.linalg.norm(a) * np.linalg.norm(b)


def test_a_step_that_is_no_number_or_late_is_dropped(scorer, moments, update, gate):
    x, c = moments
    spoiled = x[:4].copy()
    spoiled[1, 7, 3] = np.nan
    step = update(gate(), 0.1).choose(x[0], c[0], spoiled, c[:4])
    assert step.outcome == "not finite" and (step.scores == scorer.scores(x[0])).all()
    for seconds, outcome in ((0.021, "late"), (0.019, "stepped")):
        ticks = iter((0.0, seconds))
        step = choose(update(gate(limit_s=0.02), 0.1, clock=lambda t=ticks: next(t)), moments)
        assert step.outcome == outcome
        assert (step.scores == scorer.scores(x[0])).all() == (outcome == "late")
    with pytest.raises(ConfigError, match="not finite; no plan"):
        update(gate(), 0.1).choose(spoiled[1], c[1], x[:4], c[:4])


@pytest.mark.parametrize(
    ("eta", "limits"),
    [
        (-1e-3, {}),
        (np.nan, {}),
        (np.inf, {}),
        (0.1, {"norm": -1.0}),
        (0.1, {"norm": np.nan}),
        (0.1, {"entropy": np.nan}),
        (0.1, {"limit_s": 0.0}),
    ],
)
def test_limits_that_limit_nothing_are_refused(update, gate, eta, limits):
    with pytest.raises(ConfigError, match="needed: eta finite"):
        update(gate(**limits), eta)


def test_an_unknown_direction_is_refused(update, gate):
    with pytest.raises(UnknownNameError, match="gradient, random"):
        update(gate(), 0.1, "sideways")


def test_plans_at_their_speed_are_arcs_and_the_ramps_are_the_drives(module):
    plans = module("scored_plans")
    k = int(np.flatnonzero((plans.VOCABULARY == (1.0, 0.0)).all(axis=1))[0])
    steady = plans.rollout(np.array([1.0, 2.0, 0.5 * np.pi]), np.array([1.0, 0.0]))
    assert steady.fixed[k, -1] == pytest.approx([1.0, 4.4, 0.5 * np.pi])
    turning = plans.rollout(np.zeros(3), np.array([1.0, 1.0 / 7.0]))
    j = int(np.flatnonzero(np.isclose(plans.VOCABULARY, (1.0, 1.0 / 7.0)).all(axis=1))[0])
    end = 7.0 * np.sin(2.4 / 7.0), 7.0 * (1.0 - np.cos(2.4 / 7.0)), 2.4 / 7.0
    assert turning.body[j, -1] == pytest.approx(end, abs=2e-3)
    stop = plans.rollout(np.zeros(3), np.array([1.5, 0.0])).speed[7]
    assert plans.VOCABULARY[7] == pytest.approx([0.0, 0.0], abs=1e-12)
    assert stop == pytest.approx(np.maximum(1.5 - 1.5 * 0.2 * np.arange(1, 13), 0.0))


def test_a_plan_through_somebody_touches_and_one_that_stands_is_not_at_fault(module):
    plans = module("scored_plans")
    ahead = plans.rollout(np.zeros(3), np.array([0.0, 0.0]))
    at = np.tile([[2.0, 0.0]], (plans.LOOKS, 1, 1))
    cost, touch = plans.realised(
        ahead, at, np.array([0.25]), np.zeros((0, 4)), np.array([5.6, 0.0]), np.array([[2.0, 0.0]])
    )
    straight = int(np.flatnonzero(np.isclose(plans.VOCABULARY, (1.5, 0.0)).all(axis=1))[0])
    assert touch[straight] and not touch[7] and cost[straight] > cost[7]
    upon = np.tile([[0.5, 0.0]], (plans.LOOKS, 1, 1))  # somebody leans on the robot
    _, leaning = plans.realised(
        ahead, upon, np.array([0.25]), np.zeros((0, 4)), np.array([5.6, 0.0]), np.array([[0.5, 0.0]])
    )
    assert not leaning[7] and leaning[straight]
    _, alone = plans.realised(
        ahead, at * np.nan, np.array([0.25]), np.zeros((0, 4)), np.array([5.6, 0.0]), np.full((1, 2), np.nan)
    )
    assert not alone.any()
    _, wall = plans.realised(
        ahead,
        at * np.nan,
        np.array([0.25]),
        np.array([[1.5, -2.0, 1.5, 2.0]]),
        np.array([5.6, 0.0]),
        np.full((1, 2), np.nan),
    )
    assert wall[straight] and not wall[7]


def test_a_scorer_learns_which_plans_are_cheap(module):
    logs, learning, plans = module("plan_logs"), module("plan_scorer"), module("scored_plans")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 105, plans.FEATURES)).astype(np.float32)
    cost = x[..., 3].astype(float)
    frames = logs.Frames(x, np.zeros((64, 105), int), cost, cost > 1.0, np.zeros(64, int))
    found = learning.train(frames, learning.Training(steps=500, width=8), {"made": "up"})
    chosen = np.array([found.scores(one).argmax() for one in x])
    assert np.mean(cost[np.arange(64), chosen] - cost.min(axis=1)) < 0.3
    assert found.recipe["source"] == {"made": "up"} and found.recipe["frames"] == 64


def test_the_committed_weights_saw_no_seed_that_is_judged(module, scorer, tmp_path):
    study = module("test_time")
    learned = set(scorer.recipe["source"]["seeds"])
    assert not learned & {*study.SEEDS, *study.VALIDATION} and not set(study.SEEDS) & set(study.VALIDATION)
    assert len(study.SEEDS) >= 20
    content = bytearray(module("plan_scorer").FILE.read_bytes())
    content[-1] ^= 1
    (tmp_path / "changed.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="not those that were written"):
        module("plan_scorer").Scorer.load(tmp_path / "changed.safetensors")


def test_moments_to_learn_from_are_of_the_run_and_the_adversarys_of_others(module, scorer, moments, gate):
    logs, replay = module("plan_logs"), module("test_time_replay")
    x, c = moments
    rng = np.random.default_rng(2)
    frames = logs.Frames(x, c, rng.random((12, 105)), rng.random((12, 105)) > 0.8, np.repeat([5, 6], 6))
    recent = replay._recent(frames, 1)
    assert recent[0].tolist() == [0, 0, 0, 0] and recent[5].tolist() == [1, 2, 3, 4]
    assert recent[6].tolist() == [6, 6, 6, 6] and recent[11].tolist() == [7, 8, 9, 10]
    hostile = replay._hostile(module("gated_update").GatedUpdate(scorer, gate(), 0.01), frames)
    assert (frames.run[hostile] != frames.run[:, None]).all()


def test_differences_are_taken_seed_by_seed(module):
    study = module("test_time")
    rows = [
        {**dict.fromkeys(study.MEASURES, 0.0), "seed": seed, "method": method, "progress_m": way}
        | {"entropy_after": 1.0, "stepped": 0.5, "interventions": 0, "times_us": [10.0, 20.0]}
        for seed in range(6)
        for method, way in (("unmodified", 10.0 * seed), ("gated update", 10.0 * seed + 1.0))
    ]
    found = study.compared(rows, ("unmodified", "gated update"))
    assert found["gated update"]["difference"]["progress_m"] == {"mean": 1.0, "ci95": [1.0, 1.0]}
    assert found["gated update"]["progress_m_mean"] == pytest.approx(26.0)
    assert found["unmodified"]["difference"]["progress_m"]["ci95"] == [0.0, 0.0]


@pytest.fixture
def planner(module):
    built = module("doubting_planner")
    yield built.DoubtingPlanner
    built.BUILT.clear()


def test_a_planner_proposes_a_plan_of_its_vocabulary_and_stands_where_it_cannot_know(module, planner):
    one = planner(eta=0.01)
    assert (one.propose(state(), 1.0).twist == 0.0).all()  # no route yet
    one.reset(ROUTE)
    twist = one.propose(state(people=()), 1.0).twist
    assert (module("scored_plans").VOCABULARY == twist).all(axis=1).any() and twist[0] > 0.5
    broken = BaseState(
        1.0, "odom", np.array([0.0, 0.0, 0.0]), np.array([np.nan, 0.0]), state().obstacles, state().walls
    )
    lost = BaseState(
        1.0, "odom", np.array([np.nan, 0.0, 0.0]), np.array([1.0, 0.0]), state().obstacles, state().walls
    )
    for bad in (broken, lost):
        assert (one.propose(bad, 1.05).twist == 0.0).all()
    assert (one.propose(state(pose=(29.9, 0.0, 0.0)), 1.1).twist == 0.0).all()
    assert one.progress == pytest.approx(29.9)


def test_in_doubt_it_slows_or_stops_and_else_drives_on(planner):
    usual, slow, stop = planner(), planner(doubt="slow", on=0.01), planner(doubt="stop", on=0.01)
    calm = planner(doubt="stop", on=10.0)
    twists = []
    for one in (usual, slow, stop, calm):
        one.reset(ROUTE)
        for k in range(15):
            proposal = one.propose(state(), 1.0 + 0.05 * k)
        twists.append(proposal.twist)
    assert twists[0][0] > 0.0 and twists[1] == pytest.approx(0.5 * twists[0])
    assert (twists[2] == 0.0).all() and (twists[3] == twists[0]).all()


def test_nothing_that_runs_on_the_robot_imports_the_ablation():
    files = [
        p
        for folder in (*LIBRARY.values(), ROOT / "ros2_ws/src", ROOT / "launch")
        for p in folder.rglob("*.py")
    ]
    assert len(files) > 100 and all((FOLDER / f"{name}.py").exists() for name in ABLATION)
    words = re.compile(rf"\b({'|'.join(sorted(ABLATION))})\b")
    assert not [path for path in files if words.search(path.read_text(encoding="utf-8"))]
    assert not [p for p in models_dir().rglob("*") if p.name == "plan_scorer.safetensors"]


class Record:
    """Keeps what the arc was told and what it said."""

    def __init__(self):
        self.ticks = []

    def tick(self, state, proposal, command, verdict, min_distance):
        self.ticks.append((state, proposal, verdict))

    def pedestrians(self, time, names, positions):
        pass

    def plant_event(self, event):
        pass

    def event(self, time, kind, text, **details):
        pass


def content(verdict):
    """All of a verdict but its times, to the bit."""
    numbers = (verdict.command, verdict.margin, verdict.slack, verdict.risk, verdict.learned_margin)
    rest = (verdict.now, verdict.status, verdict.mode, verdict.interventions, verdict.faults)
    return [np.asarray(x, dtype=float).tobytes() for x in numbers], rest


@pytest.mark.integration
def test_the_arc_knows_the_update_only_by_its_proposals(module, planner):
    scene = module("plan_logs").scenario("doubting_planner:DoubtingPlanner", deliveries=1, eta=0.1)
    record = Record()
    run(scene, 0, True, 1.5, observers=(record,))
    steps = module("doubting_planner").BUILT.pop().steps
    assert sum(step.outcome == "stepped" for step in steps) > 20
    arc = scenario_arc(scene)
    for seen, proposal, verdict in record.ticks:
        assert content(arc.tick(seen, proposal, Mode.NORMAL, verdict.now)) == content(verdict)
        assert not proposal.twist.flags.writeable and proposal.twist.base is None
