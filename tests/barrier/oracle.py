# SPDX-License-Identifier: Apache-2.0
"""Brute-force judge of the stopping barrier: drives the braking robot step by step and measures gaps with shapely.

It shares no code with `reflexarc.barrier`; footprint, motion and people are written again from their definitions.
"""

import math

import numpy as np
from shapely import affinity
from shapely.geometry import LineString, Point, Polygon


def smallest_gap_while_braking(
    command, *, size, delay, deceleration, yaw_deceleration, people=(), acceleration=0.0, walls=(), step=0.005
):
    """Smallest gap [m] between a rectangle and everything else from now until it has come to rest.

    The robot starts at the origin, holds `command` (v, omega) for `delay`, then brakes both components at their full
    deceleration. Each person is (x, y, vx, vy, radius) and accelerates straight at the robot's centre all the time.
    Each wall is (x1, y1, x2, y2).
    """
    a, b = size[0] / 2, size[1] / 2
    rectangle = Polygon([(a, b), (a, -b), (-a, -b), (-a, b)])
    lines = [LineString([(w[0], w[1]), (w[2], w[3])]) for w in walls]
    position = np.array([[p[0], p[1]] for p in people], dtype=float).reshape(-1, 2)
    velocity = np.array([[p[2], p[3]] for p in people], dtype=float).reshape(-1, 2)
    x = y = heading = time = 0.0
    v, omega = command
    smallest = math.inf
    while True:
        body = affinity.translate(affinity.rotate(rectangle, heading, origin=(0, 0), use_radians=True), x, y)
        for (px, py), person in zip(position, people, strict=True):
            smallest = min(smallest, body.distance(Point(px, py)) - person[4])
        for line in lines:
            smallest = min(smallest, body.distance(line))
        if v == 0.0 and omega == 0.0 and time >= delay:
            return smallest
        x += v * math.cos(heading) * step
        y += v * math.sin(heading) * step
        heading += omega * step
        towards = np.array([x, y]) - position
        towards /= np.maximum(np.linalg.norm(towards, axis=1, keepdims=True), 1e-9)
        position += velocity * step + 0.5 * acceleration * towards * step**2
        velocity += acceleration * towards * step
        time += step
        if time >= delay - 1e-9:
            v = math.copysign(max(0.0, abs(v) - deceleration * step), v)
            omega = math.copysign(max(0.0, abs(omega) - yaw_deceleration * step), omega)


def smallest_gap_of_a_disc_while_braking(
    command,
    *,
    radius,
    delay,
    deceleration,
    yaw_deceleration,
    people=(),
    acceleration=0.0,
    walls=(),
    step=0.005,
):
    """Smallest gap [m] between a disc that moves in any direction and everything else until it has come to rest.

    `command` is (v_x, v_y, omega) in the body frame. The robot starts at the origin, holds it for `delay`, then brakes:
    the speed keeps its direction in the body, which goes on turning until the yaw rate is braked to zero as well.
    People and walls as in `smallest_gap_while_braking`.
    """
    lines = [LineString([(w[0], w[1]), (w[2], w[3])]) for w in walls]
    position = np.array([[p[0], p[1]] for p in people], dtype=float).reshape(-1, 2)
    velocity = np.array([[p[2], p[3]] for p in people], dtype=float).reshape(-1, 2)
    centre, heading, time = np.zeros(2), 0.0, 0.0
    speed, direction, omega = math.hypot(*command[:2]), math.atan2(command[1], command[0]), command[2]
    smallest = math.inf
    while True:
        for spot, person in zip(position, people, strict=True):
            smallest = min(smallest, float(np.linalg.norm(spot - centre)) - radius - person[4])
        for line in lines:
            smallest = min(smallest, line.distance(Point(centre)) - radius)
        if speed == 0.0 and time >= delay:
            return smallest
        centre = centre + speed * step * np.array(
            [math.cos(heading + direction), math.sin(heading + direction)]
        )
        heading += omega * step
        towards = centre - position
        towards /= np.maximum(np.linalg.norm(towards, axis=1, keepdims=True), 1e-9)
        position = position + velocity * step + 0.5 * acceleration * towards * step**2
        velocity = velocity + acceleration * towards * step
        time += step
        if time >= delay - 1e-9:
            speed = max(0.0, speed - deceleration * step)
            omega = math.copysign(max(0.0, abs(omega) - yaw_deceleration * step), omega)
