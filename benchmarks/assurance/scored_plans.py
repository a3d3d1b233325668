# SPDX-License-Identifier: Apache-2.0
r"""A fixed vocabulary of sampled plans for the delivery robot, and what a learned scorer sees of each.

    plan (v, w): speed and turn rate ramp to v and w, then hold, for 2.4 s;  7 speeds x 15 turn rates = 105 plans
    features of a plan: v, w, the robot's v_0, w_0; exp(-gap / 0.5 m) to people as tracked and exp(-gap / 0.25 m) to
        walls every 0.4 s, people at constant velocity; speed relative to the person who comes nearest, and that gap;
        distance to the carrot at the end in seconds of cruising, bearing there; way point at the end

The realised cost of a plan is that of the dynamic window planner (`reflexarc.policies.dwa`), with people where they
really were according to a log, and `TOUCH` where somebody or something would be touched while moving. The replay is not
reactive: people walk as they did around the robot that was logged.
"""

import math
from typing import NamedTuple

import numba
import numpy as np

from reflexarc.assurance.monitors.entropy import lateral_anchors
from reflexarc.core.types import Array, BaseState
from reflexarc.policies.dwa import DwaConfig

CONFIG = DwaConfig()
LOOKS = 12
STEP = 0.2
"""Between two looks. [s]"""
SPEEDS, TURNS = np.linspace(0.0, 1.5, 7), np.linspace(-1.0, 1.0, 15)
VOCABULARY = np.array([(v, w) for v in SPEEDS for w in TURNS])
"""v, w, shape (105, 2). [m/s, rad/s]"""
ANCHORS = lateral_anchors(1.0, STEP * np.arange(1, LOOKS + 1), (1.2, 0.5, 0.0, -0.5, -1.2))
"""Of the cluster entropy, shape (5, LOOKS, 2). [m]"""
TOUCH = 5.0
"""Cost of touching something while moving. [s]"""
FAR = 4.0
"""Largest gap that is reported. [m]"""
MOVING = 0.1
"""A slower robot that is touched stood. [m/s]"""
FEATURES = 23


class Rollout(NamedTuple):
    """The plans of one moment."""

    body: Array
    """x, y, yaw in base_link, shape (105, LOOKS, 3). [m, rad]"""
    fixed: Array
    """The same in the fixed frame."""
    speed: Array
    """Shape (105, LOOKS). [m/s]"""


class Observation(NamedTuple):
    """What a scorer sees."""

    features: Array
    """Shape (105, FEATURES), float32."""
    cluster: Array
    """Index of each plan's anchor, shape (105,)."""
    rollout: Rollout


def rollout(pose: Array, twist: Array) -> Rollout:
    """Drive every plan from a pose (3,) and twist (2,), with the ramps of the drive."""
    c = CONFIG
    v, w = np.full(len(VOCABULARY), twist[0]), np.full(len(VOCABULARY), twist[1])
    ramp = np.where(VOCABULARY[:, 0] > twist[0], c.acceleration_m_s2, c.deceleration_m_s2) * STEP
    x, y, yaw = np.zeros((3, len(VOCABULARY)))
    body, speed = np.empty((len(VOCABULARY), LOOKS, 3)), np.empty((len(VOCABULARY), LOOKS))
    for k in range(LOOKS):
        v = v + np.clip(VOCABULARY[:, 0] - v, -ramp, ramp)
        turn = c.yaw_acceleration_rad_s2 * STEP
        w = w + np.clip(VOCABULARY[:, 1] - w, -turn, turn)
        middle = yaw + 0.5 * STEP * w
        x, y, yaw = x + STEP * v * np.cos(middle), y + STEP * v * np.sin(middle), yaw + STEP * w
        body[:, k] = np.stack([x, y, yaw], axis=1)
        speed[:, k] = v
    fixed = body.copy()
    cos, sin = math.cos(pose[2]), math.sin(pose[2])
    fixed[..., 0] = pose[0] + cos * body[..., 0] - sin * body[..., 1]
    fixed[..., 1] = pose[1] + sin * body[..., 0] + cos * body[..., 1]
    fixed[..., 2] = pose[2] + body[..., 2]
    return Rollout(body, fixed, speed)


def observe(state: BaseState, carrot: Array, now: float) -> Observation:
    """Return what a scorer sees at time `now` [s] on the way to a carrot, shape (2,) [m]; NaN stays NaN."""
    plans = rollout(state.pose, state.twist)
    people = state.obstacles
    age = min(max(now - people.stamp, 0.0), 1.0) if len(people) else 0.0
    times = age + STEP * np.arange(1, LOOKS + 1)
    at = people.position + times[:, None, None] * people.velocity
    velocity = np.broadcast_to(people.velocity, at.shape)
    near, relative = people_gaps(plans, at, velocity, people.radius)
    wall = wall_gaps(plans, state.walls.segments)
    closest = near.argmin(axis=1)
    rows = np.arange(len(VOCABULARY))
    end = plans.fixed[:, -1]
    to = carrot - end[:, :2]
    bearing = wrapped(np.arctan2(to[:, 1], to[:, 0]) - end[:, 2])
    columns = [
        VOCABULARY,
        np.broadcast_to(state.twist[:2], VOCABULARY.shape),
        np.exp(-near[:, 1::2] / CONFIG.people_scale_m),
        np.exp(-wall[:, 1::2] / CONFIG.wall_scale_m),
        relative[rows, closest][:, None],
        near[rows, closest][:, None],
        np.hypot(to[:, 0], to[:, 1])[:, None] / CONFIG.cruise_speed_m_s,
        bearing[:, None],
        np.abs(bearing)[:, None],
        plans.body[:, -1, :2],
    ]
    squared = ((plans.body[:, None, :, :2] - ANCHORS[None]) ** 2).sum(axis=(2, 3))
    return Observation(
        np.concatenate(columns, axis=1).astype(np.float32), squared.argmin(axis=1).astype(np.int32), plans
    )


def realised(
    plans: Rollout, at: Array, radius: Array, walls: Array, carrot: Array, now: Array
) -> tuple[Array, Array]:
    """Return cost and whether it touches, of every plan, with people where they were.

    Args:
        plans: of the moment.
        at: positions at the looks, NaN where nobody was, shape (LOOKS, n, 2). [m]
        radius: shape (n,). [m]
        walls: segments (m, 4). [m]
        carrot: shape (2,). [m]
        now: positions at the moment itself, shape (n, 2). [m]

    Returns:
        Costs in seconds of cruising, shape (105,), and flags, shape (105,).
    """
    c = CONFIG
    velocity = np.diff(np.concatenate([now[None], at]), axis=0) / STEP
    near, relative = people_gaps(plans, at, velocity, radius)
    wall = wall_gaps(plans, walls)
    moving = plans.speed > MOVING
    touch = ((np.minimum(near, wall) <= 0.0) & moving).any(axis=1)
    to = carrot - plans.fixed[:, -1, :2]
    bearing = wrapped(np.arctan2(to[:, 1], to[:, 0]) - plans.fixed[:, -1, 2])
    people = (np.exp(-np.maximum(near, 0.0) / c.people_scale_m) * (0.3 + relative)).sum(axis=1)
    cost = STEP * (c.people_weight * people + c.wall_weight * np.exp(-wall / c.wall_scale_m).sum(axis=1))
    cost += c.time_weight * np.hypot(to[:, 0], to[:, 1]) / c.cruise_speed_m_s
    return cost + c.heading_weight * np.abs(bearing) + TOUCH * touch, touch


def people_gaps(plans: Rollout, at: Array, velocity: Array, radius: Array) -> tuple[Array, Array]:
    """Return gap to and speed relative to the nearest person, shape (105, LOOKS) each. [m, m/s]

    Args:
        plans: of the moment.
        at: positions at the looks, shape (LOOKS, n, 2); NaN is nobody. [m]
        velocity: shape (LOOKS, n, 2). [m/s]
        radius: shape (n,). [m]
    """
    half = CONFIG.half_length_m, CONFIG.half_width_m
    return _people(
        plans.fixed,
        plans.speed,
        np.ascontiguousarray(at),
        np.ascontiguousarray(velocity),
        np.asarray(radius),
        *half,
    )


def wall_gaps(plans: Rollout, walls: Array) -> Array:
    """Return the gap to the nearest of the segments (m, 4) [m], shape (105, LOOKS). [m]"""
    return _walls(plans.fixed, np.ascontiguousarray(walls), CONFIG.half_length_m, CONFIG.half_width_m)


def wrapped(angle: Array) -> Array:
    """Return the angle in [-pi, pi). [rad]"""
    return (angle + math.pi) % (2.0 * math.pi) - math.pi


@numba.njit(cache=True)
def _gap(pose, px, py, half_length, half_width):  # type: ignore[no-untyped-def]
    dx, dy = px - pose[0], py - pose[1]
    c, s = math.cos(pose[2]), math.sin(pose[2])
    a = abs(c * dx + s * dy) - half_length
    b = abs(c * dy - s * dx) - half_width
    return math.hypot(max(a, 0.0), max(b, 0.0))


@numba.njit(cache=True)
def _people(poses, speed, at, velocity, radius, half_length, half_width):  # type: ignore[no-untyped-def]
    near = np.full(poses.shape[:2], FAR)
    relative = np.zeros(poses.shape[:2])
    for k in range(len(poses)):
        for s in range(poses.shape[1]):
            x, y, yaw = poses[k, s]
            for i in range(at.shape[1]):
                px, py = at[s, i]
                if abs(px - x) < FAR + 1.0 and abs(py - y) < FAR + 1.0:
                    gap = _gap(poses[k, s], px, py, half_length, half_width) - radius[i]
                    if gap < near[k, s]:
                        near[k, s] = gap
                        vx, vy = velocity[s, i]
                        relative[k, s] = math.hypot(
                            speed[k, s] * math.cos(yaw) - vx, speed[k, s] * math.sin(yaw) - vy
                        )
    return near, relative


@numba.njit(cache=True)
def _walls(poses, walls, half_length, half_width):  # type: ignore[no-untyped-def]
    near = np.full(poses.shape[:2], FAR)
    for k in range(len(poses)):
        for s in range(poses.shape[1]):
            x, y = poses[k, s, 0], poses[k, s, 1]
            for j in range(len(walls)):
                ax, ay = walls[j, 2] - walls[j, 0], walls[j, 3] - walls[j, 1]
                length2 = ax * ax + ay * ay
                share = 0.0
                if length2 > 0.0:
                    share = min(max(((x - walls[j, 0]) * ax + (y - walls[j, 1]) * ay) / length2, 0.0), 1.0)
                px, py = walls[j, 0] + share * ax, walls[j, 1] + share * ay
                if abs(px - x) < 1.5 and abs(py - y) < 1.5:
                    near[k, s] = min(near[k, s], _gap(poses[k, s], px, py, half_length, half_width))
    return near
