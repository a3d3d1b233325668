# SPDX-License-Identifier: Apache-2.0
"""The contact kernels: the rectangle's against distances of another library, and the sine of compiled loops."""

import numba
import numpy as np
import pytest
from shapely import LineString, Polygon

from reflexarc.reach.compiled_trigonometry import near_sine, sine
from reflexarc.reach.obstacles import Discs, Footprint, Segments, surround
from reflexarc.reach.risk import hits

HALF, ROUND = (0.45, 0.2), 0.15


def outlines(path, yaw):
    """Rectangles at every pose, (K, N) shapely polygons."""
    corners = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * HALF
    c, s = np.cos(yaw), np.sin(yaw)
    turned = np.stack([c * corners[:, 0] - s * corners[:, 1], s * corners[:, 0] + c * corners[:, 1]], axis=-1)
    return [[Polygon(at + turned) for at in row] for row in path]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("yaw", [0.0, 0.7, -2.9, 40.0])
def test_the_rectangle_touches_what_is_within_its_distance_and_nothing_else(dtype, yaw):
    """First contacts of 600 particles with 4 moving discs, some slow and some that leap across in one step."""
    rng = np.random.default_rng(int(abs(10 * yaw)))
    count, t = 600, np.array([0.0, 0.4, 0.5, 1.3])  # two blocks, the last one not full
    path = np.cumsum(
        rng.normal(0.0, [[[0.6, 0.6]], [[0.6, 0.6]], [[0.02, 0.02]], [[2.0, 1.0]]], (4, count, 2)), 0
    )
    discs = Discs(
        rng.uniform(-2, 2, (4, 2)), [0.05, 0.2, 0.3, 0.0], rng.uniform(-2, 2, (4, 2)), [0.3] * 4, [0.5] * 4
    )
    normals = rng.standard_normal((4, 4, count))
    states = np.concatenate([path, np.full((4, count, 1), yaw)], axis=2)
    footprint = Footprint(ROUND, heading=2, half_length=HALF[0], half_width=HALF[1])
    first = hits(states.astype(dtype), t, surround(discs, count, rng, dtype, normals), footprint)
    draws = discs.spread(normals)
    gap = np.full((4, count), np.inf)
    still = outlines(np.zeros((1, 1, 2)), yaw)[0][0]
    for draw, radius in zip(draws, discs.radius, strict=True):
        seen = draw[None, :2] + t[:, None, None] * draw[None, 2:] - path.transpose(0, 2, 1)  # (K, 2, N)
        for k in range(4):
            for i in range(count):
                way = LineString([seen[max(k - 1, 0), :, i], seen[k, :, i]])
                gap[k, i] = min(gap[k, i], still.distance(way) - radius - ROUND)
    expected = np.where((gap <= 0.0).any(axis=0), (gap <= 0.0).argmax(axis=0), -1)
    clear = np.abs(gap).min(axis=0) > (1e-5 if dtype == np.float32 else 1e-9)
    assert np.array_equal(first[clear], expected[clear])
    assert clear.mean() > 0.99
    assert 0.15 < (first >= 0).mean() < 0.95 and len(np.unique(first)) == 5


def test_the_rectangle_touches_the_walls_that_cross_its_path():
    rng = np.random.default_rng(1)
    count, t, yaw = 400, np.array([0.0, 1.0]), 0.4
    path = np.cumsum(rng.normal(0.0, 1.0, (2, count, 2)), axis=0)
    ends = rng.uniform(-3.0, 3.0, (3, 4))
    states = np.concatenate([path, np.full((2, count, 1), yaw)], axis=2)
    footprint = Footprint(heading=2, half_length=HALF[0], half_width=HALF[1])
    first = hits(states, t, surround(Segments(ends), count, rng, np.float64), footprint)
    shapes = outlines(path, yaw)
    walls = [LineString(e.reshape(2, 2)) for e in ends]
    expected = []
    for i in range(count):
        swept = shapes[0][i].union(shapes[1][i]).convex_hull
        at = [shapes[0][i].intersects(w) for w in walls], [swept.intersects(w) for w in walls]
        expected.append(0 if any(at[0]) else 1 if any(at[1]) else -1)
    assert np.array_equal(first, expected)
    assert len(np.unique(first)) == 3


@numba.njit
def _both(x, far, near):
    for i in range(len(x)):
        far[i] = sine(x[i])
        near[i] = near_sine(x[i])


@pytest.mark.parametrize(("dtype", "error"), [(np.float32, 3e-7), (np.float64, 1e-12)])
def test_compiled_sine_is_the_sine(dtype, error):
    x = np.linspace(-1000.0, 1000.0, 100_001).astype(dtype)
    far, near = np.empty_like(x), np.empty_like(x)
    _both(x, far, near)
    assert np.abs(far - np.sin(x.astype(np.float64))).max() < error
    inner = np.abs(x) <= np.pi / 2.0
    assert np.abs(near - np.sin(x.astype(np.float64)))[inner].max() < error
