# SPDX-License-Identifier: Apache-2.0
"""Rollout and contact check in one loop: the same paths as the general integrator, the same contacts as its check."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reflexarc.core.errors import ConfigError
from reflexarc.reach.liouville import propagate
from reflexarc.reach.obstacles import Boxes, Discs, Footprint, HalfSpaces, Segments, surround
from reflexarc.reach.risk import touches
from reflexarc.reach.systems import driving
from reflexarc.reach.systems.tracking import Reference, errors, poses, world
from reflexarc.reach.tracked import start_errors, tracked_paths, tracked_touches

STEPS, DT, COUNT = 20, 0.1, 1100
T = DT * np.arange(STEPS + 1)
ROBOT = Footprint(0.05, heading=2, half_length=0.45, half_width=0.3)


def references(seed=0, count=5):
    """Winding references with poses at the outputs."""
    rng = np.random.default_rng(seed)
    time = np.array([0.0, 0.5, 0.9, 2.0])
    found = Reference(time, rng.uniform(0.0, 2.0, (count, 4)), rng.uniform(-1.5, 1.5, (count, 4)))
    start = jnp.array([0.5, -0.3, 2.8])
    places = [
        np.asarray(poses(Reference(time, v, w), start, T))
        for v, w in zip(found.speed, found.turn_rate, strict=True)
    ]
    return found, np.array(places)


def errors_at_start(seed=1, count=COUNT):
    rng = np.random.default_rng(seed)
    away = rng.normal(0.0, [0.3, 0.3, 0.8], (count, 3))
    return np.column_stack([away, rng.uniform(0.0, 0.5, count)]).astype(np.float32)


def test_paths_are_those_of_the_general_integrator():
    reference, places = references()
    x0 = errors_at_start()
    paths = tracked_paths(x0, reference, places, DT, driving.GAINS)
    system = driving.system(dt=DT, steps=STEPS)

    @jax.jit
    @jax.vmap
    def expected(speed, turn_rate, pose):
        own = Reference(reference.time.astype(np.float32), speed, turn_rate)
        path = propagate(system, x0, STEPS, 1, "rk4", own, 0.0, gain=False)[1]
        return world(path[..., :3], pose[:, None])

    given = (part.astype(np.float32) for part in (reference.speed, reference.turn_rate, places))
    assert np.abs(paths - np.asarray(expected(*given))).max() < 5e-6
    assert np.ptp(paths[..., :2]) > 2.0


@pytest.mark.parametrize("footprint", [ROBOT, Footprint(0.4)], ids=["rectangle", "disc"])
def test_contacts_are_those_of_the_check_of_the_paths(footprint):
    reference, places = references()
    rng = np.random.default_rng(2)
    centre = places[:, -1, :2].mean(axis=0) + rng.normal(0.0, 2.0, (6, 2))
    around = surround(
        [
            Discs(centre, [0.2] * 6, rng.normal(0.0, 0.7, (6, 2)), [0.1] * 6, [0.2] * 6),
            Segments(np.array([[-1.0, -3.0, 0.5, -2.0]])),
            HalfSpaces(np.array([[1.0, 1.0]]), np.array([3.0])),
        ],
        COUNT,
        rng,
    )
    x0 = errors_at_start()
    found = tracked_touches(x0, reference, places, DT, driving.GAINS, around, footprint)
    expected = touches(tracked_paths(x0, reference, places, DT, driving.GAINS), T, around, footprint)
    assert np.array_equal(found.first, expected.first)
    assert not found.escaped.any()
    for threads in (2, 7):  # the latter are more than there are blocks
        shared = tracked_touches(x0, reference, places, DT, driving.GAINS, around, footprint, threads)
        assert np.array_equal(found.first, shared.first)
    many = (found.first >= 0).sum(axis=1)
    for enough in (100, int(np.median(many))):
        some = tracked_touches(x0, reference, places, DT, driving.GAINS, around, footprint, 2, enough)
        seen = (some.first >= 0).sum(axis=1)
        assert np.array_equal(seen > enough, many > enough), "given up only where it is more than enough"
        assert np.array_equal(some.first[many <= enough], found.first[many <= enough])
        assert (seen < many).any() or enough > 100
    assert 0.1 < (found.first >= 0).mean() < 0.98
    assert len(np.unique(found.first)) > 8


def test_a_block_that_is_done_early_is_left_with_the_right_outputs():
    """Everybody touches within the first outputs; what comes later must not show."""
    reference = Reference(np.zeros(1), np.full((1, 1), 1.5), np.zeros((1, 1)))
    places = np.stack([1.5 * T, 0.0 * T, 0.0 * T], axis=-1)[None]
    around = surround(Segments(np.array([[1.0, -9.0, 1.0, 9.0]])), COUNT, np.random.default_rng(0))
    x0 = np.zeros((COUNT, 4), np.float32)
    found = tracked_touches(x0, reference, places, DT, driving.GAINS, around, ROBOT)
    assert (found.first == math.ceil((1.0 - 0.5) / 0.15)).all()


def test_particles_that_are_not_finite_are_escapes_and_count_as_contacts():
    reference, places = references()
    x0 = errors_at_start()
    x0[3, 0], x0[270, 1], x0[20, 3] = np.nan, np.inf, 1e30  # the last drifts away beyond all bounds
    nowhere = surround(Discs([[90.0, 90.0]], [0.1]), COUNT, np.random.default_rng(0))
    found = tracked_touches(x0, reference, places, DT, driving.GAINS, nowhere, ROBOT)
    assert (found.first[:, [3, 270]] == 0).all() and (found.first[:, 20] > 0).all()
    assert np.array_equal(found.escaped, found.first >= 0)
    assert set(np.flatnonzero(found.escaped.any(axis=0))) == {3, 20, 270}


def test_errors_at_the_start_are_those_of_the_model():
    rng = np.random.default_rng(4)
    robots, pose = rng.uniform(-3.0, 3.0, (50, 3)), np.array([1.0, -2.0, 3.0])
    expected = np.array(errors(robots, np.broadcast_to(pose, (50, 3))))
    expected[:, 2] = np.remainder(expected[:, 2] + math.pi, 2.0 * math.pi) - math.pi
    assert start_errors(robots, pose) == pytest.approx(
        expected, abs=1e-5
    )  # the model's sine is of single precision


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"x0": np.zeros((COUNT, 3))}, "errors must be"),
        ({"x0": np.zeros((COUNT - 1, 4))}, "drawn for 1100 particles"),
        ({"poses": np.zeros((2, STEPS + 1, 3))}, "references come with"),
        ({"poses": np.full((5, STEPS + 1, 3), np.nan)}, "not finite"),
        ({"dt": -0.1}, "does not increase"),
        ({"obstacles": Boxes([[0.0, 0.0]], [[1.0, 1.0]])}, "boxes"),
    ],
)
def test_what_does_not_fit_is_refused(changed, words):
    reference, places = references()
    around = surround(changed.pop("obstacles", Discs([[0.0, 0.0]], [0.1])), COUNT, np.random.default_rng(0))
    given = {"x0": errors_at_start(), "poses": places, "dt": DT} | changed
    with pytest.raises(ConfigError, match=words):
        tracked_touches(given["x0"], reference, given["poses"], given["dt"], driving.GAINS, around, ROBOT)
