# SPDX-License-Identifier: Apache-2.0
"""The impedance of the tip: damping, kinematics and statics against oracles that share no code with it."""

import math

import numpy as np
import pytest
import scipy.linalg

pytest.importorskip("pinocchio", reason="arms need pinocchio (pip install 'reflexarc[arms]')")

import pinocchio

from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.reflex.impedance.algebra import critical_damping, inverse, quadratic, symmetric_positive
from reflexarc.reflex.impedance.law import ImpedanceLaw
from reflexarc.reflex.impedance.tank import EnergyTank
from reflexarc.reflex.impedance.tip import TipModel, with_tool
from reflexarc.robots.arm import load_arm
from tests.reflex.test_tank import ARM, DOWN, DOWN_TIP, Balance

BARE = load_arm("panda")


def spd(rng, n, low=0.5, high=5.0):
    q, _ = np.linalg.qr(rng.normal(size=(n, n)))
    return q @ np.diag(rng.uniform(low, high, n)) @ q.T


@pytest.mark.parametrize("n", [1, 3, 5, 7])
def test_inverse_is_that_of_numpy(n):
    rng = np.random.default_rng(n)
    for _ in range(20):
        a, out = spd(rng, n), np.zeros((n, n))
        inverse(a, np.zeros((n, n)), out)
        assert out == pytest.approx(np.linalg.inv(a), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("ratio", [0.5, 1.0])
def test_damping_makes_every_mode_of_the_generalised_eigenproblem_as_damped_as_asked(n, ratio):
    rng = np.random.default_rng(n)
    for _ in range(20):
        mass, stiffness = spd(rng, n), spd(rng, n, 100.0, 1500.0)
        out = np.zeros((n, n))
        critical_damping(mass, stiffness, ratio, np.zeros((3, n, n)), out)
        assert out == pytest.approx(out.T)
        values, modes = scipy.linalg.eigh(stiffness, mass)
        assert modes.T @ out @ modes == pytest.approx(np.diag(2.0 * ratio * np.sqrt(values)), abs=1e-8 * 1500)


def test_a_direction_without_stiffness_is_without_damping():
    mass, out = np.diag([2.0, 3.0, 1.0]), np.zeros((3, 3))
    critical_damping(mass, np.diag([400.0, 0.0, 100.0]), 1.0, np.zeros((3, 3, 3)), out)
    assert np.diag(out) == pytest.approx([2.0 * math.sqrt(800.0), 0.0, 20.0])


def test_quadratic_forms_and_positive_definiteness():
    rng = np.random.default_rng(0)
    a, x = spd(rng, 3), rng.normal(size=3)
    assert quadratic(a, x) == pytest.approx(float(x @ a @ x))
    assert symmetric_positive(a, 5.0)
    assert not symmetric_positive(a, 0.4)
    for bad in (np.diag([1.0, 1.0, 0.0]), np.diag([1.0, -1.0, 1.0]), np.eye(3) + np.triu(np.ones((3, 3)), 1),
                np.full((3, 3), np.nan)):  # fmt: skip
        assert not symmetric_positive(bad, 10.0)


def place(arm, q):
    data = arm.model.createData()
    pinocchio.framesForwardKinematics(arm.model, data, q)
    return data.oMf[arm.model.getFrameId(arm.end_effector)]


def test_tool_is_as_long_and_as_heavy_as_asked_and_the_arm_itself_stays_as_it_was():
    before = sum(i.mass for i in BARE.model.inertias)
    long = with_tool(BARE, 0.2, 0.3)
    assert sum(i.mass for i in long.model.inertias) == pytest.approx(before + 0.3)
    assert sum(i.mass for i in BARE.model.inertias) == before
    hand, tip = place(BARE, DOWN), place(long, DOWN)
    assert tip.translation == pytest.approx(hand.translation + 0.2 * hand.rotation[:, 2])
    # Half way down it hangs: gravity's torques are those of its weight there.
    data, held = BARE.model.createData(), long.model.createData()
    frame = BARE.model.getFrameId(BARE.end_effector)
    full = pinocchio.computeFrameJacobian(BARE.model, data, DOWN, frame, pinocchio.LOCAL_WORLD_ALIGNED)
    lever = pinocchio.skew(0.1 * hand.rotation[:, 2])
    extra = (full[:3] - lever @ full[3:]).T @ np.array([0.0, 0.0, 0.3 * 9.81])
    gravity = pinocchio.computeGeneralizedGravity(BARE.model, data, DOWN)
    assert pinocchio.computeGeneralizedGravity(long.model, held, DOWN) == pytest.approx(gravity + extra)
    for length, mass in ((-0.1, 0.1), (0.1, -0.1), (math.nan, 0.1), (0.1, math.inf)):
        with pytest.raises(ModelError, match="finite"):
            with_tool(BARE, length, mass)


def test_task_coordinates_move_as_their_jacobian_says():
    rng = np.random.default_rng(0)
    tip, h = TipModel(ARM), 1e-6
    for _ in range(10):
        q, dq = DOWN + rng.uniform(-0.3, 0.3, 7), rng.normal(size=7)
        tip.update(q, dq)
        before, after = place(ARM, q - h * dq), place(ARM, q + h * dq)
        velocity = (after.translation - before.translation) / (2 * h)
        assert tip.velocity == pytest.approx(velocity, abs=1e-6)
        # The tilt's speed is the turning of the axis: its square is that of the axis' own velocity.
        axis = (after.rotation[:, 2] - before.rotation[:, 2]) / (2 * h)
        assert np.linalg.norm(tip.speeds[3:]) == pytest.approx(np.linalg.norm(axis), abs=1e-6)
        assert np.linalg.norm(tip.tilt) == pytest.approx(math.acos(np.clip(-tip.axis[2], -1, 1)), abs=1e-6)
        mass = pinocchio.crba(ARM.model, ARM.model.createData(), q)
        mass = np.triu(mass) + np.triu(mass, 1).T
        spread = tip.jacobian @ np.linalg.solve(mass, tip.jacobian.T)
        assert np.linalg.inv(tip.inertia) == pytest.approx(spread, abs=2e-4)
        assert np.linalg.inv(tip.translation) == pytest.approx(spread[:3, :3], abs=2e-4)


def test_power_of_the_tilt_turns_the_axis_towards_the_wanted_one():
    rng = np.random.default_rng(1)
    tip, h = TipModel(ARM), 1e-5
    for _ in range(10):
        q, dq = DOWN + rng.uniform(-0.3, 0.3, 7), rng.normal(size=7)
        tip.update(q, dq)
        gained = float(tip.tilt @ tip.speeds[3:])
        size = []
        for sign in (-1.0, 1.0):
            tip.update(q + sign * h * dq, dq)
            size.append(0.5 * float(tip.tilt @ tip.tilt))
        assert gained == pytest.approx(-(size[1] - size[0]) / (2 * h), abs=1e-6)


@pytest.mark.integration
def test_a_steady_force_displaces_the_tip_by_force_over_stiffness_and_keeps_the_tool_upright():
    arm = Balance(EnergyTank(10.0, 0.1, 20.0))
    stiffness = np.array([[400.0, 100.0, 0.0], [100.0, 700.0, 0.0], [0.0, 0.0, 1000.0]])
    arm.spring.aim(DOWN_TIP, stiffness, 0.1)
    force = np.array([4.0, -6.0, 3.0])
    for _ in range(2500):
        arm.tick(force, steps=2)
    moved = arm.tip.position - DOWN_TIP
    assert moved == pytest.approx(np.linalg.solve(stiffness, force), abs=3e-4)
    assert np.linalg.norm(arm.tip.tilt) < 0.01
    assert np.abs(arm.dq).max() < 2e-3


@pytest.mark.integration
def test_a_step_of_the_reference_is_followed_without_overshoot():
    arm = Balance(EnergyTank(10.0, 0.1, 20.0))
    goal = DOWN_TIP + [0.0, 0.03, 0.0]
    arm.spring.aim(goal, np.diag([800.0, 800.0, 1000.0]), 0.1)
    places = []
    for _ in range(700):
        arm.tick(np.zeros(3), steps=2)
        places.append(arm.tip.position.copy())
    places = np.array(places)
    assert places[:, 1].max() - goal[1] < 0.0015
    assert np.linalg.norm(places[-1] - goal) < 0.001
    assert np.abs(places[:, 2] - goal[2]).max() < 0.003


@pytest.mark.integration
def test_posture_comes_back_without_moving_the_tip():
    arm = Balance(EnergyTank(10.0, 0.1, 20.0))
    tip = arm.tip
    tip.update(DOWN, np.zeros(7))
    null = scipy.linalg.null_space(tip.jacobian)[:, 0]
    for _ in range(60):  # along the null space, with the tip and the tilt brought back
        arm.q = arm.q + 0.01 * null
        tip.update(arm.q, np.zeros(7))
        error = np.concatenate([DOWN_TIP - tip.position, tip.tilt])
        arm.q = arm.q + np.linalg.pinv(tip.jacobian) @ error
        tip.update(arm.q, np.zeros(7))
        null_now = scipy.linalg.null_space(tip.jacobian)
        null = null_now @ (null_now.T @ null)
        null /= np.linalg.norm(null)
    off = np.linalg.norm(arm.q - DOWN)
    arm.spring.aim(DOWN_TIP, np.diag([800.0, 800.0, 1000.0]), 0.1)
    worst = 0.0
    for _ in range(2000):
        arm.tick(np.zeros(3), steps=2)
        worst = max(worst, float(np.linalg.norm(arm.tip.position - DOWN_TIP)))
    assert off > 0.3
    assert np.linalg.norm(arm.q - DOWN) < 0.1 * off
    assert worst < 0.004


def test_gains_that_make_no_sense_are_refused():
    tip = TipModel(ARM)
    for bad in ({"tilt_stiffness": 0.0}, {"ratio": 0.0}, {"ratio": math.inf}, {"posture_rate": -1.0}):
        with pytest.raises(ConfigError, match="must be positive"):
            ImpedanceLaw(tip, **bad)
    with pytest.raises(ConfigError, match="joints"):
        ImpedanceLaw(tip, posture=np.zeros(6))
    with pytest.raises(ModelError, match="unit vector"):
        TipModel(ARM, np.array([0.0, 0.0, 2.0]))
