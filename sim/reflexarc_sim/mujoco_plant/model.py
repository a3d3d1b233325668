# SPDX-License-Identifier: Apache-2.0
"""Assemble the MuJoCo model of a run: the robot's MJCF + world + cargo + pedestrians.

Contact bits and groups are those documented in the robot's MJCF. Pedestrians are upright capsules on two slides (no
rotation, no falling); each slide has a velocity servo limited to the force that a walking person can brace with.
Pedestrians touch the hull and fixed things, not each other: jupedsim keeps them apart.
"""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

import math
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from reflexarc.core.errors import ModelError
from reflexarc.core.plant import ContactClass
from reflexarc_sim.crowd import PEDESTRIAN_MASS, PEDESTRIAN_RADIUS
from reflexarc_sim.scenario import CargoConfig
from reflexarc_sim.world import Block, World

PEDESTRIAN_HEIGHT = 1.75  # [m] adult
SERVO_GAIN = 750.0  # [N s/m] a walking person reaches a new velocity in about 0.1 s
SERVO_FORCE = 150.0  # [N] per axis: 2 m/s^2, a person who changes pace; also braces against a push
BODY_SOLREF = (-800.0, -29.0)
"""Stiffness [1/s^2] and damping [1/s] of the contact between hull and body, per reduced mass (30.7 kg): 25 N/mm,
the spring constant of the chest in ISO/TS 15066:2016, table A.3, with half of the critical damping."""
_BAY_LOW, _BAY_HIGH = np.array([-0.46, -0.33, 0.55]), np.array([0.13, 0.33, 1.30])  # [m] in base_link
_BOX = mujoco.mjtGeom.mjGEOM_BOX
_CYLINDER = mujoco.mjtGeom.mjGEOM_CYLINDER
_CAPSULE = mujoco.mjtGeom.mjGEOM_CAPSULE
_GROUND, _HULL, _FIXED, _PEDESTRIAN, _CARGO, _BAY = 1, 2, 4, 8, 16, 32
_CLOTHES = (
    (0.80, 0.30, 0.30, 1),
    (0.30, 0.45, 0.75, 1),
    (0.85, 0.70, 0.35, 1),
    (0.40, 0.60, 0.40, 1),
    (0.5, 0.4, 0.6, 1),
)


@dataclass(frozen=True)
class Assembly:
    """A compiled model and where things are in it."""

    model: mujoco.MjModel
    hull_geom: int
    geom_class: dict[int, tuple[ContactClass, str, int]]
    """Geom -> contact class, partner's name and pedestrian number (-1 for the rest)."""
    pedestrian_qpos: np.ndarray
    """qpos addresses of x and y, shape (n, 2)."""
    pedestrian_dof: np.ndarray
    """dof addresses, shape (n, 2)."""
    pedestrian_ctrl: np.ndarray
    """Actuators, shape (n, 2)."""
    cargo_qpos: np.ndarray
    """qpos address of each piece's free joint, shape (p,)."""


def assemble(
    mjcf: Path, world: World, cargo: CargoConfig, pedestrians: int, physics_period: float
) -> Assembly:
    """Build and compile.

    Raises:
        ModelError: the robot's model file is missing or malformed.
    """
    try:
        spec = mujoco.MjSpec.from_file(str(mjcf))
    except (ValueError, OSError) as error:
        raise ModelError(f"{mjcf}: not a usable MuJoCo model: {error}") from error
    spec.option.timestep = physics_period
    # Not implicitfast: it computes contact forces without the servos' implicit damping, so that driven wheels creep.
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_EULER
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.iterations = 30
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET.value
    classes = _add_world(spec, world)
    _add_cargo(spec, cargo)
    for i in range(pedestrians):
        _add_pedestrian(spec, i)
    _add_scenery(spec, world)
    try:
        model = spec.compile()
    except ValueError as error:
        raise ModelError(f"{mjcf}: the model does not compile with the world: {error}") from error
    geom_class = {model.geom(name).id: (kind, name, -1) for name, kind in classes.items()}
    for i in range(pedestrians):
        name = f"pedestrian_{i}"
        geom_class[model.geom(name).id] = (ContactClass.PEDESTRIAN, name, i)
    joints = [[model.joint(f"pedestrian_{i}_{axis}") for axis in "xy"] for i in range(pedestrians)]
    return Assembly(
        model=model,
        hull_geom=model.geom("hull").id,
        geom_class=geom_class,
        pedestrian_qpos=np.array([[j.qposadr[0] for j in pair] for pair in joints], int).reshape(-1, 2),
        pedestrian_dof=np.array([[j.dofadr[0] for j in pair] for pair in joints], int).reshape(-1, 2),
        pedestrian_ctrl=np.array(
            [[model.actuator(f"pedestrian_{i}_{axis}").id for axis in "xy"] for i in range(pedestrians)], int
        ).reshape(-1, 2),
        cargo_qpos=np.array([model.joint(f"cargo_{i}").qposadr[0] for i in range(cargo.pieces)], int),
    )


def cargo_layout(cargo: CargoConfig) -> np.ndarray:
    """Where the pieces lie in base_link at the start, shape (pieces, 3): two layers of a 3 x 2 grid in the bay. [m]"""
    pitch = cargo.piece_size_m + 0.02
    places = [
        (
            -0.165 + (ix - 1) * pitch,
            (iy - 0.5) * pitch,
            0.62 + (layer + 0.5) * cargo.piece_size_m + 0.002 * (layer + 1),
        )
        for layer in range(2)
        for iy in range(2)
        for ix in range(3)
    ]
    return np.array(places[: cargo.pieces]).reshape(-1, 3)


def outside_bay(qpos: np.ndarray, cargo_qpos: np.ndarray) -> np.ndarray:
    """Which pieces have their centre outside the bay, shape (p,), bool.

    Args:
        qpos: configuration, base_link first. [m]
        cargo_qpos: address of each piece's free joint, shape (p,).
    """
    pieces = qpos[cargo_qpos[:, None] + np.arange(3)] - qpos[:3]
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, qpos[3:7])
    local = pieces @ rotation.reshape(3, 3)
    return np.any((local < _BAY_LOW) | (local > _BAY_HIGH), axis=1)


def _add_block(spec, block: Block, contype: int, conaffinity: int, group: int) -> None:
    z0, z1 = block.z
    half = (z1 - z0) / 2
    size = [block.half_size[0], half, 0.0] if block.round else [*block.half_size, half]
    spec.worldbody.add_geom(
        name=block.name,
        type=_CYLINDER if block.round else _BOX,
        size=size,
        pos=[*block.centre, (z0 + z1) / 2],
        contype=contype,
        conaffinity=conaffinity,
        group=group,
        rgba=list(block.rgba),
        friction=[0.6, 0.005, 0.0001],
    )


def _add_world(spec, world: World) -> dict[str, ContactClass]:
    """Add fixed things; return the contact class of each geom by name."""
    classes = {}
    for block in world.ground:
        _add_block(spec, block, _GROUND, _HULL, 2)
        classes[block.name] = block.contact_class
    for block in world.fixed:
        _add_block(spec, block, _FIXED, _PEDESTRIAN, 0)
        classes[block.name] = block.contact_class
    spec.worldbody.add_geom(
        name="road",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[0, 0, 1],
        pos=[0, 0, world.road_z],
        contype=_GROUND,
        conaffinity=_HULL | _CARGO,
        group=2,
        rgba=[0.28, 0.29, 0.31, 1],
    )
    classes["road"] = ContactClass.KERB
    for ramp in world.ramps:
        kerb = float(world.keepouts[0, 1])
        drop = -world.road_z
        angle, slope = math.atan2(drop, ramp.run), math.hypot(drop, ramp.run)
        thickness = 0.05
        along = np.array([math.cos(angle), -math.sin(angle)])  # y, z down the slope
        normal = np.array([math.sin(angle), math.cos(angle)])
        centre = np.array([kerb, 0.0]) + along * slope / 2 - normal * thickness
        spec.worldbody.add_geom(
            name=ramp.name,
            type=_BOX,
            size=[(ramp.x[1] - ramp.x[0]) / 2, slope / 2, thickness],
            pos=[(ramp.x[0] + ramp.x[1]) / 2, centre[0], centre[1]],
            quat=[math.cos(angle / 2), -math.sin(angle / 2), 0, 0],
            contype=_GROUND,
            conaffinity=_HULL,
            group=2,
            rgba=[0.62, 0.60, 0.57, 1],
        )
        classes[ramp.name] = ContactClass.KERB
    return classes


def _add_cargo(spec, cargo: CargoConfig) -> None:
    half = cargo.piece_size_m / 2
    for i, place in enumerate(cargo_layout(cargo)):
        body = spec.worldbody.add_body(name=f"cargo_{i}", pos=list(place))
        body.add_freejoint(name=f"cargo_{i}")
        body.add_geom(
            name=f"cargo_{i}",
            type=_BOX,
            size=[half, half, half],
            mass=cargo.piece_mass_kg,
            contype=_CARGO,
            conaffinity=_CARGO | _GROUND,
            group=5,
            friction=[0.6, 0.02, 0.001],
            rgba=[0.75, 0.58, 0.38, 1],
        )
        inertia = cargo.piece_mass_kg * cargo.piece_size_m**2 / 6
        body.mass, body.inertia, body.ipos = cargo.piece_mass_kg, [inertia] * 3, [0, 0, 0]
        body.explicitinertial = True


def _add_pedestrian(spec, i: int) -> None:
    radius, height = PEDESTRIAN_RADIUS, PEDESTRIAN_HEIGHT
    name = f"pedestrian_{i}"
    body = spec.worldbody.add_body(name=name, pos=[0, 0, 0])
    body.mass, body.inertia, body.ipos = PEDESTRIAN_MASS, [18.0, 18.0, 2.3], [0, 0, height / 2]
    body.explicitinertial = True
    for axis, direction in (("x", [1, 0, 0]), ("y", [0, 1, 0])):
        joint = f"{name}_{axis}"
        body.add_joint(name=joint, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=direction)
        actuator = spec.add_actuator(name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        actuator.set_to_velocity(kv=SERVO_GAIN)
        actuator.forcelimited, actuator.forcerange = 1, [-SERVO_FORCE, SERVO_FORCE]
    body.add_geom(
        name=name,
        type=_CAPSULE,
        size=[radius, height / 2 - radius, 0],
        pos=[0, 0, height / 2],
        contype=_PEDESTRIAN,
        conaffinity=0,
        group=1,
        priority=3,
        solref=list(BODY_SOLREF),
        friction=[0.3, 0.005, 0.0001],
    )
    looks = (
        (_CAPSULE, [0.20, 0.52, 0], 0.80, _CLOTHES[i % len(_CLOTHES)]),
        (mujoco.mjtGeom.mjGEOM_SPHERE, [0.125, 0, 0], height - 0.125, (0.85, 0.68, 0.55, 1)),
    )
    for kind, size, z, rgba in looks:
        body.add_geom(
            type=kind, size=size, pos=[0, 0, z], contype=0, conaffinity=0, group=4, mass=0, rgba=list(rgba)
        )


def _add_scenery(spec, world: World) -> None:
    """Light, sky and cameras, for pictures only."""
    x_min, y_min, x_max, y_max = world.bounds
    middle = [(x_min + x_max) / 2, (y_min + y_max) / 2]
    spec.visual.global_.offwidth, spec.visual.global_.offheight = 1280, 720
    spec.visual.headlight.ambient = [0.35, 0.35, 0.35]
    spec.visual.headlight.diffuse = [0.35, 0.35, 0.35]
    spec.visual.map.zfar = 30.0
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.55, 0.70, 0.88],
        rgb2=[0.90, 0.94, 0.98],
        width=64,
        height=384,
    )
    spec.worldbody.add_light(
        pos=[*middle, 30.0],
        dir=[0.3, -0.2, -1.0],
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        castshadow=False,
    )
