# SPDX-License-Identifier: Apache-2.0
"""The contract of plants for a mobile base: every plant's tests inherit `PlantContract` and fill in how it is made.

The robot stands 0.3 m in front of a bollard and looks at it, along +y of the fixed frame; a person stands behind it. So
one world serves for motion, for a hit against something fixed (forwards) and for one against a body (backwards).
"""

import hashlib
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

import numpy as np
import pytest

from reflexarc.core.errors import PlantError
from reflexarc.core.plant import ContactClass, ContactEvent, Plant
from reflexarc_sim import load_scenario
from reflexarc_sim.crowd import PEDESTRIAN_MASS, PEDESTRIAN_RADIUS

from .conftest import EMPTY, Standing

SPIN = 0.0211 + 0.01  # [kg m^2] a driven wheel and its motor's armature, models/segway_e1
DRAG = 0.02  # [N m s] of its bearing
BEHIND = 0.6  # [m] between hull and person
WORLD = {
    **EMPTY,
    "world.bollards": "1",
    "plant.start": "bollard",
    "cargo.pieces": "0",
    "plant.step_period": "0.005",
    "plant.physics_period": "0.005",
}


class PlantContract(ABC):
    """What every plant promises. Subclasses are collected by pytest, this class is not."""

    @staticmethod
    @abstractmethod
    def make(scenario) -> Plant:
        """Return the plant of a scenario, not yet reset."""

    @staticmethod
    @abstractmethod
    def nobody_braces(plant) -> AbstractContextManager[None]:
        """Let people be moved by the hull alone, without the force that they brace with, while the context is open."""

    @pytest.fixture(scope="class")
    @classmethod
    def scenario(cls):
        return load_scenario("sidewalk_delivery", WORLD)

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, scenario):
        """One plant for all tests of the class: they reset it themselves."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("reflexarc_sim.mujoco_plant.plant.make_crowd", cls._person_behind)
            plant = cls.make(scenario)
            yield plant
            plant.close()

    @pytest.fixture
    def ready(self, made):
        """That plant, at the start of the run of seed 0."""
        self.first = made.reset(0)
        return made

    @staticmethod
    def _person_behind(scenario, world, seed, rng):
        bollard = next(o for o in world.obstacles if o.contact_class is ContactClass.BOLLARD)
        x, y = bollard.centre
        length = 0.89  # [m] of the robot, models/segway_e1
        return Standing((x, y - bollard.half_size[0] - 0.3 - length - BEHIND - PEDESTRIAN_RADIUS))

    @staticmethod
    def _drive(plant, v, omega, seconds):
        """Hold a command; return the states and what happened."""
        states, seen = [], []
        for _ in range(round(seconds / plant.step_period)):
            state, events = plant.step(np.array([v, omega]))
            states.append(state)
            seen.extend(events)
        return states, seen

    @staticmethod
    def _bytes(states):
        digest = hashlib.sha256()
        for s in states:
            for part in (s.pose, s.twist, s.obstacles.position, s.obstacles.velocity, s.walls.segments):
                digest.update(np.ascontiguousarray(part).tobytes())
            digest.update(np.float64(s.stamp).tobytes())
        return digest.hexdigest()

    def _run(self, plant, seed):
        first = plant.reset(seed)
        return self._bytes([first, *self._drive(plant, -0.5, 0.4, 0.15)[0]])

    def test_it_has_what_the_protocol_asks_for(self, made):
        for name in ("step_period", "time", "reset", "step", "close"):
            assert hasattr(made, name)
            assert hasattr(Plant, name) or name in Plant.__annotations__

    def test_equal_seeds_give_equal_bytes_and_other_seeds_others(self, made):
        first = self._run(made, 0)
        assert self._run(made, 0) == first
        assert self._run(made, 1) != first
        assert self._run(made, 0) == first

    def test_another_plant_of_the_same_scenario_gives_the_same_bytes(self, made, scenario):
        other = self.make(scenario)
        assert self._run(other, 0) == self._run(made, 0)
        other.close()

    def test_time_is_0_after_a_reset_and_advances_by_the_step_period(self, ready):
        assert ready.time == self.first.stamp == 0.0
        for k in range(1, 8):
            state, _ = ready.step(np.zeros(2))
            assert ready.time == state.stamp == k * ready.step_period

    def test_it_stands_still_without_a_command(self, ready):
        states, seen = self._drive(ready, 0.0, 0.0, 0.3)
        assert np.allclose(states[-1].pose, self.first.pose, atol=1e-3)
        assert np.allclose(states[-1].twist, 0.0, atol=2e-3)
        assert seen == []

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_a_forward_command_moves_along_x_of_base_link_in_metres_per_second(self, ready, sign):
        """The ramp of 1 m/s^2 to 0.3 m/s, after the dead time, is over after 0.45 s."""
        states, _ = self._drive(ready, 0.3 * sign, 0.0, 0.5)
        x, y, yaw = self.first.pose
        moved = states[-1].pose[:2] - (x, y)
        along = moved @ (np.cos(yaw), np.sin(yaw))
        across = moved @ (-np.sin(yaw), np.cos(yaw))
        assert 0.03 < sign * along < 0.3 * 0.5
        assert abs(across) < 2e-3
        assert states[-1].twist[0] == pytest.approx(0.3 * sign, abs=0.02)
        # what is reported is the derivative of where it is
        speed = (states[-1].pose[:2] - states[-3].pose[:2]) @ (np.cos(yaw), np.sin(yaw))
        assert states[-2].twist[0] == pytest.approx(speed / (2 * ready.step_period), abs=0.01)

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_a_positive_yaw_command_turns_counter_clockwise_in_radians_per_second(self, ready, sign):
        states, _ = self._drive(ready, 0.0, 0.4 * sign, 0.5)
        turned = np.array([s.pose[2] for s in states]) - self.first.pose[2]
        assert 0.05 < sign * turned[-1] < 0.4 * 0.5
        assert states[-1].twist[1] == pytest.approx(0.4 * sign, abs=0.04)
        rate = (turned[-1] - turned[-3]) / (2 * ready.step_period)
        assert states[-2].twist[1] == pytest.approx(rate, abs=0.02)
        assert np.linalg.norm(states[-1].pose[:2] - self.first.pose[:2]) < 0.01

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_a_command_beyond_the_limits_is_the_command_at_the_limits(self, made, sign):
        robot = made.robot
        made.reset(0)
        fastest = robot.max_speed if sign > 0 else -robot.max_reverse_speed
        limited = self._drive(made, fastest, sign * robot.max_yaw_rate, 0.2)[0]
        made.reset(0)
        beyond = self._drive(made, 1e3 * sign, 1e3 * sign, 0.2)[0]
        assert self._bytes(beyond) == self._bytes(limited)
        speed = abs(beyond[-1].twist[0])
        assert 0.0 < speed < robot.max_acceleration * 0.2 * 1.1

    def test_a_command_that_is_not_two_finite_numbers_is_refused_and_not_applied(self, ready):
        for command in ([np.nan, 0.0], [0.0, np.inf], [-np.inf, 0.0], [1.0], [1.0, 2.0, 3.0]):
            with pytest.raises(ValueError, match="two finite numbers"):
                ready.step(np.array(command))
            assert ready.time == 0.0
        state, _ = ready.step(np.zeros(2))
        assert np.allclose(state.pose, self.first.pose, atol=1e-3)

    def test_stepping_before_the_first_reset_is_a_plant_error(self, scenario):
        plant = self.make(scenario)
        with pytest.raises(PlantError, match="call reset"):
            plant.step(np.zeros(2))

    def test_a_free_person_takes_the_momentum_of_the_contact(self, ready):
        """Impulse of all contacts = m Delta v of a body that nothing else pushes; the time step rounds by 1 %."""
        with self.nobody_braces(ready):
            _, seen = self._drive(ready, -0.6, 0.0, 1.6)
            assert np.linalg.norm(ready.pedestrians.velocity[0]) > 0.3
            _, later = self._drive(ready, 0.0, 0.0, 0.6)
            gained = PEDESTRIAN_MASS * np.linalg.norm(ready.pedestrians.velocity[0])
        events = [*seen, *later, *ready.finish()]
        assert {(e.contact_class, e.partner) for e in events} == {(ContactClass.PEDESTRIAN, "pedestrian_0")}
        assert gained > 20.0
        assert sum(e.impulse for e in events) == pytest.approx(gained, rel=0.03)
        assert events[0].delta_v == pytest.approx(events[0].impulse / PEDESTRIAN_MASS, rel=0.05)
        assert events[0].robot_speed == pytest.approx(0.6, abs=0.06)

    def test_a_hit_against_something_fixed_takes_the_robots_momentum(self, ready):
        """J = -m Delta v + integral of F, with the ground's push F on the wheels from their spin, slipping or not:

        I domega/dt = tau - d omega - F r, I with the motor's armature. Casters are without friction.
        """
        states, seen, speeds, torques = [self.first], [], [np.zeros(2)], [np.zeros(2)]
        for k in range(300):
            state, events = ready.step(np.array([0.7 if k < 180 else -0.5, 0.0]))
            states.append(state)
            seen.extend(events)
            speeds.append(ready.wheels[0])
            torques.append(ready.wheels[1])
        (event,) = seen
        assert isinstance(event, ContactEvent)
        assert event.contact_class is ContactClass.BOLLARD
        assert event.partner.startswith("bollard")
        assert event.delta_v == 0.0
        dt = ready.step_period
        first, last = round(event.start / dt) - 1, round(event.end / dt)
        turned = [np.sum(speeds[k]) for k in (first, last)]
        spun = dt * sum(np.sum(torques[k] - DRAG * speeds[k]) for k in range(first + 1, last + 1))
        push = (spun - SPIN * (turned[1] - turned[0])) / ready.robot.wheel_radius
        lost = ready.robot.mass * (states[first].twist[0] - states[last].twist[0])
        assert event.impulse == pytest.approx(lost + push, rel=0.03)
        assert lost > 20.0
        assert event.robot_speed == pytest.approx(states[first].twist[0], abs=0.01)
        ahead, yaw = np.array(event.position) - states[first].pose[:2], states[first].pose[2]
        assert 0.3 < ahead @ (np.cos(yaw), np.sin(yaw)) < 0.6

    def test_an_episode_is_reported_once_and_only_when_it_is_over(self, ready):
        _, seen = self._drive(ready, 0.7, 0.0, 1.1)
        touching = ready.finish()
        assert seen == []
        assert len(touching) == 1
        assert ready.finish() == ()
        ready.reset(0)
        _, seen = self._drive(ready, 0.7, 0.0, 0.9)
        _, later = self._drive(ready, -0.5, 0.0, 0.7)
        assert [e.contact_class for e in (*seen, *later)] == [ContactClass.BOLLARD]
        assert later[0].end < ready.time
        assert ready.finish() == ()

    def test_a_reset_in_the_middle_of_a_contact_starts_anew(self, ready):
        fresh = self._run(ready, 0)
        ready.reset(0)
        self._drive(ready, 0.7, 0.0, 1.0)
        assert self._run(ready, 0) == fresh
        assert ready.finish() == ()

    def test_it_can_be_used_after_a_close(self, ready):
        fresh = self._run(ready, 0)
        ready.close()
        ready.close()
        assert self._run(ready, 0) == fresh
