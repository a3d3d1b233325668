# SPDX-License-Identifier: Apache-2.0
r"""What a robot that tracks one of many references touches first: rollout and contact check in one compiled loop.

The motion is that of `systems.tracking` (Kanayama et al., ICRA 1990): errors, one step of the classical Runge-Kutta
method per output, and the way back to places. Written for vector units: a block of particles goes through a few
outputs at a time, is checked against everything at once while it is in the cache, and is left as soon as all of it has
touched something. The rollouts agree with `liouville.propagate` to rounding; only the log-density is not carried.
Blocks are independent, so that they are shared between threads without a difference in what is found.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.reach.compiled_trigonometry import sine
from reflexarc.reach.contact import hold, sweep, touch
from reflexarc.reach.obstacles import BLOCK, Footprint, Surroundings
from reflexarc.reach.risk import Touches

PIECE = 8
"""Outputs that are rolled out and checked together."""
_RIGHT = np.float32(0.5 * math.pi)


def tracked_touches(
    x0: npt.NDArray[np.float32],
    reference: Any,
    poses: npt.NDArray,
    dt: float,
    gains: Any,
    surroundings: Surroundings,
    footprint: Footprint,
    threads: int = 1,
    enough: int | None = None,
) -> Touches:
    """Return what each particle touches first on each reference, between outputs too.

    Args:
        x0: tracking errors and drift gain (x_e, y_e, theta_e, a) at time 0, shape (N, 4) [m, m, rad, 1/s].
        reference: `tracking.Reference` with speeds (C, S) at shared times (S,).
        poses: of the references at the outputs, shape (C, K + 1, 3). [m, m, rad]
        dt: between outputs. [s]
        gains: `tracking.Gains` of the controller.
        surroundings: of `surround`, drawn for N particles; without boxes.
        footprint: of the robot.
        threads: among which the particles are divided.
        enough: contacts of a reference beyond which only this matters, that there are more; later ones are then not
            looked for. None looks for all.

    Returns:
        Arrays of shape (C, N).

    Raises:
        ConfigError: shapes that do not fit, boxes, which need the whole state, a reference or times that are not
            finite, or draws for another number of particles.
    """
    x0 = np.ascontiguousarray(x0, np.float32)
    poses = np.ascontiguousarray(poses, np.float32)
    speed, turn_rate = _at_stages(reference, dt, poses.shape[1] - 1)
    if x0.ndim != 2 or x0.shape[1] != 4 or poses.ndim != 3 or poses.shape[2] != 3:
        raise ConfigError(f"errors must be (N, 4) and poses (C, K + 1, 3), got {x0.shape} and {poses.shape}")
    if len(speed) != len(poses):
        raise ConfigError(f"{len(speed)} references come with the poses of {len(poses)}")
    if not (dt > 0.0 and all(np.isfinite(part).all() for part in (speed, turn_rate, poses))):
        raise ConfigError("the reference holds a number that is not finite, or its time does not increase")
    if surroundings.boxes:
        raise ConfigError("boxes are not checked here; use `touches`")
    if surroundings.count != len(x0):
        raise ConfigError(
            f"the surroundings were drawn for {surroundings.count} particles, these are {len(x0)}; "
            "each needs its own"
        )
    outputs = poses.shape[1]
    first = np.empty((len(poses), len(x0)), np.int32)
    escape = np.empty_like(first)
    size = np.array([footprint.half_length, footprint.half_width, footprint.radius], np.float32)
    t = (dt * np.arange(outputs)).astype(np.float32)
    numbers = np.array([gains.along, gains.across, gains.heading, dt], np.float32)
    obstacles = tuple(part.astype(np.float32, copy=False) for part in surroundings[:5])
    rectangle = footprint.heading is not None
    limit = len(x0) if enough is None else enough
    blocks = np.linspace(0, -(-len(x0) // BLOCK), max(1, threads) + 1).astype(int).tolist()

    def work(begin: int, end: int) -> None:
        _first_touch(
            begin,
            end,
            x0,
            speed,
            turn_rate,
            poses,
            numbers,
            t,
            rectangle,
            size,
            obstacles,
            limit,
            first,
            escape,
        )

    if threads <= 1:
        work(*blocks)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, blocks[:-1], blocks[1:]))  # a list raises what a thread raised
    escaped = escape < first
    first = np.minimum(first, escape)
    return Touches(np.where(first < outputs, first, -1).astype(np.int32), escaped)


def tracked_paths(
    x0: npt.NDArray[np.float32], reference: Any, poses: npt.NDArray, dt: float, gains: Any
) -> npt.NDArray[np.float32]:
    """Return x, y, yaw of the robots, shape (C, K + 1, N, 3); arguments as of `tracked_touches`."""
    speed, turn_rate = _at_stages(reference, dt, poses.shape[1] - 1)
    numbers = np.array([gains.along, gains.across, gains.heading, dt], np.float32)
    paths = np.empty((*poses.shape[:2], len(x0), 3), np.float32)
    _paths(np.asarray(x0, np.float32), speed, turn_rate, np.asarray(poses, np.float32), numbers, paths)
    return paths


def start_errors(robots: Array, pose: Array) -> Array:
    """Return the tracking errors of robots (N, 3) to one reference pose (3,), heading error in [-pi, pi)."""
    away = pose - robots
    c, s = np.cos(robots[:, 2]), np.sin(robots[:, 2])
    turn = np.remainder(away[:, 2] + math.pi, 2.0 * math.pi) - math.pi
    return np.column_stack([c * away[:, 0] + s * away[:, 1], c * away[:, 1] - s * away[:, 0], turn])


def _at_stages(reference: Any, dt: float, steps: int) -> tuple[npt.NDArray, npt.NDArray]:
    """Return speed and turn rate at begin, middle and end of every step, each of shape (C, steps, 3)."""
    times = dt * (np.arange(steps)[:, None] + np.array([0.0, 0.5, 1.0]))
    knots = np.asarray(reference.time, np.float64)
    return tuple(
        np.array([np.interp(times, knots, row) for row in np.atleast_2d(values)], np.float32)
        for values in (reference.speed, reference.turn_rate)
    )  # pyright: ignore[reportReturnType] - a tuple of two


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _first_touch(
    first_block,
    end_block,
    x0,
    speed,
    turn_rate,
    poses,
    numbers,
    t,
    rectangle,
    size,
    obstacles,
    enough,
    first,
    escape,
):
    """Fill `first` and `escape`, both (C, N), for some blocks, with K + 1 where there is none."""
    candidates, outputs, count = len(poses), poses.shape[1], len(x0)
    state = np.empty((4, BLOCK), np.float32)
    px, py = np.empty((outputs, BLOCK), np.float32), np.empty((outputs, BLOCK), np.float32)
    heading, box = np.empty((outputs, BLOCK), np.float32), np.empty((8, outputs), np.float32)
    turn, turned = np.zeros((outputs, 3, BLOCK), np.float32), np.zeros(outputs, np.bool_)
    before = np.concatenate((t[:1], t[:-1]))
    f, e = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.int32)
    for block in range(first_block, end_block):
        start = block * BLOCK
        end = min(start + BLOCK, count)
        for c in range(candidates):
            _load(x0, start, end, state)
            f[:] = outputs
            e[:] = outputs
            turned[:] = not rectangle
            escaped = False
            for begin in range(0, outputs, PIECE):
                last = min(begin + PIECE, outputs)
                for k in range(begin, last):
                    if k > 0:
                        _step(state, speed[c, k - 1], turn_rate[c, k - 1], numbers)
                    if not _place(state, poses[c, k], px[k], py[k], heading[k]):
                        _escape(k, px, py, heading, e)
                        escaped = True
                    if escaped:
                        hold(k, e, px, py, heading)
                    sweep(k, px, py, box)
                touch(
                    begin,
                    last,
                    px,
                    py,
                    heading,
                    turn,
                    turned,
                    box,
                    before,
                    t,
                    rectangle,
                    size,
                    block,
                    obstacles,
                    f,
                )
                if f.max() < last or (f[: end - start] < last).sum() > enough:
                    break
            first[c, start:end] = f[: end - start]
            escape[c, start:end] = e[: end - start]


@numba.njit(cache=True, error_model="numpy")
def _paths(x0, speed, turn_rate, poses, numbers, paths):
    state, place = np.empty((4, BLOCK), np.float32), np.empty((3, BLOCK), np.float32)
    for start in range(0, len(x0), BLOCK):
        end = min(start + BLOCK, len(x0))
        for c in range(len(poses)):
            _load(x0, start, end, state)
            for k in range(poses.shape[1]):
                if k > 0:
                    _step(state, speed[c, k - 1], turn_rate[c, k - 1], numbers)
                _place(state, poses[c, k], place[0], place[1], place[2])
                paths[c, k, start:end] = place[:, : end - start].T


@numba.njit(cache=True, error_model="numpy")
def _load(x0, start, end, state):
    """Copy a block's errors and drift gains; pad with the last particle's."""
    for row in range(4):
        for i in range(BLOCK):
            state[row, i] = x0[min(start + i, end - 1), row]


@numba.njit(cache=True, error_model="numpy", inline="always")
def _rates(x, y, h, a, v, w, k1, k2, k3):
    """The right-hand side of `systems.tracking`."""
    s = sine(h)
    correction = v * (k2 * y + k3 * s)
    omega = w + correction
    return omega * y + (a - k1) * x, v * s + a * y - omega * x, -correction


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def _step(state, speed, turn_rate, numbers):
    """Carry a block one step further; speeds of the reference at begin, middle and end of it, shape (3,)."""
    k1, k2, k3, dt = numbers
    half, sixth, two = np.float32(0.5) * dt, dt / np.float32(6.0), np.float32(2.0)
    v0, v1, v2 = speed
    w0, w1, w2 = turn_rate
    along, across, heading, drift = state[0], state[1], state[2], state[3]
    for i in range(BLOCK // 2):  # two at a time: each is a long chain, and the processor works on both
        j = i + BLOCK // 2
        x, y, h, a = along[i], across[i], heading[i], drift[i]
        p, q, r, b = along[j], across[j], heading[j], drift[j]
        x1, y1, h1 = _rates(x, y, h, a, v0, w0, k1, k2, k3)
        p1, q1, r1 = _rates(p, q, r, b, v0, w0, k1, k2, k3)
        x2, y2, h2 = _rates(x + half * x1, y + half * y1, h + half * h1, a, v1, w1, k1, k2, k3)
        p2, q2, r2 = _rates(p + half * p1, q + half * q1, r + half * r1, b, v1, w1, k1, k2, k3)
        x3, y3, h3 = _rates(x + half * x2, y + half * y2, h + half * h2, a, v1, w1, k1, k2, k3)
        p3, q3, r3 = _rates(p + half * p2, q + half * q2, r + half * r2, b, v1, w1, k1, k2, k3)
        x4, y4, h4 = _rates(x + dt * x3, y + dt * y3, h + dt * h3, a, v2, w2, k1, k2, k3)
        p4, q4, r4 = _rates(p + dt * p3, q + dt * q3, r + dt * r3, b, v2, w2, k1, k2, k3)
        along[i] = x + sixth * (x1 + two * (x2 + x3) + x4)
        across[i] = y + sixth * (y1 + two * (y2 + y3) + y4)
        heading[i] = h + sixth * (h1 + two * (h2 + h3) + h4)
        along[j] = p + sixth * (p1 + two * (p2 + p3) + p4)
        across[j] = q + sixth * (q1 + two * (q2 + q3) + q4)
        heading[j] = r + sixth * (r1 + two * (r2 + r3) + r4)


@numba.njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _place(state, pose, px, py, heading):
    """Write where the block is, and return whether all of it is finite."""
    along, across, turned = state[0], state[1], state[2]
    total, none = np.float32(0.0), np.float32(0.0)
    for i in range(BLOCK):
        h = pose[2] - turned[i]
        c, s = sine(h + _RIGHT), sine(h)
        px[i] = pose[0] - (c * along[i] - s * across[i])
        py[i] = pose[1] - (s * along[i] + c * across[i])
        heading[i] = h
        total += (px[i] + py[i]) * none  # NaN where one of them is not finite
    return total == none


@numba.njit(cache=True, error_model="numpy")
def _escape(k, px, py, heading, escape):
    for i in range(BLOCK):
        if not (math.isfinite(px[k, i]) and math.isfinite(py[k, i]) and math.isfinite(heading[k, i])):
            escape[i] = min(escape[i], np.int32(k))
