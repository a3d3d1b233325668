# SPDX-License-Identifier: Apache-2.0
"""Changes of a plan: they begin where the robot is, at its speed, and lead where they say."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Plan
from reflexarc.reach.systems.tracking import Reference, poses
from reflexarc.reach.variants import KNOT, OFFSETS, SCALES, check_plan, variants

HORIZON = 3.0


def straight(speed=1.5, length=4.25):
    t = np.arange(0.0, length + 1e-9, 0.25)
    return Plan(5.0, "odom", t, np.column_stack([2.0 + speed * t, np.full_like(t, 3.0), np.zeros_like(t)]))


def curve(speed=1.2, radius=4.0, length=4.25):
    t = np.arange(0.0, length + 1e-9, 0.25)
    yaw = 0.4 + speed * t / radius
    x = radius * (np.sin(yaw) - math.sin(0.4))
    y = -radius * (np.cos(yaw) - math.cos(0.4))
    return Plan(0.0, "odom", t, np.column_stack([x, y, yaw]))


def reference_poses(found, index):
    """Where the speeds of a reference lead; the particles' errors obey them."""
    reference = Reference(found.time, found.speed[index], found.turn_rate[index])
    return np.asarray(poses(reference, jnp.asarray(found.pose[index, 0]), jnp.asarray(found.time)))


@pytest.mark.parametrize("plan", [straight(), curve()], ids=["straight", "curve"])
def test_lattice_has_every_scale_and_offset_once_and_the_plan_itself_first(plan):
    found = variants(plan, 1.5, HORIZON, 1.0)
    assert (found.scale[0], found.offset[0]) == (1.0, 0.0)
    pairs = {(round(s, 6), round(d, 6)) for s, d in zip(found.scale, found.offset, strict=True)}
    assert pairs == {(s, round(d, 6)) for s in SCALES for d in OFFSETS}


@pytest.mark.parametrize("plan", [straight(), curve()], ids=["straight", "curve"])
def test_reference_of_the_plan_follows_the_plan(plan):
    speed = float(np.hypot(*(plan.pose[1, :2] - plan.pose[0, :2])) / 0.25)
    found = variants(plan, speed, HORIZON, 1.0)
    wanted = np.column_stack([np.interp(np.arange(13) * KNOT, plan.time, c) for c in plan.pose.T])
    assert found.pose[0, :, :2] == pytest.approx(wanted[:, :2], abs=1e-9)
    assert np.abs(found.pose[0, :, 2] - wanted[:, 2]).max() < 0.05
    assert np.abs(reference_poses(found, 0)[:, :2] - wanted[:, :2]).max() < 0.12


@pytest.mark.parametrize("side", [-0.8, 0.4, 0.8])
def test_offset_is_to_the_left_and_reached_after_two_metres(side):
    found = variants(straight(), 1.5, HORIZON, 1.0)
    index = int(np.argmin(np.abs(found.offset - side) + np.abs(found.scale - 1.0)))
    assert found.pose[index, 0, 1] == pytest.approx(3.0)
    assert found.pose[index, -1, 1] == pytest.approx(3.0 + side)
    assert found.pose[index, -1, 2] == pytest.approx(0.0, abs=1e-9)
    assert np.abs(reference_poses(found, index)[:, :2] - found.pose[index, :, :2]).max() < 0.15


def test_change_of_speed_begins_at_the_measured_speed_and_keeps_the_deceleration():
    found = variants(straight(), 1.5, HORIZON, 1.0)
    slow = int(np.argmin(np.abs(found.scale - 0.2) + np.abs(found.offset)))
    speed = found.speed[slow]
    assert speed[0] == pytest.approx(1.5, abs=0.15)  # the mean of the first quarter of a second
    assert (np.diff(speed) >= -1.0 * KNOT - 1e-6).all()
    assert speed[-1] == pytest.approx(0.3, abs=1e-6)


def test_robot_that_stands_begins_from_standstill():
    speed = variants(straight(), 0.0, HORIZON, 1.0).speed[0]
    assert speed[0] < 0.2
    assert speed[-1] == pytest.approx(1.5, abs=0.05)


def test_turn_on_the_spot_has_no_speed_and_keeps_its_turn_rate():
    t = np.arange(0.0, 4.26, 0.25)
    plan = Plan(0.0, "odom", t, np.column_stack([0 * t, 0 * t, 0.8 * t]))
    found = variants(plan, 0.0, HORIZON, 1.0)
    assert np.abs(found.speed[0]).max() < 1e-9
    full = int(np.argmin(np.abs(found.scale - 1.0) + np.abs(found.offset)))
    assert found.turn_rate[full][-1] == pytest.approx(0.8, abs=0.05)


def table(**changes):
    plan = straight()
    values = {"stamp": plan.stamp, "frame_id": plan.frame_id, "time": plan.time, "pose": plan.pose} | changes
    return Plan(**values)


GOOD = straight()


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (table(time=GOOD.time[:1], pose=GOOD.pose[:1]), "at least two poses"),
        (table(time=np.where(np.arange(18) == 4, np.nan, GOOD.time)), "pose 4 of the plan"),
        (table(pose=np.where(np.arange(18)[:, None] == 7, np.inf, GOOD.pose)), "pose 7 of the plan"),
        (table(time=GOOD.time[::-1]), "must increase"),
        (table(stamp=math.nan), "stamp"),
        (table(time=GOOD.time[:5], pose=GOOD.pose[:5]), "needed are 0 to 3 s"),
    ],
)
def test_plan_that_cannot_be_judged_is_refused_with_the_reason(plan, words):
    with pytest.raises(ConfigError, match=words):
        check_plan(plan, HORIZON)
