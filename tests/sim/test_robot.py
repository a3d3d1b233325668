# SPDX-License-Identifier: Apache-2.0
"""The simulated robot has the mass, size, speed and brakes that robot.yaml states."""

import mujoco
import numpy as np
import pytest

from reflexarc.core.errors import ModelError
from reflexarc.robots import load_robot
from reflexarc_sim.mujoco_plant.drive import Drive, DriveParameters, load_drive

ROBOT = load_robot("segway_e1")


@pytest.fixture(scope="module")
def model():
    return mujoco.MjModel.from_xml_path(str(ROBOT.mjcf))


def test_mass_is_the_stated_one(model):
    assert model.body_subtreemass[model.body("base_link").id] == pytest.approx(ROBOT.mass, abs=1e-6)


def test_hull_has_exactly_the_stated_footprint_and_height(model):
    hull = model.geom("hull")
    assert 2 * hull.size[0] == pytest.approx(ROBOT.length, abs=1e-9)
    assert 2 * hull.size[1] == pytest.approx(ROBOT.width, abs=1e-9)
    assert np.allclose(hull.pos[:2], 0.0)
    assert hull.pos[2] + hull.size[2] == pytest.approx(ROBOT.height, abs=1e-9)


def test_nothing_sticks_out_of_the_footprint(model):
    for i in range(model.ngeom):
        body = model.geom_bodyid[i]
        offset = model.geom_pos[i, :2] + (model.body_pos[body, :2] if model.geom(i).name != "hull" else 0.0)
        if model.geom_type[i] == mujoco.mjtGeom.mjGEOM_SPHERE:
            reach = np.abs(offset) + model.geom_size[i, 0]
            assert np.all(reach <= (ROBOT.length / 2 + 1e-9, ROBOT.width / 2 + 0.07)), model.geom(i).name


def test_wheels_and_lidar_are_where_robot_yaml_says(model):
    left, right = model.body("wheel_left").pos, model.body("wheel_right").pos
    assert left[1] - right[1] == pytest.approx(ROBOT.track)
    assert left[0] == right[0] == 0.0
    assert model.geom("wheel_left").size[0] == pytest.approx(ROBOT.wheel_radius)
    assert np.allclose(model.site("lidar").pos, (ROBOT.lidar_x, ROBOT.lidar_y, ROBOT.lidar_z))


def test_top_speed_is_reached_and_not_exceeded(plant, hold):
    states = hold(plant, 10.0, 0.0, 5.0)
    speeds = np.array([s.twist[0] for s in states])
    assert speeds[-1] == pytest.approx(ROBOT.max_speed, rel=0.01)
    assert speeds.max() <= 1.01 * ROBOT.max_speed


def test_yaw_rate_is_limited(plant, hold):
    rates = np.array([s.twist[1] for s in hold(plant, 0.0, 10.0, 3.0)])
    assert rates[-1] == pytest.approx(ROBOT.max_yaw_rate, rel=0.02)
    assert rates.max() <= 1.03 * ROBOT.max_yaw_rate


def test_reverse_is_limited(plant, hold):
    assert hold(plant, -5.0, 0.0, 2.0)[-1].twist[0] == pytest.approx(-ROBOT.max_reverse_speed, rel=0.02)


def test_speeding_up_keeps_to_the_acceleration_limit(plant, hold):
    states = hold(plant, 3.0, 0.0, 2.0)
    speeds = np.array([s.twist[0] for s in states])
    assert np.diff(speeds[::20]).max() / (20 * plant.step_period) <= 1.1 * ROBOT.max_acceleration


def _stop(plant, hold):
    """Command zero; return speed, yaw rate at that moment, path driven, angle turned and the states."""
    state = plant._state()
    states = [state, *hold(plant, 0.0, 0.0, 2.5)]
    xy = np.array([s.pose[:2] for s in states])
    yaw = np.unwrap([s.pose[2] for s in states])
    path = np.hypot(*np.diff(xy, axis=0).T).sum()
    return state.twist[0], state.twist[1], path, np.abs(np.diff(yaw)).sum(), states


@pytest.mark.parametrize("speed", [-1.0, -0.4, 0.2, 0.5, 1.0, 1.5, 2.0, 2.5, 3.5])
@pytest.mark.parametrize("omega", [0.0, 0.6])
def test_braking_keeps_the_guarantee(plant, hold, speed, omega):
    hold(plant, speed, 0.0, abs(speed) / ROBOT.max_acceleration + 0.5)
    hold(plant, speed, omega, 0.3)
    v, _, path, _, states = _stop(plant, hold)
    assert abs(v) == pytest.approx(abs(speed), rel=0.05)
    creep = 2e-3  # [m] the suspension rocks back after the stop
    assert path <= abs(v) * ROBOT.actuation_latency + v**2 / (2 * ROBOT.max_deceleration) + creep
    assert abs(states[-1].twist[0]) < 0.01


def test_braking_while_still_speeding_up_keeps_the_guarantee(plant, hold):
    hold(plant, 3.0, 0.0, 1.5)
    v, _, path, _, _ = _stop(plant, hold)
    assert v > 1.3
    assert path <= v * ROBOT.actuation_latency + v**2 / (2 * ROBOT.max_deceleration) + 2e-3


@pytest.mark.parametrize("rate", [-1.4, 0.5, 1.4])
def test_yaw_braking_keeps_the_guarantee(plant, hold, rate):
    hold(plant, 0.0, rate, 1.2)
    _, omega, _, angle, _ = _stop(plant, hold)
    assert abs(omega) == pytest.approx(abs(rate), rel=0.05)
    limit = abs(omega) * ROBOT.actuation_latency + omega**2 / (2 * ROBOT.max_yaw_deceleration)
    assert angle <= limit + 0.01  # [rad] rocking


def test_the_stated_latency_is_at_least_the_measured_one_and_not_much_longer(plant, hold):
    hold(plant, 1.5, 0.0, 2.5)
    v, _, path, _, states = _stop(plant, hold)
    drive = load_drive(ROBOT)
    speeds = np.array([s.twist[0] for s in states])
    first_effect = np.argmax(speeds < v - 0.01) * plant.step_period
    # The latency that explains the stopping distance when the deceleration is the drive's ramp.
    measured = (path - v**2 / (2 * drive.braking_ramp)) / v
    assert drive.dead_time <= first_effect <= ROBOT.actuation_latency
    assert drive.dead_time / 2 <= measured <= ROBOT.actuation_latency <= measured + 0.025


def test_the_drive_knows_the_yaw_inertia(model):
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    mass_matrix = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, mass_matrix)
    assert load_drive(ROBOT).yaw_inertia == pytest.approx(mass_matrix[5, 5], rel=0.02)


def test_driven_wheels_roll_without_creeping_while_braking(plant, hold):
    hold(plant, 2.0, 0.0, 2.5)
    hold(plant, 0.0, 0.0, 0.3)
    joint = plant._model.joint("wheel_left")
    rim = plant._data.qvel[joint.dofadr[0]] * ROBOT.wheel_radius
    assert rim == pytest.approx(plant._state().twist[0], abs=0.02)


def test_hard_braking_at_top_speed_does_not_tip_the_robot(plant, hold):
    hold(plant, 3.56, 0.0, 4.5)
    tilts = []
    for _ in range(400):
        hold(plant, 0.0, 0.0, plant.step_period)
        tilts.append(plant.tilt)
    assert max(tilts) < 0.1


def test_base_link_does_not_slide_sideways_in_a_curve(plant, hold):
    for state in hold(plant, 1.5, 0.8, 2.0):
        assert state.twist[0] < 1.6
    yaw, (vx, vy) = plant.pose[2], plant._data.qvel[:2]
    assert abs(np.cos(yaw) * vy - np.sin(yaw) * vx) < 0.05


def test_drive_ramps_are_exact():
    drive = Drive(ROBOT, DriveParameters(0.0, 2.8, 6.0, 4.1), 0.01)
    for _ in range(50):
        drive.step(5.0, 0.0)
    assert drive.v == pytest.approx(0.5)
    drive.step(-1.0, 0.0)
    assert drive.v == pytest.approx(0.5 - 0.028)
    for _ in range(30):
        drive.step(-1.0, 0.0)
    assert -0.2 < drive.v < 0.0  # through zero, then with the gentler ramp


def test_drive_applies_a_command_after_the_dead_time():
    drive = Drive(ROBOT, DriveParameters(0.02, 2.8, 6.0, 4.1), 0.01)
    drive.step(1.0, 0.0)
    drive.step(1.0, 0.0)
    assert drive.v == 0.0
    drive.step(1.0, 0.0)
    assert drive.v > 0.0


def test_a_drive_below_the_guarantee_is_refused(tmp_path):
    text = (
        ROBOT.mjcf.with_name("robot.yaml")
        .read_text()
        .replace("braking_ramp: {value: 2.8", "braking_ramp: {value: 1.8")
    )
    (tmp_path / "robot.yaml").write_text(text)
    weak = type(ROBOT)(
        **{**{f: getattr(ROBOT, f) for f in ROBOT.__dataclass_fields__}, "mjcf": tmp_path / "x.xml"}
    )
    with pytest.raises(ModelError, match="must not be below the guaranteed"):
        load_drive(weak)
