# SPDX-License-Identifier: Apache-2.0
"""Shapes, their looks, labels, names and sensors."""

import math

import mujoco
import numpy as np
import pytest
from pxr import UsdGeom, UsdPhysics

from reflexarc_sim.scenario import load_scenario
from reflexarc_sim.usd import meshes
from reflexarc_sim.usd.compare import TOLERANCE, compare
from reflexarc_sim.usd.export import export_stage
from reflexarc_sim.usd.read_back import read_shapes
from reflexarc_sim.usd.semantics import labels_of
from reflexarc_sim.usd.source import scenario_source
from reflexarc_sim.usd.validators import problems

EVERYTHING = """<mujoco><compiler angle="radian"/><asset>
  <mesh name="wedge" vertex="0 0 0  1 0 0  0 1 0  0 0 1  1 1 0"/>
  <hfield name="hill" nrow="4" ncol="5" size="2 1 0.5 0.1" elevation="0 0 0 0 0  0 1 2 1 0  0 2 4 2 0  0 0 0 0 3"/>
  </asset><worldbody>
  <geom name="floor" type="plane" size="3 0 1" pos="0 0 -1"/>
  <geom name="hill" type="hfield" hfield="hill" pos="5 0 0"/>
  <geom name="post" type="cylinder" size="0.1 0.7" pos="1 2 3" euler="0.2 0.4 0.1" rgba="1 0.5 0 0"/>
  <body name="thing" pos="0 0 2" euler="0.5 0.1 0"><freejoint/>
    <geom name="box" type="box" size="0.1 0.2 0.3" euler="0.1 0 0"/><geom name="ball" size="0.15" pos="1 0 0"/>
    <geom name="pill" type="capsule" size="0.1 0.4" euler="1 0 0"/><geom name="can" type="cylinder" size="0.2 0.1"/>
    <geom name="egg" type="ellipsoid" size="0.3 0.2 0.1" pos="0 1 0"/>
    <geom name="wedge" type="mesh" mesh="wedge" pos="0 0 1"/>
    <camera name="eye" pos="0 0 0.1" fovy="40"/><site name="1 odd/name" pos="0.1 0 0"/>
  </body></worldbody>
  <sensor><accelerometer name="felt" site="1 odd/name"/><gyro name="spun" site="1 odd/name"/>
    <framepos name="where" objtype="xbody" objname="thing"/><clock name="now"/></sensor></mujoco>"""


def test_every_type_of_shape_comes_back(stage_of, tmp_path):
    source, made = stage_of(EVERYTHING)
    gaps = compare(source, made.stage)
    assert gaps.worst <= TOLERANCE
    kinds = {s.name: (s.type, s.collides) for s in read_shapes(made.stage)}
    assert kinds == {
        "floor": ("Plane", True), "hill": ("Mesh", True), "post": ("Cylinder", True), "box": ("Cube", True),
        "ball": ("Sphere", True), "pill": ("Capsule", True), "can": ("Cylinder", True), "egg": ("Mesh", True),
        "wedge": ("Mesh", True),
    }  # fmt: skip
    made.stage.GetRootLayer().Export(str(tmp_path / "everything.usda"))
    assert problems(tmp_path / "everything.usda") == []


def test_meshes_collide_as_hulls_and_height_fields_as_triangles(stage_of):
    _, made = stage_of(EVERYTHING)
    told = {
        prim.GetAttribute("reflexarc:name").Get(): UsdPhysics.MeshCollisionAPI(prim)
        .GetApproximationAttr()
        .Get()
        for prim in made.stage.Traverse()
        if prim.HasAPI(UsdPhysics.MeshCollisionAPI)
    }
    assert told == {"hill": "none", "egg": "convexHull", "wedge": "convexHull"}
    assert any("hull of 32 x 64 facets: egg" in text for text in made.lost)


def test_a_height_field_rises_where_mujoco_stops_a_ray(stage_of):
    source, made = stage_of(EVERYTHING)
    data = mujoco.MjData(source.model)
    mujoco.mj_forward(source.model, data)
    hill = next(s for s in read_shapes(made.stage) if s.name == "hill")
    inner = hill.points[(np.abs(hill.points[:, :2]) < (1.99, 0.99)).all(axis=1)]
    assert len(inner) == 6
    for x, y, z in inner + hill.frame[:3, 3] + 1e-6:
        down, geom = np.array([0.0, 0.0, -1.0]), np.zeros(1, np.int32)
        distance = mujoco.mj_ray(source.model, data, np.array([x, y, 9.0]), down, None, 1, -1, geom, None)
        assert 9.0 - distance == pytest.approx(z, abs=1e-4)


def test_an_ellipsoid_of_facets_is_closed_faces_outwards_and_is_nearly_full():
    axes = np.array([0.3, 0.2, 0.1])
    full = meshes.ellipsoid_volume(axes)
    coarse, fine = (meshes.volume(meshes.ellipsoid(axes, n, 2 * n)) for n in (16, 32))
    assert 0.99 * full < fine < full
    assert (full - coarse) / (full - fine) == pytest.approx(4.0, rel=0.05)  # second order
    edges = np.sort(meshes.ellipsoid(axes).triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()


def test_what_mujoco_does_not_draw_is_a_guide(stage_of):
    _, made = stage_of(EVERYTHING)
    purposes = {
        p.GetName(): UsdGeom.Imageable(p).ComputePurpose()
        for p in made.stage.Traverse()
        if p.IsA(UsdGeom.Gprim)
    }
    assert purposes["post"] == "guide"
    assert purposes["box"] == "default"


def test_names_are_valid_unique_and_mapped_back(stage_of):
    _, made = stage_of(
        """<body name="a/b"><freejoint/><geom name="x y" size="0.1"/><geom name="x/y" size="0.1"/><geom size="0.1"/>
             </body>
           <body name="a.b" pos="0 0 3"><freejoint/><geom name="1" size="0.1"/></body>"""
    )
    names = {s.path: s.name for s in read_shapes(made.stage)}
    assert names == {
        "/World/Objects/a_b/a_b/x_y": "x y",
        "/World/Objects/a_b/a_b/x_y_1": "x/y",
        "/World/Objects/a_b/a_b/geom_2": "geom_2",
        "/World/Objects/a_b_1/a_b/_": "1",
    }


def test_a_camera_sees_the_angle_that_mujoco_sees(stage_of):
    _, made = stage_of(EVERYTHING)
    eye = UsdGeom.Camera(made.stage.GetPrimAtPath("/World/Objects/thing/thing/eye")).GetCamera()
    assert eye.GetFieldOfView(eye.FOVVertical) == pytest.approx(40.0, abs=1e-5)


def test_sensors_of_the_model_stand_where_they_measure(stage_of):
    _, made = stage_of(EVERYTHING)
    thing = made.stage.GetPrimAtPath("/World/Objects/thing/thing")
    assert list(thing.GetAttribute("reflexarc:sensors").Get()) == ["framepos where"]
    (site,) = [p for p in thing.GetChildren() if p.GetAttribute("reflexarc:name").Get() == "1 odd/name"]
    assert list(site.GetAttribute("reflexarc:sensors").Get()) == ["accelerometer felt", "gyro spun"]
    assert any(text.endswith(": now") for text in made.lost)


def test_the_delivery_robots_lidar_is_mounted_as_the_plant_has_it():
    scenario = load_scenario("sidewalk_calm")
    source = scenario_source(scenario, seed=0)
    stage = export_stage(source).stage
    lidar = stage.GetPrimAtPath("/World/Robots/segway_e1/base_link/sensor_lidar")
    assert lidar.GetAttribute("reflexarc:rangeMax").Get() == scenario.sensors.lidar.range_max_m
    assert lidar.GetAttribute("reflexarc:rays").Get() == scenario.sensors.lidar.rays
    site = stage.GetPrimAtPath("/World/Robots/segway_e1/base_link/lidar")
    cache = UsdGeom.XformCache()
    gap = (
        cache.GetLocalToWorldTransform(lidar).ExtractTranslation()
        - cache.GetLocalToWorldTransform(site).ExtractTranslation()
    )
    assert gap.GetLength() < 1e-9
    assert math.isclose(lidar.GetAttribute("reflexarc:rate").Get(), scenario.sensors.lidar.rate_hz)


def test_the_arms_wrench_is_measured_at_the_tip():
    source = scenario_source(load_scenario("peg_arm"), seed=0)
    stage = export_stage(source).stage
    sensor = stage.GetPrimAtPath("/World/Robots/panda/tool/sensor_wrench")
    assert sensor.GetAttribute("reflexarc:latency").Get() == 0.001
    data = mujoco.MjData(source.model)
    data.qpos[:] = source.qpos
    mujoco.mj_forward(source.model, data)
    place = UsdGeom.XformCache().GetLocalToWorldTransform(sensor).ExtractTranslation()
    assert np.allclose(place, data.site("tip").xpos, atol=1e-9)


@pytest.mark.parametrize(
    ("scenario", "labels"),
    [
        (
            "sidewalk_calm",
            {"base_link": "robot", "pedestrian_0": "pedestrian", "cargo_1": "cargo", "road": "kerb"},
        ),
        ("cells_delivery", {"base_link": "robot", "road": "kerb"}),
        ("fleet_delivery", {"robot_3/hull": "robot", "pedestrian_7": "pedestrian"}),
        ("maze_arm", {"tool": "robot", "wall_0": "wall", "ball_1": "ball", "table": "table"}),
        ("quadruped_push", {"FL_foot": "robot", "ground": "ground"}),
    ],
)
def test_everything_is_labelled_with_what_it_is(scenario, labels):
    made = export_stage(scenario_source(load_scenario(scenario), seed=0))
    prims = {
        p.GetAttribute("reflexarc:name").Get(): p
        for p in made.stage.Traverse()
        if p.HasAttribute("reflexarc:name")
    }
    assert {name: labels_of(prims[name]) for name in labels} == {
        name: [label] for name, label in labels.items()
    }
    assert all(labels_of(p) for p in made.stage.Traverse() if p.HasAPI(UsdPhysics.CollisionAPI))
