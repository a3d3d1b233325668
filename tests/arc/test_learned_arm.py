# SPDX-License-Identifier: Apache-2.0
"""The learned barrier in an arm's arc, beside the analytic rows."""

import math
import shutil

import numpy as np
import pytest

pytest.importorskip("pinocchio", reason="arms need pinocchio (pip install 'reflexarc[arms]')")

from reflexarc.arc import ArcConfig, build_arc
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.core.paths import models_dir
from reflexarc.core.types import JointProposal, JointState, Mode, Spheres, Status
from reflexarc.robots.arm import load_arm
from reflexarc.robots.systems import find_system

ARM = load_arm("panda")
HOME = np.array(ARM.home)
ANALYTIC = {
    "robot": "panda",
    "rate_hz": 100.0,
    "frame_id": "panda_link0",
    "arm": {"table_height_m": 0.0},
}
LEARNED = ANALYTIC | {"learned": {"enabled": True, "file": "panda_cell", "alpha": 5.0}}


@pytest.fixture(scope="module")
def arcs():
    return {
        name: build_arc(ArcConfig.from_dict(c)) for name, c in (("analytic", ANALYTIC), ("learned", LEARNED))
    }


def judge(arc, q, target, balls=(), now=0.0):
    table = np.array(balls, dtype=float).reshape(-1, 4)
    n = len(table)
    around = Spheres(
        now, "panda_link0", table[:, :3], np.zeros((n, 3)), table[:, 3], np.zeros(n), np.zeros(n)
    )
    state = JointState(now, "panda_link0", ARM.joints, q, np.zeros(7), around)
    return arc.tick(state, JointProposal(now, ARM.joints, target), Mode.NORMAL, now)


def drive(arc, goal, balls=(), steps=300):
    """Follow a proposal towards a configuration; return the configurations and the verdicts."""
    arc.reset()
    q, path, verdicts = HOME.copy(), [], []
    for k in range(steps):
        verdict = judge(arc, q, np.clip(2.0 * (goal - q), -1.0, 1.0), balls, 0.01 * k)
        q = q + 0.01 * verdict.command
        path.append(q)
        verdicts.append(verdict)
    return np.array(path), verdicts


def towards_the_pillar():
    """A configuration of the cell in which the arm is in the pillar, found by its margin."""
    cell = find_system("panda_cell")
    rng = np.random.default_rng(2)
    for _ in range(20_000):
        q = rng.uniform(cell.low, cell.high)
        if float(cell.margin(q)) < -0.05:
            return q
    raise AssertionError("no configuration in collision")


def test_learned_barrier_stops_the_arm_before_what_only_it_knows(arcs):
    cell, goal = find_system("panda_cell"), towards_the_pillar()
    blind, _ = drive(arcs["analytic"], goal)
    seen, verdicts = drive(arcs["learned"], goal)
    assert min(float(cell.margin(q)) for q in blind[::10]) < 0.0
    assert min(float(cell.margin(q)) for q in seen[::10]) > 0.0
    by = [v.interventions[-1] for v in verdicts if v.interventions]
    assert {i.stage for i in by} == {"learned_barrier"}
    assert "learned barrier" in by[-1].reason
    assert all(math.isfinite(v.learned_margin) and not v.uncertified for v in verdicts)


def test_analytic_rows_bind_where_they_are_the_more_restrictive(arcs):
    arcs["learned"].reset()
    verdict = judge(
        arcs["learned"], HOME, np.array([0, 1.0, 0, 0.5, 0, 0, 0]), balls=[(0.42, 0.0, 0.5, 0.05)]
    )
    assert verdict.status is Status.FILTERED
    assert verdict.interventions[-1].stage == "barrier"
    assert math.isfinite(verdict.learned_margin)


def test_without_a_learned_barrier_there_is_no_learned_margin(arcs):
    arcs["analytic"].reset()
    assert math.isnan(judge(arcs["analytic"], HOME, np.zeros(7)).learned_margin)


def test_barrier_without_its_certificate_is_refused_unless_allowed(tmp_path):
    for name in ("barrier.safetensors", "recipe.yaml"):
        shutil.copy(models_dir() / "barriers/panda_cell" / name, tmp_path)
    learned = {"enabled": True, "file": str(tmp_path / "barrier.safetensors"), "alpha": 5.0}
    with pytest.raises(ModelError, match="certificate"):
        build_arc(ArcConfig.from_dict(ANALYTIC | {"learned": learned}))
    arc = build_arc(ArcConfig.from_dict(ANALYTIC | {"learned": learned | {"allow_uncertified": True}}))
    assert judge(arc, HOME, np.zeros(7)).uncertified


@pytest.mark.parametrize(
    ("change", "words"),
    [({"alpha": 4.0}, "alpha"), ({"file": "segway_e1_crowd"}, "segway_e1_crowd")],
)
def test_barrier_of_another_gain_or_robot_is_refused(change, words):
    with pytest.raises(ModelError, match=words):
        build_arc(ArcConfig.from_dict(ANALYTIC | {"learned": LEARNED["learned"] | change}))


def test_longer_period_than_the_certificates_is_refused():
    with pytest.raises(ModelError, match="period"):
        build_arc(ArcConfig.from_dict(LEARNED | {"rate_hz": 50.0}))


def test_learned_barrier_is_not_offered_for_torques():
    with pytest.raises(ConfigError, match="joint-velocity commands only"):
        build_arc(ArcConfig.from_dict(LEARNED | {"arm": {"command": "torque"}}))


def test_learned_barrier_that_is_not_finite_brakes_the_arm(monkeypatch):
    arc = build_arc(ArcConfig.from_dict(LEARNED))
    stage = next(s for s in arc.stages if s.name == "barrier")
    rows = stage._velocity._learned
    monkeypatch.setattr(
        rows, "write", lambda q, normals, offsets, tiers, first: (math.nan, "V is not finite", first)
    )
    verdict = judge(arc, HOME, np.full(7, 0.2))
    assert (verdict.status, verdict.faults) == (Status.BACKUP, ("learned_failed",))
    assert verdict.interventions[-1].stage == "learned_barrier"
