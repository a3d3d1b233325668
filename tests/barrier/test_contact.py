# SPDX-License-Identifier: Apache-2.0
"""The force barrier, judged by masses that are driven into walls: a simulation that shares no code with it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reflexarc.barrier.contact import REASONS, ContactBarrier, ForceLimits
from reflexarc.core.errors import ConfigError

PERIOD = 0.001
FREE = 1e9
STEPS = 10
PLAIN = ForceLimits(reserve=0.0)


def rotated(rng):
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    return q * np.sign(np.diag(r))


class Drive:
    """A point mass with an inertia tensor on a spring whose reference runs to a goal, before a plane wall."""

    def __init__(self, rng, limits, speed):
        turn = rotated(rng)
        self.inertia = turn @ np.diag(rng.uniform(0.8, 5.0, 3)) @ turn.T
        self.mobility = np.linalg.inv(self.inertia)
        self.stiffness = np.diag(np.exp(rng.uniform(math.log(100.0), math.log(1500.0), 3)))
        root = np.linalg.cholesky(self.inertia)
        inner = np.linalg.inv(root) @ self.stiffness @ np.linalg.inv(root).T
        values, vectors = np.linalg.eigh(inner)
        self.damping = 2.0 * root @ vectors @ np.diag(np.sqrt(values)) @ vectors.T @ root.T
        self.normal = np.array([*rng.normal(size=2), 0.3 * rng.normal()])
        self.normal /= np.linalg.norm(self.normal)
        self.wall = rng.uniform(0.002, 0.04)
        self.k = limits.stiffness * rng.uniform(0.1, 1.0)
        self.friction = rng.uniform(0.0, 0.4)
        self.x, self.v = np.zeros(3), np.zeros(3)
        self.reference = np.zeros(3)
        self.speed = speed
        self.goal = 0.5 * self.normal

    def contact(self):
        depth = self.x @ self.normal - self.wall
        if depth <= 0.0:
            return np.zeros(3)
        force = self.k * depth
        slip = self.v - (self.v @ self.normal) * self.normal
        drag = slip / max(0.01, np.linalg.norm(slip))
        return -force * self.normal - self.friction * force * drag

    def run(self, barrier, seconds, speed_limit=FREE, noise=0.0, delay=0, rng=None, steps=STEPS):
        forces, speeds, felt = [], [], [np.zeros(3)] * (delay + 1)
        for _ in range(round(seconds / PERIOD)):
            step = self.goal - self.reference
            length = np.linalg.norm(step)
            step *= min(1.0, self.speed * PERIOD / max(length, 1e-12))
            stretch, pace, braking = self.reference + step - self.x, step / PERIOD, 0.0
            if barrier is not None:
                measured = felt[0] + (noise * rng.normal(size=3) if noise else 0.0)
                bound = barrier.bound(
                    self.stiffness, stretch, self.damping, pace, self.v, self.inertia, self.mobility, measured,
                    speed_limit, PERIOD,
                )  # fmt: skip
                stretch = stretch * np.array([bound.level, bound.level, bound.upright])
                pace, braking = pace * bound.pace, bound.braking
            self.reference = self.x + stretch
            push = self.stiffness @ stretch + self.damping @ (pace - self.v) - braking * self.v
            for _ in range(steps):
                force = self.contact()
                self.v = self.v + PERIOD / steps * (self.mobility @ (push + force))
                self.x = self.x + PERIOD / steps * self.v
                forces.append(np.linalg.norm(force))
            felt = [*felt[1:], self.contact()]
            speeds.append(np.linalg.norm(self.v))
        return np.array(forces), np.array(speeds)


def longest_run(where):
    """Return the length of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], where.astype(int), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


@pytest.mark.parametrize("seed", range(60))
def test_no_mass_driven_into_a_wall_exceeds_the_peak_or_stays_above_the_sustained_force(seed):
    rng = np.random.default_rng(seed)
    limits = ForceLimits()
    drive = Drive(rng, limits, rng.uniform(0.1, 1.0))
    forces, _ = drive.run(ContactBarrier(limits), 0.8, noise=0.3, delay=int(rng.integers(0, 6)), rng=rng)
    assert forces.max() <= limits.peak
    assert longest_run(forces > limits.sustained) * PERIOD / STEPS <= 0.05
    assert forces.max() > 3.0  # it does get there and press


def test_the_same_masses_without_the_barrier_exceed_the_peak():
    beyond = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        drive = Drive(rng, ForceLimits(), rng.uniform(0.1, 1.0))
        beyond += drive.run(None, 0.7)[0].max() > 40.0
    assert beyond > 40


@pytest.mark.parametrize("seed", range(20))
def test_without_noise_and_reserve_the_peak_is_still_kept(seed):
    rng = np.random.default_rng(1000 + seed)
    forces, _ = Drive(rng, PLAIN, rng.uniform(0.1, 1.0)).run(ContactBarrier(PLAIN), 0.8)
    assert forces.max() <= PLAIN.peak


@pytest.mark.parametrize("seed", range(12))
def test_a_mass_that_is_already_too_fast_is_braked_and_never_pushed(seed):
    rng = np.random.default_rng(seed)
    drive = Drive(rng, PLAIN, 0.5)
    drive.v = 0.5 * drive.normal
    barrier = ContactBarrier(PLAIN)
    bound = barrier.bound(
        drive.stiffness, 0.02 * drive.normal, drive.damping, drive.normal, drive.v, drive.inertia, drive.mobility,
        np.zeros(3), FREE, PERIOD,
    )  # fmt: skip
    assert bound.binding == 1
    assert bound.braking == PLAIN.braking
    with_it = drive.run(barrier, 0.4)[0].max()
    other = Drive(np.random.default_rng(seed), PLAIN, 0.5)
    other.v = 0.5 * other.normal
    assert with_it < 0.8 * other.run(None, 0.4)[0].max()


@settings(max_examples=200, deadline=None)
@given(
    st.floats(0.3, 8.0), st.floats(0.0, 0.3), st.floats(0.0, 38.0), st.floats(1e3, 4e4), st.floats(0.0, 0.95),
    st.floats(0.0, 60.0),
)  # fmt: skip
def test_predicted_peak_is_reached_by_no_one_dimensional_collision(mass, speed, force, surface, ratio, push):
    limits = ForceLimits(stiffness=surface, reserve=0.0, braking=0.0)
    damping = 2.0 * ratio * math.sqrt(surface * mass)
    barrier = ContactBarrier(limits)
    stiffness = 500.0
    bound = barrier.bound(
        stiffness * np.eye(3), np.array([push / stiffness, 0.0, 0.0]), damping * np.eye(3), np.zeros(3),
        np.array([speed, 0.0, 0.0]), mass * np.eye(3), np.eye(3) / mass, np.array([-force, 0.0, 0.0]), FREE, PERIOD,
    )  # fmt: skip
    assert bound.push <= push * (1.0 + 1e-9) + 1e-9
    depth, v, peak = force / surface, speed, force
    dt = 2e-3 / math.sqrt(surface / mass)
    for _ in range(4000):
        a = (bound.push - damping * v - surface * depth) / mass
        middle = v + dt / 2.0 * a
        depth = depth + dt * middle
        v = middle + dt / 2.0 * (bound.push - damping * middle - surface * depth) / mass
        peak = max(peak, surface * depth)
        if v <= 0.0:
            break
    assert peak <= bound.peak * 1.002 + 0.02 + (force if force < limits.touching else 0.0)
    if bound.push > 0.0:
        assert bound.peak <= max(limits.peak, force) * (1.0 + 1e-6)


def still(push, force=(0.0, 0.0, 0.0), velocity=(0.0, 0.0, 0.0), limits=PLAIN, speed_limit=FREE, mass=2.0):
    """Return the bound of a push [N] by a spring of 500 N/m of a mass of 2 kg with a damper of 60 N s/m."""
    return ContactBarrier(limits).bound(
        500.0 * np.eye(3), np.array(push) / 500.0, 60.0 * np.eye(3), np.zeros(3), np.array(velocity),
        mass * np.eye(3), np.eye(3) / mass, np.array(force), speed_limit, PERIOD,
    )  # fmt: skip


def test_what_is_small_enough_passes_untouched():
    bound = still([10.0, 5.0, 2.0])
    assert (bound.upright, bound.level, bound.binding, bound.braking) == (1.0, 1.0, 0, 0.0)
    assert bound.push == bound.wanted == pytest.approx(math.sqrt(129.0))
    assert bound.peak == pytest.approx(2.0 * math.sqrt(129.0))  # twice a push that meets a wall from rest


def test_at_rest_half_the_peak_may_be_pushed_before_contact_and_the_sustained_force_in_it():
    assert still([100.0, 0.0, 0.0]).push == pytest.approx(20.0)
    pressed = still([100.0, 0.0, 0.0], force=[-24.0, 0.0, 0.0])
    assert pressed.push == pytest.approx(25.0)
    assert REASONS[pressed.binding] == "sustained force"


def test_force_beyond_the_push_is_taken_off_the_sustained_limit():
    assert still([18.0, 0.0, 0.0], force=[-60.0, 0.0, 0.0]).push < 18.0
    assert still([20.0, 0.0, 0.0], force=[-20.0, 0.0, 0.0]).push == pytest.approx(20.0)


def test_height_is_held_while_the_level_part_is_cut():
    bound = still([80.0, 0.0, 6.0])
    assert bound.upright == 1.0
    assert bound.level == pytest.approx(math.sqrt(20.0**2 - 6.0**2) / 80.0)
    both = still([10.0, 0.0, 30.0])
    assert both.upright == both.level == pytest.approx(20.0 / math.sqrt(1000.0))


def test_across_a_contact_less_may_be_pushed_the_more_it_is_loaded():
    shares = [still([0.0, 60.0, 0.0], force=[-c, 0.0, 0.0]).push for c in (5.0, 15.0, 24.0)]
    assert shares[0] > shares[1] > shares[2] > 0.0


def test_push_away_from_a_contact_is_not_cut_by_it():
    away = still([-15.0, 0.0, 0.0], force=[-24.0, 0.0, 0.0])
    assert away.binding in (0, 4)
    assert still([-15.0, 0.0, 0.0], force=[-15.0, 0.0, 0.0]).push > 8.0


def test_closing_near_the_limit_is_braked_and_leaving_is_not():
    assert still([0.0, 0.0, 0.0], force=[-34.0, 0.0, 0.0], velocity=[0.02, 0.0, 0.0]).braking > 50.0
    assert still([0.0, 0.0, 0.0], force=[-34.0, 0.0, 0.0], velocity=[-0.02, 0.0, 0.0]).braking == 0.0


def test_a_mode_bounds_the_speed_that_a_push_leads_to():
    bound = still([18.0, 0.0, 0.0], speed_limit=0.1)
    assert bound.push == pytest.approx(60.0 * 0.1)
    assert REASONS[bound.binding] == "speed of the mode"
    assert still([0.0, 0.0, 0.0], velocity=[0.0, 0.15, 0.0], speed_limit=0.1).braking == PLAIN.braking


@pytest.mark.parametrize("seed", range(8))
def test_no_mass_gets_faster_than_its_mode(seed):
    rng = np.random.default_rng(seed)
    limits = ForceLimits(stiffness=2000.0)
    drive = Drive(rng, limits, 1.0)
    drive.wall = 10.0
    _, speeds = drive.run(ContactBarrier(limits), 1.0, speed_limit=0.08)
    assert 0.03 < speeds.max() <= 0.08 * 1.05


def test_steady_speed_is_the_one_that_the_simulation_settles_at():
    limits = ForceLimits(reserve=0.0)
    rng = np.random.default_rng(0)
    drive = Drive(rng, limits, 2.0)
    drive.inertia, drive.mobility = 2.0 * np.eye(3), np.eye(3) / 2.0
    drive.stiffness, drive.damping = 450.0 * np.eye(3), 60.0 * np.eye(3)
    drive.normal, drive.goal, drive.wall = np.array([1.0, 0, 0]), np.array([5.0, 0, 0]), 10.0
    _, speeds = drive.run(ContactBarrier(limits), 1.0)
    assert speeds[-1] == pytest.approx(ContactBarrier(limits).speed(2.0, 60.0), rel=0.02)


def test_a_body_that_gives_way_may_be_met_faster():
    fixed, hand = ForceLimits(stiffness=75e3), ForceLimits(stiffness=75e3, body=0.6)
    assert ContactBarrier(hand).speed(3.0) > 1.5 * ContactBarrier(fixed).speed(3.0)
    # two masses with a spring: P = v sqrt(mu k)
    assert ContactBarrier(hand).speed(3.0) == pytest.approx(36.0 / math.sqrt(0.5 * 75e3))
    assert (
        still([20, 0, 0], velocity=[0.2, 0, 0], limits=hand).push
        > still([20, 0, 0], velocity=[0.2, 0, 0], limits=fixed).push
    )


@pytest.mark.parametrize(
    "bad",
    [{"peak": 20.0}, {"sustained": 0.0}, {"stiffness": math.inf}, {"body": 0.0}, {"reserve": 1.0}, {"touching": 39.0},
     {"braking": -1.0}, {"peak": math.nan}],
)  # fmt: skip
def test_limits_that_make_no_sense_are_refused(bad):
    with pytest.raises(ConfigError, match="needed"):
        ForceLimits(**bad)
