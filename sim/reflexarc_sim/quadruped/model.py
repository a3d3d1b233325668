# SPDX-License-Identifier: Apache-2.0
"""The MuJoCo model of a quadruped on a terrain, from primitive shapes.

Its feet collide with the ground, and its trunk, so that a fall is noticed; knees and thighs pass through. The gains on
position and velocity are MuJoCo's position actuators, evaluated in every step of physics, within the joints' torque.
Rotors count as points of mass in the link that carries them, and with their inertia at their joint.
"""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
import pinocchio as pin

from reflexarc.core.errors import ModelError
from reflexarc.robots.quadruped import JOINTS, LEGS, SIDES, Link, Quadruped
from reflexarc_sim.quadruped.terrain import Terrain

PHYSICS_PERIOD = 0.004
"""[s]"""
FOOT_FRICTION = 0.8
_GROUND, _ROBOT = 1, 2
_DARK, _LIGHT, _EARTH = (0.2, 0.2, 0.22, 1.0), (0.85, 0.85, 0.87, 1.0), (0.62, 0.6, 0.55, 1.0)


@dataclass(frozen=True)
class QuadrupedAssembly:
    """A compiled model and where things are in it; the base is first in qpos and qvel, then the joints leg by leg."""

    model: mujoco.MjModel
    trunk: int
    """Body."""
    feet: tuple[int, ...]
    """Geoms, four."""
    touch: int
    """Sensor of what the trunk touches."""


def assemble_quadruped(robot: Quadruped, terrain: Terrain) -> QuadrupedAssembly:
    """Build and compile.

    Args:
        robot: parameters.
        terrain: below it.

    Raises:
        ModelError: the model does not compile.
    """
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    option = spec.option
    option.timestep = PHYSICS_PERIOD
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.iterations, option.ls_iterations = 3, 8
    option.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET.value
    _add_terrain(spec, terrain)
    trunk = spec.worldbody.add_body(name="trunk", pos=[0, 0, robot.height])
    trunk.add_freejoint(name="base")
    x, y = robot.hip_rotor_at
    rotors = [_point(robot.rotor_mass, (a * x, b * y, 0.0)) for a, b in SIDES]
    _set_inertia(trunk, [_inertia(robot.trunk), *rotors])
    half = [0.5 * length for length in robot.trunk_size]
    trunk.add_geom(
        name="trunk", type=mujoco.mjtGeom.mjGEOM_BOX, size=half, mass=0, rgba=list(_LIGHT),
        contype=_ROBOT, conaffinity=_GROUND, friction=[0.5, 0.005, 0.0001],
    )  # fmt: skip
    around = [length + 0.02 for length in half]
    trunk.add_site(name="trunk", type=mujoco.mjtGeom.mjGEOM_BOX, size=around, group=5)
    touch = spec.add_sensor(
        name="trunk_touch",
        type=mujoco.mjtSensor.mjSENS_TOUCH,
        objtype=mujoco.mjtObj.mjOBJ_SITE,
        objname="trunk",
    )
    for leg, (a, b) in zip(LEGS, SIDES, strict=True):
        _add_leg(spec, trunk, robot, leg, a, b)
    try:
        model = spec.compile()
    except ValueError as error:
        raise ModelError(f"{robot.name}: the model does not compile: {error}") from error
    return QuadrupedAssembly(
        model=model,
        trunk=model.body("trunk").id,
        feet=tuple(int(model.geom(f"{leg}_foot").id) for leg in LEGS),
        touch=int(model.sensor(touch.name).adr[0]),
    )


def _add_terrain(spec: Any, terrain: Terrain) -> None:
    spec.worldbody.add_light(pos=[0, 0, 30], dir=[0.2, 0.2, -1], type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)
    common = {
        "name": "ground", "contype": _GROUND, "conaffinity": _ROBOT, "friction": [1.0, 0.005, 0.0001],
        "rgba": list(_EARTH),
    }  # fmt: skip
    if terrain.heights is None:
        spec.add_texture(
            name="squares", type=mujoco.mjtTexture.mjTEXTURE_2D, builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
            rgb1=[1.0, 1.0, 1.0], rgb2=[0.85, 0.85, 0.85], width=64, height=64,
        )  # fmt: skip
        squares = spec.add_material(name="squares", texrepeat=[1.0, 1.0], texuniform=True)
        squares.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "squares"
        spec.worldbody.add_geom(
            type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1], material="squares", **common
        )
        return
    rows, columns = terrain.heights.shape
    low, high = float(terrain.heights.min()), float(terrain.heights.max())
    top = max(high - low, 1e-3)
    spec.add_hfield(
        name="ground", nrow=rows, ncol=columns, userdata=((terrain.heights - low) / top).ravel(),
        size=[0.5 * (columns - 1) * terrain.cell, 0.5 * (rows - 1) * terrain.cell, top, 1.0],
    )  # fmt: skip
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_HFIELD, hfieldname="ground", pos=[0, 0, low], **common)


def _add_leg(spec: Any, trunk: Any, robot: Quadruped, leg: str, a: int, b: int) -> None:
    x, y = robot.hip_at
    hip = trunk.add_body(name=f"{leg}_hip", pos=[a * x, b * y, 0])
    _set_inertia(
        hip,
        [
            _inertia(robot.hip, a, b),
            _point(robot.rotor_mass, (0.0, b * robot.thigh_rotor_offset, 0.0)),
        ],
    )
    thigh = hip.add_body(name=f"{leg}_thigh", pos=[0, b * robot.thigh_offset, 0])
    _set_inertia(
        thigh,
        [
            _inertia(robot.thigh, 1, b),
            _point(robot.rotor_mass, (0.0, b * robot.calf_rotor_offset, 0.0)),
        ],
    )
    calf = thigh.add_body(name=f"{leg}_calf", pos=[0, 0, -robot.thigh_length])
    foot = pin.Inertia.FromSphere(max(robot.foot_mass, 1e-9), robot.foot_radius)
    end = np.array([0.0, 0.0, -robot.calf_length])
    _set_inertia(calf, [_inertia(robot.calf), pin.Inertia(foot.mass, end, foot.inertia)])
    for body, length, radius in ((thigh, robot.thigh_length, 0.02), (calf, robot.calf_length, 0.012)):
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CAPSULE, fromto=[0, 0, 0, 0, 0, -length], size=[radius, 0, 0],
            mass=0, contype=0, conaffinity=0, rgba=list(_DARK),
        )  # fmt: skip
    calf.add_geom(
        name=f"{leg}_foot", type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[robot.foot_radius, 0, 0], pos=list(end), mass=0,
        contype=_ROBOT, conaffinity=_GROUND, friction=[FOOT_FRICTION, 0.005, 0.0001], priority=1, rgba=list(_DARK),
    )  # fmt: skip
    for k, (body, part) in enumerate(zip((hip, thigh, calf), JOINTS, strict=True)):
        name = f"{leg}_{part}"
        # the hip turns the same way on both sides, as in the manufacturer's description
        body.add_joint(
            name=name, type=mujoco.mjtJoint.mjJNT_HINGE, axis=[1, 0, 0] if k == 0 else [0, 1, 0], limited=1,
            range=[robot.lower[k], robot.upper[k]], armature=robot.armature[k], frictionloss=robot.joint_friction,
        )  # fmt: skip
        actuator = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        actuator.set_to_position(kp=robot.kp, kv=robot.kd)
        actuator.forcelimited, actuator.forcerange = 1, [-robot.torque[k], robot.torque[k]]


def _inertia(link: Link, a: int = 1, b: int = 1) -> pin.Inertia:
    """Of the link, mirrored fore and aft with a = -1, left and right with b = -1."""
    mirror = np.diag([float(a), float(b), 1.0])
    return pin.Inertia(link.mass, mirror @ np.array(link.com), mirror @ link.matrix @ mirror)


def _point(mass: float, at: tuple[float, float, float]) -> pin.Inertia:
    return pin.Inertia(mass, np.array(at), np.zeros((3, 3)))


def _set_inertia(body: Any, parts: list[pin.Inertia]) -> None:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    matrix = np.array(total.inertia)
    body.mass, body.ipos = float(total.mass), list(total.lever)
    body.fullinertia = [*np.diag(matrix), matrix[0, 1], matrix[0, 2], matrix[1, 2]]
    body.explicitinertial = True
