# SPDX-License-Identifier: Apache-2.0
"""The contact model against closed solutions, and its observations against what the arc and the policy compute."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reflexarc.core.errors import UnknownNameError
from reflexarc.reflex.contact.guide import Guide
from reflexarc.reflex.contact.mazes import BALL_RADIUS, BALLS, TIP_RADIUS, WALL_HALF, maze
from reflexarc.reflex.contact.model import STEP_S, Drawn, bank_of, resting, started, stepped
from reflexarc.reflex.contact.problem import ContactProblem
from reflexarc.reflex.contact.view import (
    DECISION_S,
    HIGH,
    LOW,
    STEP,
    along_across,
    direction,
    in_plane,
    newtons_per_metre,
    stiffness_matrix,
    view,
)
from reflexarc.reflex.problem import Problem

PROBLEM = ContactProblem(mazes=8)
CALM = Drawn(mass=(2.0, 0.0), wall=(2e4, 0.0), friction=(0.3, 0.0), delay=1, bias=0.0, noise=0.0)
FAR = np.full((1, 11, 4), 50.0) + np.array([0.0, 0.0, 1.0, 0.0])


def entry(stiffness):
    """Return the entry of an action for a stiffness."""
    return 2.0 * math.log(stiffness / LOW) / math.log(HIGH / LOW) - 1.0


def alone(place=(0.0, 0.0), goal=(0.02, 0.0), stiffness=400.0):
    """Return one tip at rest, drawn to a goal at once, its balls far away."""
    bank = bank_of([maze(0)])
    zero = jnp.zeros((1, 6))
    s = resting(
        bank, CALM, jnp.zeros(1, jnp.int32), jnp.array([place], jnp.float32), zero, jnp.zeros(1, jnp.int32)
    )
    k = jnp.full((1, 2), entry(stiffness), jnp.float32)
    to = jnp.array([goal], jnp.float32)
    return s._replace(
        reference=to,
        goal=to,
        axis=jnp.array([[1.0, 0.0]]),
        stiffness=k,
        balls=s.balls + 20.0,
        mass=jnp.array([2.0]),
    )


def run(s, walls, steps):
    """Return every state on the way."""
    step = jax.jit(stepped)
    out = []
    for _ in range(steps):
        s = step(s, jnp.asarray(walls, jnp.float32))
        out.append(s)
    return out


def test_a_free_tip_is_a_critically_damped_mass():
    way = run(alone(), FAR, 300)
    w = math.sqrt(400.0 / 2.0)
    t = STEP_S * np.arange(1, 301)
    exact = 0.02 * (1.0 - (1.0 + w * t) * np.exp(-w * t))
    found = np.array([float(s.place[0, 0]) for s in way])
    np.testing.assert_allclose(found, exact, atol=3e-4)


def test_a_tip_that_is_pressed_on_a_wall_feels_two_springs_in_series():
    face = TIP_RADIUS + WALL_HALF
    walls = np.concatenate([np.array([[[face, -1.0, face, 1.0]]]), FAR[:, :10]], axis=1)
    s = run(alone(goal=(0.03, 0.0), stiffness=500.0), walls, 1500)[-1]
    assert float(s.force[0, 0]) == pytest.approx(-0.03 / (1 / 500.0 + 1 / 2e4), rel=1e-3)
    assert abs(float(s.force[0, 1])) < 1e-3 and float(s.largest[0]) >= -float(s.force[0, 0])
    assert not bool(s.violated[0]), "15 N, and less than 25 N longer than 50 ms before"
    hard = run(alone(goal=(0.10, 0.0), stiffness=500.0), walls, 400)
    over = [k for k, s in enumerate(hard) if bool(s.violated[0])]
    assert over, "44 N is above them"


def test_a_sustained_force_is_a_failure_after_its_time_only():
    face = TIP_RADIUS + WALL_HALF - 0.0012  # nearly in balance: 24 N at 1.2 mm
    walls = np.concatenate([np.array([[[face, -1.0, face, 1.0]]]), FAR[:, :10]], axis=1)
    way = run(alone(goal=(0.0285, 0.0), stiffness=1000.0), walls, 300)
    size = np.array([float(jnp.linalg.norm(s.force[0])) for s in way])
    first = int(np.argmax(size > 25.0))
    assert size.max() < 40.0
    failed = int(np.argmax([bool(s.violated[0]) for s in way]))
    assert failed - first == pytest.approx(50, abs=2)


def test_friction_resists_sliding_with_its_share_of_the_normal_force():
    face = TIP_RADIUS + WALL_HALF - 0.001
    walls = np.concatenate([np.array([[[-5.0, -face, 5.0, -face]]]), FAR[:, :10]], axis=1)
    s = alone(goal=(0.0, 0.0))._replace(velocity=jnp.array([[0.2, 0.0]]))
    after = jax.jit(stepped)(s, jnp.asarray(walls, jnp.float32))
    share = -float(after.force[0, 0]) / float(after.force[0, 1])
    assert share == pytest.approx(0.3 * 0.2 / 0.21, rel=1e-3), "regularised Coulomb friction"


def test_a_ball_is_pushed_and_pushes_back():
    s = alone(goal=(0.05, 0.0), stiffness=1000.0)
    ball = jnp.array([0.03, 0.0]) + jnp.array([[0.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    way = run(s._replace(balls=ball[None]), FAR, 200)
    assert min(float(s.force[0, 0]) for s in way) < -0.5
    assert float(way[-1].balls[0, 0, 0]) > 0.05 and float(way[-1].balls[0, 1, 0]) == pytest.approx(0.03)


@pytest.mark.parametrize("family", ["train", "held_out"])
def test_mazes_are_open_channels_with_balls_inside(family):
    for seed in range(40):
        m = maze(seed, family)
        line = m.path[: m.pieces + 1]
        for a, b in zip(line[:-1], line[1:], strict=True):
            for t in np.linspace(0.0, 1.0, 9):
                assert _gap(m.walls, a + t * (b - a)) > TIP_RADIUS + WALL_HALF + 1e-3
        assert len(m.balls) == BALLS and all(_gap(m.walls, x) > BALL_RADIUS + WALL_HALF for x in m.balls)
        assert np.linalg.norm(m.plan - m.path, axis=1).max() < 0.09
        np.testing.assert_array_equal(m.walls, maze(seed, family).walls)
    with pytest.raises(UnknownNameError, match="held_out"):
        maze(0, "heldout")


def _gap(walls, x):
    a, d = walls[:, :2], walls[:, 2:] - walls[:, :2]
    t = np.clip(((x - a) * d).sum(1) / (d * d).sum(1), 0.0, 1.0)
    return np.linalg.norm(x - a - t[:, None] * d, axis=1).min()


def test_a_view_does_not_change_when_the_world_is_turned():
    rng = np.random.default_rng(0)
    force, velocity, stretch, left = rng.normal(size=(4, 5, 2))
    k = rng.uniform(-1, 1, (5, 2))
    turn = np.array([[math.cos(1.0), -math.sin(1.0)], [math.sin(1.0), math.cos(1.0)]])
    plain = view(np, force, velocity, stretch, left, k)
    np.testing.assert_allclose(
        plain, view(np, *(x @ turn.T for x in (force, velocity, stretch, left)), k), atol=1e-9
    )
    np.testing.assert_allclose(
        plain, view(jnp, *map(jnp.asarray, (force, velocity, stretch, left, k))), atol=1e-5
    )
    e = direction(np, left)
    np.testing.assert_allclose(in_plane(np, e, along_across(np, e, force)), force, rtol=1e-5)


def test_stiffness_is_turned_into_the_direction_of_motion():
    e, k = np.array([0.6, 0.8]), np.array([entry(1200.0), entry(150.0)])
    found = stiffness_matrix(np, e, k)
    np.testing.assert_allclose(found @ e, 1200.0 * e, rtol=1e-4)
    np.testing.assert_allclose(found @ [-0.8, 0.6], 150.0 * np.array([-0.8, 0.6]), rtol=1e-3)
    np.testing.assert_allclose(stiffness_matrix(np, np.zeros(2), k), 150.0 * np.eye(2), rtol=1e-6)
    assert newtons_per_metre(np.array([-1.0, 1.0])).tolist() == pytest.approx([LOW, HIGH])


def test_the_policy_beside_the_robot_sees_what_the_model_showed_it():
    problem: Problem = PROBLEM
    s = problem.start(jax.random.normal(jax.random.key(0), (4, problem.chance)))
    raw = jnp.tile(jnp.array([[0.8, 0.1, 0.3, -0.2]]), (4, 1))
    step = jax.jit(problem.move)
    for _ in range(6):
        seen = problem.observe(s)
        never = jnp.zeros(4, bool)
        s = problem.begin(s, problem.proposed(seen, raw), ~never, never)
        for _ in range(problem.length):
            s = step(s, None, jnp.zeros((4, 2)))
    seen = problem.observe(s)
    features = np.asarray(problem.task_seen(seen))
    for i in range(4):
        m = maze(int(s.maze[i]))
        guide = Guide(m.plan[: m.pieces + 1])
        guide.at = int(s.at[i])
        guide._advanced = -float(s.stall[i])
        found, e = guide.seen(
            np.asarray(s.place[i], float), np.asarray(s.velocity[i]), np.asarray(seen[i, :2]),
            np.asarray(s.reference[i] - s.place[i]), np.asarray(s.stiffness[i]), 0.0,
        )  # fmt: skip
        np.testing.assert_allclose(found, features[i], atol=2e-4)
        np.testing.assert_allclose(e, seen[i, 8:10], atol=1e-4)


def test_a_reflex_drops_the_stretch_and_a_new_action_does_not():
    s = PROBLEM.start(jnp.zeros((2, PROBLEM.chance)))
    s = s._replace(reference=s.place + 0.01)
    action = jnp.array([[1.0, 0.0, 0.0, 0.0]] * 2)
    after = PROBLEM.begin(s, action, jnp.array([True, True]), jnp.array([False, True]))
    np.testing.assert_allclose(after.reference - s.place, [[0.01, 0.01], [0.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(after.goal - s.place, [[STEP, 0.0]] * 2, atol=1e-6)
    np.testing.assert_allclose(after.pace * DECISION_S, after.goal - after.reference, atol=1e-6)
    np.testing.assert_allclose(PROBLEM.left(after, action)[:, :2], [[1.0, 0.0]] * 2, atol=1e-5)


def test_probes_start_inside_and_a_drawn_start_is_at_rest():
    state, action = PROBLEM.probes(500, np.random.default_rng(0))
    inside = [
        _gap(np.asarray(PROBLEM.bank.walls[m]), np.asarray(x))
        for m, x in zip(state.maze, state.place, strict=True)
    ]
    assert min(inside) > TIP_RADIUS + WALL_HALF - 3e-3 and np.abs(np.asarray(action)).max() <= 1.0
    at_start = started(PROBLEM.bank, Drawn(), jax.random.normal(jax.random.key(1), (64, PROBLEM.chance)))
    assert float(jnp.abs(at_start.velocity).max()) == 0.0 and len(set(at_start.maze.tolist())) > 4
    assert 0.8 < float(at_start.mass.min()) < float(at_start.mass.max()) < 6.0
