# SPDX-License-Identifier: Apache-2.0
"""The torque filter in closed loop with pinocchio's forward dynamics, and its answers to bad input."""

import numpy as np
import pinocchio as pin
import pytest
from scipy.optimize import LinearConstraint, minimize

from reflexarc.barrier.arm.scene import SphereObstacles, Workspace, no_obstacles, table
from reflexarc.barrier.arm.torque_filter import TorqueFilter
from reflexarc.barrier.arm.verdict import Status
from reflexarc.core.errors import ConfigError
from tests.barrier.arm.conftest import configuration, tabletop
from tests.barrier.arm.test_rows import Evaluator
from tests.barrier.arm.test_velocity_filter import TABLE, Judge

PERIOD = 0.001


def _proposal(arm, data, q, dq, goal):
    """Return the torques of a stiff joint-space controller with gravity compensation, beyond the limits at times."""
    held = pin.computeGeneralizedGravity(arm.model, data, q)
    mass = pin.crba(arm.model, data, q)
    mass = np.triu(mass) + np.triu(mass, 1).T
    return mass @ (40.0 * (goal - q) - 12.0 * dq) + held


def _roll(arm, q, dq, torque):
    """Return the state one period later: forward dynamics in four equal steps."""
    data, step = arm.model.createData(), PERIOD / 4
    for _ in range(4):
        dq = dq + step * pin.aba(arm.model, data, q, dq, torque)
        q = q + step * dq
    return q, dq


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_touched_and_no_torque_limit_is_exceeded_in_forward_dynamics(panda, seed):
    things = tabletop(8, seed)
    keep = np.linalg.norm(things.position - np.array([0.307, 0.0, 0.49]), axis=1) > 0.35
    things = SphereObstacles.create(things.position[keep], things.radius[keep])
    filtering = TorqueFilter(panda, Workspace(planes=table(TABLE)), margin=0.005)
    judge, rng, data = Judge(panda, things.radius), np.random.default_rng(seed), panda.model.createData()
    states = {"filtered": (panda.home.copy(), np.zeros(7)), "as proposed": (panda.home.copy(), np.zeros(7))}
    gap, changed, goal = dict.fromkeys(states, np.inf), 0, panda.home
    for step in range(2500):
        if step % 500 == 0:
            goal = rng.uniform(panda.lower, panda.upper)
        for name, (q, dq) in states.items():
            torque = _proposal(panda, data, q, dq, goal)
            if name == "filtered":
                verdict = filtering.step(q, dq, torque, things)
                torque = verdict.command
                assert verdict.status in (Status.PASSED, Status.FILTERED), verdict.reason
                assert verdict.h >= 0.0
                assert (np.abs(torque) <= panda.max_torque).all()
                assert (q >= panda.lower).all() and (q <= panda.upper).all()
                assert (np.abs(dq) <= 1.02 * filtering.max_velocity).all()
                assert (np.abs(dq) <= panda.max_velocity).all()
                changed += verdict.status == Status.FILTERED
            states[name] = _roll(panda, q, dq, np.clip(torque, -panda.max_torque, panda.max_torque))
            if step % 25 == 0:
                gap[name] = min(gap[name], judge(q, things.position))
    assert gap["filtered"] > 0.0
    assert gap["as proposed"] < 0.0
    assert changed > 50


def test_the_torque_is_the_nearest_one_that_keeps_every_row(panda):
    """Against a general-purpose optimiser, with accelerations from pinocchio's forward dynamics."""
    things, alpha = tabletop(4), 10.0
    filtering = TorqueFilter(panda, Workspace(planes=table(0.05), self_collision=True), alpha, alpha)
    evaluate, data = Evaluator(panda, things), panda.model.createData()
    rng, compared = np.random.default_rng(3), 0
    while compared < 8:
        q, dq = configuration(panda, rng), rng.uniform(-0.3, 0.3, 7)
        target = rng.uniform(-1, 1, 7) * panda.max_torque
        verdict = filtering.step(q, dq, target, things)
        if verdict.status != Status.FILTERED or verdict.h < 0.0:
            continue
        compared += 1
        count, *_ = evaluate(q, dq, True)
        kept = evaluate.rows.label[:count, 0] <= 2
        h, rate, bend = (getattr(evaluate.rows, name)[:count][kept] for name in ("h", "rate", "bend"))
        gradient = evaluate.rows.gradient[:count][kept]
        inverse = np.column_stack(
            [
                pin.aba(panda.model, data, q, dq, e) - pin.aba(panda.model, data, q, dq, np.zeros(7))
                for e in np.eye(7)
            ]
        )
        free = pin.aba(panda.model, data, q, dq, np.zeros(7))
        # gradient (inverse tau + free) + bend + 2 alpha rate + alpha^2 h >= 0, and the joints' own
        normals = [-gradient @ inverse, -inverse, inverse, -inverse, inverse]
        both, speed = alpha * alpha, filtering.max_velocity
        offsets = [
            gradient @ free + bend + 2 * alpha * rate + both * h,
            free + 2 * alpha * dq + both * (q - panda.lower),
            -free - 2 * alpha * dq + both * (panda.upper - q),
            free + alpha * (speed + dq),
            -free + alpha * (speed - dq),
        ]
        rows, limits = np.vstack(normals), np.concatenate(offsets)
        reference = minimize(
            lambda u, t=target: 0.5 * np.sum((u - t) ** 2),
            verdict.command,
            jac=lambda u, t=target: u - t,
            bounds=list(zip(-panda.max_torque, panda.max_torque, strict=True)),
            constraints=LinearConstraint(rows, -np.inf, limits),
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-13},
        )
        assert (rows @ verdict.command <= limits + 1e-5 * np.linalg.norm(rows, axis=1)).all()
        assert np.sum((verdict.command - target) ** 2) <= np.sum((reference.x - target) ** 2) + 1e-4


def test_the_end_effector_stays_in_its_box_and_off_singularities_in_forward_dynamics(panda):
    low, high = np.array([0.15, -0.25, 0.25]), np.array([0.75, 0.25, 0.75])
    filtering = TorqueFilter(
        panda, Workspace(box_low=low, box_high=high, manipulability=1e-3, self_collision=False)
    )
    data, tool = panda.model.createData(), panda.model.getFrameId(panda.end_effector)
    rng, q, dq, goal = np.random.default_rng(1), panda.home.copy(), np.zeros(7), panda.home
    changed = relaxed = 0
    for step in range(2000):
        if step % 500 == 0:
            goal = rng.uniform(panda.lower, panda.upper)
        verdict = filtering.step(q, dq, _proposal(panda, data, q, dq, goal), no_obstacles())
        assert (np.abs(verdict.command) <= panda.max_torque).all()
        changed += verdict.status == Status.FILTERED
        relaxed += verdict.status == Status.RELAXED
        q, dq = _roll(panda, q, dq, verdict.command)
        if relaxed == 0:
            jacobian = pin.computeFrameJacobian(panda.model, data, q, tool, pin.LOCAL_WORLD_ALIGNED)
            assert np.prod(np.linalg.svd(jacobian, compute_uv=False)) >= 1e-3 - 2e-4
            pin.framesForwardKinematics(panda.model, data, q)
            at = data.oMf[tool].translation
            assert (at >= low - 2e-3).all() and (at <= high + 2e-3).all()
    assert changed > 50
    assert relaxed < 1000


def test_an_end_effector_that_starts_outside_its_box_comes_back_in_good_order(panda):
    low, high = np.array([0.3, -0.1, 0.3]), np.array([0.6, 0.1, 0.6])
    filtering = TorqueFilter(panda, Workspace(box_low=low, box_high=high))
    data, tool = panda.model.createData(), panda.model.getFrameId(panda.end_effector)
    q, dq = panda.home + np.array([1.2, 0.3, 0.0, 0.3, 0.0, 0.0, 0.0]), np.zeros(7)
    gaps = []
    for _ in range(3000):
        pin.framesForwardKinematics(panda.model, data, q)
        at = data.oMf[tool].translation
        gaps.append(float(np.maximum(low - at, at - high).max()))
        held = pin.computeGeneralizedGravity(panda.model, data, q) - 2.0 * dq
        verdict = filtering.step(q, dq, held, no_obstacles())
        assert verdict.status != Status.BACKUP
        q, dq = _roll(panda, q, dq, verdict.command)
    assert gaps[0] > 0.2
    assert np.max(-np.diff(gaps)) <= 1.1 * 0.2 * PERIOD
    assert gaps[-1] <= 5e-3


def test_gains_that_the_torques_cannot_honour_are_paid_for_with_speed(panda):
    """Whatever the configuration, a joint at its speed limit can brake as its position row asks."""
    data, rng = panda.model.createData(), np.random.default_rng(9)
    limits = {
        alpha: TorqueFilter(panda, Workspace(), alpha, alpha).max_velocity for alpha in (5.0, 10.0, 30.0)
    }
    assert (limits[5.0] >= limits[10.0]).all() and (limits[10.0] > limits[30.0]).any()
    assert (limits[30.0] > 0.0).all()
    short = 0
    for _ in range(300):
        q = configuration(panda, rng)
        for joint in range(7):
            for sign in (1.0, -1.0):
                wanted = sign * 10.0 * np.eye(7)[joint]
                slow = pin.rnea(panda.model, data, q, np.zeros(7), wanted * limits[10.0])
                fast = pin.rnea(panda.model, data, q, np.zeros(7), wanted * panda.max_velocity)
                assert (np.abs(slow) <= 1.05 * panda.max_torque).all()
                short += bool((np.abs(fast) > panda.max_torque).any())
    assert short > 0, "at full speed the gain 10 is too high; otherwise there is nothing to pay"


def test_the_backup_brings_the_arm_to_rest_without_dropping_it(panda):
    filtering = TorqueFilter(panda, Workspace())
    rng = np.random.default_rng(0)
    q, dq = panda.home.copy(), rng.choice([-1, 1], 7) * np.array([1.0, 0.6, 1.0, 1.0, 1.5, 1.5, 1.5])
    start = q.copy()
    nothing = np.full(7, np.nan)
    for _ in range(1000):
        verdict = filtering.step(q, dq, nothing, no_obstacles())
        assert verdict.status == Status.BACKUP and "not finite" in verdict.reason
        assert (np.abs(verdict.command) <= panda.max_torque).all()
        q, dq = _roll(panda, q, dq, verdict.command)
    assert np.abs(dq).max() < 1e-3
    assert np.abs(q - start).max() < 0.3


def test_a_state_that_is_not_finite_is_answered_by_holding_the_last_good_one(panda):
    filtering = TorqueFilter(panda, Workspace())
    q = panda.home + 0.1
    filtering.step(q, np.zeros(7), np.zeros(7), no_obstacles())
    lost = np.full(7, np.nan)
    verdict = filtering.step(lost, np.zeros(7), np.zeros(7), no_obstacles())
    assert verdict.status == Status.BACKUP
    held = pin.computeGeneralizedGravity(panda.model, panda.model.createData(), q)
    assert np.allclose(verdict.command, held, atol=1e-9)


def test_contradictory_obstacles_are_answered_with_the_braking_torque(panda):
    filtering = TorqueFilter(panda, Workspace(), max_slack=1.0)
    hand = _hand(panda)
    sides = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=float)
    balls = SphereObstacles.create(hand + 0.12 * sides, np.full(6, 0.05), -3.0 * sides)
    verdict = filtering.step(panda.home, np.zeros(7), np.zeros(7), balls)
    assert verdict.status == Status.BACKUP
    assert verdict.reason
    held = pin.computeGeneralizedGravity(panda.model, panda.model.createData(), panda.home.copy())
    assert np.allclose(verdict.command, held, atol=1e-9)


def test_concentric_spheres_are_answered_with_the_backup(panda):
    verdict = TorqueFilter(panda, Workspace()).step(
        panda.home, np.zeros(7), np.zeros(7), SphereObstacles.create(_hand(panda)[None], np.array([0.05]))
    )
    assert verdict.status == Status.BACKUP
    assert verdict.h < 0.0


def _hand(arm):
    data = arm.model.createData()
    pin.framesForwardKinematics(arm.model, data, arm.home.copy())
    return data.oMf[arm.model.getFrameId(arm.spheres.links[17])].act(np.array(arm.spheres.centre[17]))


@pytest.mark.parametrize("which", ["q", "dq", "target"])
def test_a_wrong_dimension_is_refused(panda, which):
    values = {"q": panda.home, "dq": np.zeros(7), "target": np.zeros(7), which: np.zeros(8)}
    with pytest.raises(ConfigError, match=r"panda has 7 joints.*\(8,\)"):
        TorqueFilter(panda, Workspace()).step(**values, obstacles=no_obstacles())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha_1": 0.0}, "must be positive"),
        ({"alpha_2": np.nan}, "must be positive"),
        ({"margin": -0.1}, "must not be negative"),
        ({"weight": np.zeros(7)}, "weight must be 7 positive numbers"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(panda, arguments, message):
    with pytest.raises(ConfigError, match=message):
        TorqueFilter(panda, Workspace(), **arguments)
