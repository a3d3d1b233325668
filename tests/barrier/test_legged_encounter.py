# SPDX-License-Identifier: Apache-2.0
"""A legged robot and a person as a system: against numpy, its value in closed form, and the barrier learned from it."""

import numpy as np
import pytest

from reflexarc.barrier.certify.certificate import load_certificate
from reflexarc.barrier.learned import load_barrier
from reflexarc.core.errors import UnknownNameError
from reflexarc.core.paths import models_dir
from reflexarc.robots import load_legged
from reflexarc.robots.legged import ENCOUNTER_STATE, PERSON_RADIUS
from reflexarc.robots.systems import ROBOT_SYSTEMS, SYSTEMS, find_system
from reflexarc.robots.systems.integrate import batched, stepper
from reflexarc.robots.systems.legged_encounter import (
    HEADROOM,
    LARGEST_MARGIN,
    PACE,
    SPEED_GAIN,
    legged_encounter,
)
from reflexarc.robots.systems.rollout import rollout

ROBOT = load_legged("go2")
CONTACT, STRONGEST = ROBOT.radius + PERSON_RADIUS, ROBOT.max_deceleration
HIGH = np.array([min(PACE, ROBOT.max_forward_speed), ROBOT.max_lateral_speed]) + HEADROOM
LOW = -np.array([ROBOT.max_backward_speed, ROBOT.max_lateral_speed]) - HEADROOM


@pytest.fixture(scope="module")
def system():
    return find_system("go2_encounter")


@pytest.fixture(scope="module")
def states(system):
    return np.random.default_rng(0).uniform(system.low, system.high, (4000, 6))


def speed_margin(x):
    return SPEED_GAIN * np.minimum(HIGH - x[:, 4:], x[:, 4:] - LOW).min(axis=1)


def margin(x):
    return np.minimum(np.minimum(np.hypot(x[:, 0], x[:, 1]) - CONTACT, speed_margin(x)), LARGEST_MARGIN)


def ideal(x, longest=5.0):
    """V* without speed limits, by the equation of the system's module."""
    t = np.linspace(0.0, longest, 1001)
    place = x[:, None, :2] + (x[:, None, 2:4] - x[:, None, 4:]) * t[:, None]
    return (np.linalg.norm(place, axis=2) + 0.5 * STRONGEST * t**2).min(axis=1) - CONTACT


def witness(x, directions=48, dt=0.01, horizon=4.0):
    """Best smallest distance of constant accelerations, the velocity kept within its limits: below V*."""
    best = np.full(len(x), -np.inf)
    for angle in np.linspace(0.0, 2.0 * np.pi, directions, endpoint=False):
        a = STRONGEST * np.array([np.cos(angle), np.sin(angle)])
        r, p, least = x[:, :2].copy(), x[:, 4:].copy(), np.hypot(x[:, 0], x[:, 1])
        for _ in range(round(horizon / dt)):
            after = np.clip(p + a * dt, LOW, HIGH)
            r, p = r + dt * (x[:, 2:4] - 0.5 * (p + after)), after
            least = np.minimum(least, np.hypot(r[:, 0], r[:, 1]))
        best = np.maximum(best, least)
    return best - CONTACT


def test_numbers_are_the_robots(system):
    assert tuple(c.name for c in system.state) == ENCOUNTER_STATE
    assert system.inputs.radius == ROBOT.max_deceleration == 2.0
    assert system.low[4:] == pytest.approx(LOW)
    assert system.high[4:] == pytest.approx(HIGH)
    assert pytest.approx(0.7428, abs=1e-3) == CONTACT


def test_pair_moves_as_two_bodies_in_a_fixed_frame(system, states):
    u = np.random.default_rng(1).uniform(-1.4, 1.4, (len(states), 2))
    h = system.period
    r, w, p = states[:, :2], states[:, 2:4], states[:, 4:]
    person, robot = r + h * w, h * p + 0.5 * h * h * u
    expected = np.hstack([person - robot, w, p + h * u])
    assert stepper(system)(states, u)[-1] == pytest.approx(expected, abs=1e-12)


def test_margin_is_the_gap_or_the_speed_that_is_left(system, states):
    expected = margin(states)
    assert batched(system.margin)(states) == pytest.approx(expected, abs=1e-6)
    assert (expected < 0.0).any() and (expected == LARGEST_MARGIN).any()
    assert batched(system.margin)(np.zeros((1, 6))) == pytest.approx([-CONTACT], abs=1e-5)


def test_nominal_walks_through_the_person_within_the_limits(system, states):
    u = batched(system.nominal)(states)
    assert (np.linalg.norm(u, axis=1) <= STRONGEST + 1e-9).all()
    ahead = np.array([[3.0, 1.0, 0.0, 0.0, 0.0, 0.0]])
    end = rollout(system, ahead, steps=60, keep_path=True)
    assert (np.abs(end.path[:, 0, 4:]) <= np.array([PACE, ROBOT.max_lateral_speed]) + 1e-6).all()
    assert end.violated.all()
    free = states[(margin(states) > 0.2) & (ideal(states) > 0.2)]
    assert rollout(system, free[:300]).violated.mean() > 0.4


def test_value_without_speed_limits_is_that_of_the_equation():
    """No input does better, and one does as well: the acceleration away from where the person would be."""
    rng = np.random.default_rng(2)
    x = rng.uniform(-1.5, 1.5, (40, 6)) * np.array([2.0, 2.0, 1.0, 1.0, 1.0, 1.0])
    value = ideal(x)
    dt, steps = 0.005, 600
    best = np.full(len(x), -np.inf)
    for trial in range(300):
        q, r = x[:, 2:4] - x[:, 4:], x[:, :2].copy()
        least = np.hypot(r[:, 0], r[:, 1])
        hold, until = np.zeros((len(x), 2)), 0
        for k in range(steps):
            if k == until:
                angle = rng.uniform(-np.pi, np.pi, len(x))
                hold = STRONGEST * np.column_stack([np.cos(angle), np.sin(angle)])
                until = k + (steps if trial < 200 else int(rng.integers(20, 200)))
            after = q - dt * hold
            r, q = r + 0.5 * dt * (q + after), after
            least = np.minimum(least, np.hypot(r[:, 0], r[:, 1]))
        best = np.maximum(best, least)
    assert (best - CONTACT <= value + 1e-3).all()
    assert (best - CONTACT >= value - 0.02).all()


def test_speed_limits_only_lower_the_value(states):
    some = states[:800]
    assert (witness(some) <= ideal(some) + 2e-3).all()


def test_system_is_found_by_its_name():
    assert find_system("go2_encounter") is find_system("go2_encounter")
    assert "go2_encounter" in ROBOT_SYSTEMS
    assert "go2_encounter" not in SYSTEMS
    with pytest.raises(UnknownNameError, match=r"'go2_encounte' in my file; allowed: .*go2_encounter"):
        find_system("go2_encounte", "my file")
    with pytest.raises(UnknownNameError, match="unknown legged robot 'panda'"):
        legged_encounter("panda")


def test_learned_barrier_calls_no_doomed_state_safe(system):
    """At the level of its certificate; doomed: the value without speed limits or the speed margin is negative."""
    folder = models_dir() / "barriers" / "go2_encounter"
    barrier = load_barrier(folder / "barrier.safetensors", ENCOUNTER_STATE)
    certificate = load_certificate(folder / "certificate.json")
    assert certificate.claims["scenario"]["holds"]
    x = np.random.default_rng(3).uniform(system.low, system.high, (20_000, 6))
    value = barrier.shifted(barrier.delta + certificate.delta).values(x)
    best = np.concatenate([ideal(part) for part in np.array_split(x, 20)])
    doomed = np.minimum(best, speed_margin(x)) < 0.0
    assert doomed.sum() > 500
    assert (value[doomed] >= 0.0).mean() < 0.005
    assert (value[~doomed] >= 0.0).mean() > 0.65
