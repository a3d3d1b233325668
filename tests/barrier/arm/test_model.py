# SPDX-License-Identifier: Apache-2.0
import importlib.metadata
import shutil
from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest

from reflexarc.core.errors import ModelError, UnknownNameError
from reflexarc.core.paths import models_dir
from reflexarc.robots import arm as arm_module
from reflexarc.robots.arm import distribution_file, load_arm

FRANKA = {
    "lower": [-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973],
    "upper": [2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973],
    "max_velocity": [2.175] * 4 + [2.61] * 3,
    "max_acceleration": [15, 7.5, 10, 12.5, 15, 20, 20],
    "max_torque": [87] * 4 + [12] * 3,
}


@pytest.mark.parametrize("limit", FRANKA)
def test_the_panda_has_the_limits_that_franka_publishes(panda, limit):
    assert np.array_equal(getattr(panda, limit), FRANKA[limit])


def test_the_panda_has_seven_joints_and_twenty_one_moving_spheres(panda):
    assert panda.n == panda.model.nq == panda.model.nv == 7
    assert panda.spheres.moving == 21
    assert len(panda.spheres.radius) > 21


def test_limits_and_spheres_cannot_be_changed_by_accident(panda):
    for values in (panda.upper, panda.max_torque, panda.home, panda.spheres.radius, panda.spheres.pairs):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 0.0


def _surface(shape, rng, count=400):
    """Return points on a sphere or cylinder in its own frame."""
    turn = rng.normal(size=(count, 3))
    turn /= np.linalg.norm(turn, axis=1, keepdims=True)
    if type(shape).__name__ == "Sphere":
        return shape.radius * turn
    around = turn[:, :2] / np.linalg.norm(turn[:, :2], axis=1, keepdims=True)
    inside = np.where(rng.random(count) < 0.5, 1.0, np.sqrt(rng.random(count)))
    height = np.where(inside < 1.0, np.sign(turn[:, 2]), rng.uniform(-1, 1, count)) * shape.halfLength
    return np.column_stack([shape.radius * inside[:, None] * around, height])


@pytest.mark.parametrize("fingers", [0.0, 0.02, 0.04])
def test_the_spheres_cover_every_collision_shape_at_every_opening_of_the_hand(panda, fingers):
    urdf = str(distribution_file("example-robot-data", "panda_description/urdf/panda_collision.urdf"))
    model = pin.buildModelFromUrdf(urdf)
    shapes = pin.buildGeomFromUrdf(model, urdf, pin.GeometryType.COLLISION)
    data, rng = model.createData(), np.random.default_rng(3)
    spheres = panda.spheres
    worst = -np.inf
    for _ in range(5):
        q = rng.uniform(model.lowerPositionLimit, model.upperPositionLimit)
        q[7:] = fingers
        pin.framesForwardKinematics(model, data, q)
        centres = np.array(
            [
                data.oMf[model.getFrameId(link)].act(c)
                for link, c in zip(spheres.links, spheres.centre, strict=True)
            ]
        )
        for shape in shapes.geometryObjects:
            place = data.oMi[shape.parentJoint] * shape.placement
            points = _surface(shape.geometry, rng) @ place.rotation.T + place.translation
            outside = np.linalg.norm(points[:, None] - centres, axis=2) - spheres.radius
            worst = max(worst, outside.min(axis=1).max())
    assert worst <= 0.0
    assert worst > -0.02, "spheres much larger than the shapes would cover anything"


def test_the_spheres_cover_the_visible_robot(panda):
    urdf = distribution_file("example-robot-data", "panda_description/urdf/panda.urdf")
    model = pin.buildModelFromUrdf(str(urdf))
    shapes = pin.buildGeomFromUrdf(
        model, str(urdf), pin.GeometryType.VISUAL, package_dirs=[str(urdf.parents[4])]
    )
    data, rng = model.createData(), np.random.default_rng(4)
    spheres = panda.spheres
    for _ in range(2):
        pin.framesForwardKinematics(
            model, data, rng.uniform(model.lowerPositionLimit, model.upperPositionLimit)
        )
        centres = np.array(
            [
                data.oMf[model.getFrameId(link)].act(c)
                for link, c in zip(spheres.links, spheres.centre, strict=True)
            ]
        )
        for shape in shapes.geometryObjects:
            place = data.oMi[shape.parentJoint] * shape.placement
            points = np.array(shape.geometry.vertices())[::7] @ place.rotation.T + place.translation
            outside = np.linalg.norm(points[:, None] - centres, axis=2) - spheres.radius
            assert outside.min(axis=1).max() <= 1e-4, shape.name


def test_only_the_base_has_spheres_that_no_joint_moves(panda):
    data = panda.model.createData()
    rng = np.random.default_rng(0)
    seen = []
    for _ in range(20):
        pin.framesForwardKinematics(panda.model, data, rng.uniform(panda.lower, panda.upper))
        seen.append(
            [
                data.oMf[panda.model.getFrameId(link)].act(c)
                for link, c in zip(panda.spheres.links, panda.spheres.centre, strict=True)
            ]
        )
    travel = np.ptp(np.array(seen), axis=0).max(axis=1)
    assert (travel[: panda.spheres.moving] > 0.01).all()
    assert travel[panda.spheres.moving :].max() < 1e-4


def test_an_unknown_arm_is_refused_with_the_list_of_arms():
    with pytest.raises(UnknownNameError, match=r"unknown arm 'pandda'.*allowed:.*panda"):
        load_arm("pandda")


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """Return a function that loads the Panda with one text of one of its files replaced."""
    shutil.copytree(models_dir() / "panda", tmp_path / "panda")
    monkeypatch.setenv("REFLEXARC_MODELS", str(tmp_path))

    def load(old, new, file="arm.yaml"):
        path = Path(tmp_path) / "panda" / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return load_arm("panda")

    return load


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("unit: rad/s,", "unit: deg/s,", r"'velocity' is in 'deg/s', expected 'rad/s'"),
        ('source: "[published] dq_max"', 'source: ""', "'velocity' has no source"),
        ("[87.0, 87.0,", "[187.0, 87.0,", r"'torque' of panda_joint1 is 187 N m, wider than the URDF's 87"),
        ("[2.8973, 1.7628,", "[2.8973, 2.7628,", r"'upper' of panda_joint2 is 2.7628 rad, wider"),
        ("[-2.8973, -1.7628,", "[-2.8973, 1.9,", "panda_joint2 has its lower limit 1.9 above the upper"),
        ("[15.0, 7.5,", "[0.0, 7.5,", "panda_joint1: limit acceleration is 0"),
        ("[2.175, 2.175, 2.175, 2.175,", "[2.175, 2.175, 2.175,", "limit velocity must be 7 finite numbers"),
        ("[2.175, 2.175,", "[.nan, 2.175,", "limit velocity must be 7 finite numbers"),
        ("limits:\n  lower:", "limits:\n  jerk: 3\n  lower:", "unknown key 'jerk'.*allowed: acceleration"),
        (
            "end_effector: panda_hand_tcp",
            "end_effector: panda_tool",
            r"unknown frame 'panda_tool'.*panda_hand_tcp",
        ),
        ("joints: [panda_joint1,", "joints: [panda_joint9,", "unknown joint 'panda_joint9'"),
        ("joints: [panda_joint1, panda_joint2,", "joints: [panda_joint2, panda_joint1,", "in its order"),
        ("home: [0.0, -0.785398,", "home: [0.0, -1.9,", "home .* is not inside the joint limits"),
        (
            "urdf: panda_description/urdf/panda_collision.urdf",
            "urdf: panda/none.urdf",
            "holds no file that ends with",
        ),
        (
            "distribution: example-robot-data",
            "distribution: no-such-robots",
            "not installed; pip install no-such-robots",
        ),
    ],
)
def test_a_wrong_entry_is_refused_and_named(edited, old, new, message):
    with pytest.raises(ModelError, match=message):
        edited(old, new)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("link: panda_hand,", "link: panda_paw,", "unknown frame 'panda_paw'"),
        ("radius: 0.1021", "radius: -0.1", "every radius must be positive"),
        ("pairs:\n", "pairs:\n  - [3, 99]\n", "outside 0 to 26"),
        ("pairs:\n", "pairs:\n  - [3, 3]\n", "names a sphere twice"),
        ("centre: [0, 0, -0.048]", "centre: [0, 0]", "centre of sphere 0 must be 3 finite numbers"),
    ],
)
def test_a_wrong_sphere_is_refused_and_named(edited, old, new, message):
    with pytest.raises(ModelError, match=message):
        edited(old, new, "spheres.yaml")


def test_without_the_robots_files_the_error_says_what_to_install(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(arm_module.importlib.metadata, "distribution", missing)
    with pytest.raises(ModelError, match="pip install example-robot-data"):
        load_arm("panda")


def test_without_pinocchio_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pinocchio", None)
    with pytest.raises(ModelError, match=r"pip install 'reflexarc\[arms\]'"):
        load_arm("panda")
