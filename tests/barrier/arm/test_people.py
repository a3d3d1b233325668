# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from reflexarc.barrier.analytic.separation import SeparationParameters
from reflexarc.barrier.arm.people import people
from reflexarc.barrier.arm.scene import Workspace
from reflexarc.barrier.arm.velocity_filter import VelocityFilter
from reflexarc.barrier.arm.verdict import Status
from reflexarc.core.errors import ConfigError

CELL = SeparationParameters(reaction=0.02, deceleration=8.0, intrusion=0.05)


def test_a_person_gets_the_separation_distance_of_the_standard():
    """By hand: v_h (T_r + v_r / a) + v_r T_r + v_r^2 / (2 a) + C, walking speed 1.6 m/s where none is measured."""
    where, size = np.array([[1.0, 0.0, 0.5], [1.0, 1.0, 0.5]]), np.array([0.1, 0.2])
    speed = 0.5
    rest = 0.02 * speed + speed**2 / 16.0 + 0.05
    unmeasured = people(where, size, CELL, speed)
    assert np.allclose(unmeasured.clearance, 1.6 * (0.02 + speed / 8.0) + rest)
    measured = people(where, size, CELL, speed, velocity=np.array([[0.0, 0.0, 0.0], [0.3, 0.4, 0.0]]))
    assert np.allclose(measured.clearance, np.array([0.0, 0.5]) * (0.02 + speed / 8.0) + rest)


def test_the_arm_keeps_the_separation_distance_from_a_person_whom_it_is_sent_into(panda):
    filtering, period = VelocityFilter(panda, Workspace(), 0.002), 0.002
    hand = np.array([[0.75, 0.25, 0.55]])
    person = people(hand, np.array([0.1]), CELL, robot_speed=0.5)
    q, turned, gap = panda.home.copy(), 0, np.inf
    for _ in range(2000):
        verdict = filtering.step(q, np.zeros(7), np.array([0.6, 0.5, 0.0, 0.4, 0.0, 0.0, 0.0]), person)
        assert verdict.status <= Status.FILTERED
        turned += verdict.status == Status.FILTERED
        q = q + period * verdict.command
        apart = np.linalg.norm(filtering.centres(q)[:21] - hand, axis=1) - panda.spheres.radius[:21] - 0.1
        gap = min(gap, float(apart.min()))
    assert turned > 100
    assert person.clearance[0] <= gap < person.clearance[0] + 0.1


def test_a_person_whose_speed_is_no_number_stops_the_arm(panda):
    lost = people(np.array([[2.0, 0, 0]]), np.array([0.1]), CELL, 0.5, velocity=np.array([[np.nan, 0, 0]]))
    verdict = VelocityFilter(panda, Workspace(), 0.002).step(panda.home, np.zeros(7), np.ones(7), lost)
    assert verdict.status == Status.BACKUP


@pytest.mark.parametrize("speed", [-0.1, np.nan, np.inf])
def test_a_robot_speed_that_makes_no_sense_is_refused(speed):
    with pytest.raises(ConfigError, match="robot_speed"):
        people(np.zeros((1, 3)), np.ones(1), CELL, speed)
