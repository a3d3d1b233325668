# SPDX-License-Identifier: Apache-2.0
"""What a stage is made from: the compiled model of a scenario's plant at the start of a run, and what its parts are.

A MuJoCo model says nothing of what a body stands for or of the sensors that a plant simulates outside of MuJoCo; the
scenario does. Nothing here imports OpenUSD.
"""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

import re
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import mujoco
import numpy as np

from reflexarc.core.errors import ModelError
from reflexarc.core.plant import ContactClass
from reflexarc.core.types import FIXED_FRAME, Array
from reflexarc.robots import BaseRobot
from reflexarc_sim.plants import make_arm_plant, make_walker_plant
from reflexarc_sim.scenario import Scenario
from reflexarc_sim.usd.frames import IDENTITY, Pose, about

_Z = np.array([0.0, 0.0, 1.0])


class Tree(NamedTuple):
    """What a tree of moving bodies stands for."""

    kind: Literal["robot", "pedestrian", "object"]
    name: str
    label: str
    """Semantic label of everything in it."""


class Mount(NamedTuple):
    """A sensor that the plant simulates beside MuJoCo."""

    sensor: str
    body: int
    pose: Pose
    """In the body's frame."""
    values: dict[str, float | int | str]
    """Name in `attributes.OWN` -> value."""


@dataclass(frozen=True, eq=False)
class Source:
    """A model and what to say about it."""

    name: str
    model: mujoco.MjModel
    qpos: Array
    """Configuration that the stage shows, shape (nq,)."""
    ctrl: Array
    """Controls at that time, from which drives take their targets, shape (nu,)."""
    seed: int = 0
    trees: dict[int, Tree] = field(default_factory=dict)
    """Topmost moving body -> what it stands for; every other one is an object without a label."""
    labels: dict[int, str] = field(default_factory=dict)
    """Geom of the world -> semantic label."""
    mounts: tuple[Mount, ...] = ()


def bare_source(model: mujoco.MjModel, name: str = "model") -> Source:
    """Return a source for a model alone, in its reference configuration.

    Raises:
        ModelError: a number of the model is not finite.
    """
    check_finite(model)
    return Source(name, model, np.array(model.qpos0), np.zeros(model.nu))


def scenario_source(scenario: Scenario, seed: int, start: bool = True) -> Source:
    """Return what a scenario's plant simulates at the start of the run of `seed`.

    Args:
        scenario: any.
        seed: world, crowd, scene and start derive from it.
        start: show the start of the run; otherwise the model's reference configuration, in which bodies may overlap.

    Raises:
        ConfigError: the scenario's world, crowd or cell cannot be had.
        ModelError: a model is missing or malformed, or a number of it is not finite.
    """
    if scenario.of_arm:
        source = _arm(scenario, seed)
    elif scenario.of_walker:
        source = _walker(scenario, seed)
    elif scenario.fleet.robots:
        source = _fleet(scenario, seed)
    else:
        source = _mobile(scenario, seed)
    check_finite(source.model)
    if start:
        return source
    return Source(
        source.name, source.model, np.array(source.model.qpos0), np.zeros(source.model.nu), seed, source.trees,
        source.labels, source.mounts,
    )  # fmt: skip


def check_finite(model: mujoco.MjModel) -> None:
    """Return if every number that describes bodies, joints, shapes and actuators is finite.

    Raises:
        ModelError: one is not; the message names field and element.
    """
    prefixes = (
        "body_",
        "jnt_",
        "dof_",
        "geom_",
        "site_",
        "cam_",
        "actuator_",
        "eq_data",
        "mesh_vert",
        "hfield_",
    )
    for name in ("qpos0", *(n for n in dir(model) if n.startswith(prefixes))):
        value = getattr(model, name)
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and not np.isfinite(value).all():
            where = ", ".join(str(int(k)) for k in np.argwhere(~np.isfinite(value))[0])
            raise ModelError(
                f"{name}[{where}] of the model is not finite; a stage needs finite numbers, nothing was made"
            )


def _mobile(scenario: Scenario, seed: int) -> Source:
    from reflexarc_sim.mujoco_plant import MujocoPlant  # noqa: PLC0415 - a plant's engine is loaded only when it is used

    # Whatever plant the scenario asks for: a stage is made of MuJoCo's model.
    plant = MujocoPlant(scenario)
    plant.reset(seed)
    assembly, data = plant.physics
    model = assembly.model
    base = model.body("base_link").id
    trees = {base: Tree("robot", scenario.robot, ContactClass.ROBOT.value)}
    trees |= _people(model)
    for i in range(len(assembly.cargo_qpos)):
        trees[model.body(f"cargo_{i}").id] = Tree("object", f"cargo_{i}", "cargo")
    mounts = _base_mounts(scenario, plant.robot, base)
    labels = {geom: kind.value for geom, (kind, _, person) in assembly.geom_class.items() if person < 0}
    return Source(scenario.name, model, data.qpos.copy(), data.ctrl.copy(), seed, trees, labels, mounts)


def _fleet(scenario: Scenario, seed: int) -> Source:
    from reflexarc_sim.fleet_tasks import FleetTasks  # noqa: PLC0415 - a plant's engine is loaded only when it is used
    from reflexarc_sim.mujoco_plant.fleet_plant import FleetPlant  # noqa: PLC0415

    plant = FleetPlant(scenario)
    plant.reset(seed, FleetTasks(scenario, seed).start_poses())
    model, trees, mounts = plant.model, {}, []
    labels = {}
    for unit in plant.units:
        trees[unit.parts.body] = Tree("robot", unit.parts.name, ContactClass.ROBOT.value)
        mounts += _base_mounts(scenario, plant.robot, unit.parts.body)
        labels |= {
            geom: kind.value
            for geom, (kind, _, person) in unit.parts.assembly.geom_class.items()
            if person < 0 and kind is not ContactClass.ROBOT
        }
    trees |= _people(model)
    data = plant.data
    return Source(
        scenario.name, model, data.qpos.copy(), data.ctrl.copy(), seed, trees, labels, tuple(mounts)
    )


def _arm(scenario: Scenario, seed: int) -> Source:
    plant = make_arm_plant(scenario)
    plant.reset(seed)
    assembly, data = plant.physics
    model, sensor = assembly.model, scenario.cell.sensor
    robot = Tree("robot", scenario.robot, ContactClass.ROBOT.value)
    trees = {model.body("link_1").id: robot}
    for i in range(len(assembly.balls)):
        trees[model.body(f"ball_{i}").id] = Tree("object", f"ball_{i}", "ball")
    # what is fixed and has no name is the arm's own base
    fixed = np.flatnonzero(model.geom_bodyid == 0).tolist()
    labels = {g: re.sub(r"_\d+$", "", assembly.names.get(g, robot.label)) for g in fixed}
    tip = Pose(model.site_pos[assembly.tip].copy(), model.site_quat[assembly.tip].copy())
    values: dict[str, float | int | str] = {
        "rate": sensor.rate_hz, "latency": sensor.delay_s, "forceStd": sensor.force_std,
        "torqueStd": sensor.torque_std, "forceBias": sensor.force_bias, "frame": scenario.arc_config.frame_id,
    }  # fmt: skip
    mounts = (Mount("wrench", assembly.tool, tip, values),)
    return Source(scenario.name, model, data.qpos.copy(), data.ctrl.copy(), seed, trees, labels, mounts)


def _walker(scenario: Scenario, seed: int) -> Source:
    plant = make_walker_plant(scenario)
    plant.reset(seed)
    assembly, data = plant.physics
    model, trunk = assembly.model, assembly.trunk
    trees = {trunk: Tree("robot", scenario.robot, ContactClass.ROBOT.value)}
    mounts = (Mount("state", trunk, IDENTITY, {"rate": 1.0 / plant.step_period, "frame": "trunk"}),)
    labels = {model.geom("ground").id: "ground"}
    return Source(scenario.name, model, data.qpos.copy(), data.ctrl.copy(), seed, trees, labels, mounts)


def _people(model: mujoco.MjModel) -> dict[int, Tree]:
    found = {}
    for body in range(1, model.nbody):
        name = model.body(body).name
        if re.fullmatch(r"pedestrian_\d+", name):
            found[body] = Tree("pedestrian", name, ContactClass.PEDESTRIAN.value)
    return found


def _base_mounts(scenario: Scenario, robot: BaseRobot, body: int) -> tuple[Mount, ...]:
    """Return lidar, tracker and odometry of a mobile base whose frame is base_link."""
    lidar, tracker, odometry = scenario.sensors.lidar, scenario.sensors.tracker, scenario.sensors.odometry
    at = Pose(np.array([robot.lidar_x, robot.lidar_y, robot.lidar_z]), about(_Z, robot.lidar_yaw))
    return (
        Mount("lidar", body, at, {
            "rate": lidar.rate_hz, "rays": lidar.rays, "rangeMin": lidar.range_min_m, "rangeMax": lidar.range_max_m,
            "rangeStd": lidar.range_std_m,
        }),
        Mount("tracker", body, IDENTITY, {
            "rate": tracker.rate_hz, "latency": tracker.latency, "rangeMax": tracker.range_m,
            "positionStd": tracker.position_std, "velocityStd": tracker.velocity_std, "frame": FIXED_FRAME,
        }),
        Mount("odometry", body, IDENTITY, {
            "rate": 1.0 / scenario.plant.step_period, "positionStd": odometry.position_std,
            "yawStd": odometry.yaw_std, "twistStd": odometry.twist_std, "frame": FIXED_FRAME,
        }),
    )  # fmt: skip
