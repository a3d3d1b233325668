# SPDX-License-Identifier: Apache-2.0
r"""The MuJoCo model of an arm with a tool in a scene, made from the arm's pinocchio model.

Joints, masses, inertias and effort limits are pinocchio's, so that both describe one arm; shapes are its primitive
collision shapes, no mesh. The links that can come down to the table collide, link by link, with the scene but not
with each other: keeping the arm off itself is the arc's task.

**Contact.** MuJoCo describes a contact by the acceleration k r + b v that drives a penetration r to zero, weighted by
an impedance d in (0, 1). With d near 0 a contact is a spring and damper in parallel with

    K = k / ((1 - d) w),     C = b / ((1 - d) w),

w the inverse inertia of the two bodies that MuJoCo takes for its regularization (`body_invweight0`). k and b are chosen
such that one point of contact between the tool and anything fixed has the wanted K [N/m]. Balls keep MuJoCo's own kind
of contact, 5 ms and critically damped, which at the tool comes to about 14 kN/m.
"""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

import math
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from reflexarc.core.errors import ModelError
from reflexarc.reflex.contact.mazes import BALL_RADIUS, TIP_RADIUS
from reflexarc.robots.arm import Arm
from reflexarc.robots.tool import rod_inertia
from reflexarc_sim.arm_plant.scenes import Scene
from reflexarc_sim.cell import CellConfig

GLASS = 2500.0
"""Density of the balls. [kg/m^3]"""
BODY_OF_TOOL = "tool"
_IMPEDANCE = 0.05
"""d of contacts with fixed things."""
_DAMPING_RATIO = 0.1
"""Of a contact with the tool's inertia on it."""
_ROLLING = 0.02
"""Slows a rolling ball down. [N s/m]"""
_FIXED, _TOOL, _LINK, _BALL = 1, 2, 4, 8
_FIRST_COLLIDING = 5
"""Joint from which on the links collide with the scene; those before it stay far above the table."""
_LIGHT, _DARK, _STEEL = (0.93, 0.93, 0.94, 1.0), (0.35, 0.37, 0.40, 1.0), (0.75, 0.77, 0.80, 1.0)
_WOOD, _WALL, _GLASS = (0.72, 0.66, 0.56, 1.0), (0.30, 0.45, 0.65, 1.0), (0.35, 0.75, 0.60, 0.75)


@dataclass(frozen=True)
class ArmAssembly:
    """A compiled model and where things are in it; the arm's joints are the first in qpos and qvel."""

    model: mujoco.MjModel
    tool: int
    """Body of the tool."""
    tip: int
    """Site at the tip."""
    links: tuple[int, ...]
    """Bodies of forearm, wrist and hand, which a person may push."""
    balls: np.ndarray
    """qpos address of each ball, shape (b,)."""
    names: dict[int, str]
    """Geom -> what a contact with it is called."""


def assemble(arm: Arm, scene: Scene, cell: CellConfig, physics_period: float) -> ArmAssembly:
    """Build and compile.

    Args:
        arm: the robot.
        scene: what stands around it.
        cell: its tool, friction and stiffness.
        physics_period: [s]

    Raises:
        ModelError: the arm has joints of another kind than revolute about z, or the model does not compile.
    """
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.option.timestep = physics_period
    spec.option.gravity = list(arm.model.gravity.linear)
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_EULER
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0  # friction is ten times as stiff as the normal direction
    spec.option.iterations = 20
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET.value
    bodies = _add_arm(spec, arm, cell)
    hand = arm.model.frames[arm.model.getFrameId(arm.end_effector)]
    _add_tool(bodies[hand.parentJoint], hand.placement, scene, cell)
    names = _add_scene(spec, scene, cell)
    _add_scenery(spec)
    try:
        model = spec.compile()
    except ValueError as error:
        raise ModelError(f"{arm.name}: the model does not compile with the scene: {error}") from error
    body = model.body(BODY_OF_TOOL).id
    _take_weight(model, body, np.array(arm.home))
    _stiffen(model, body, cell.wall_stiffness)
    last = [model.body(f"link_{i}").id for i in range(_FIRST_COLLIDING, arm.n + 1)]
    balls = [model.joint(f"ball_{i}") for i in range(len(scene.balls))]
    for joint in balls:
        model.dof_damping[joint.dofadr[0] : joint.dofadr[0] + 3] = _ROLLING
    return ArmAssembly(
        model=model,
        tool=body,
        tip=model.site("tip").id,
        links=tuple(last),
        balls=np.array([joint.qposadr[0] for joint in balls], int),
        names={model.geom(name).id: name for name in names},
    )


def _add_arm(spec: Any, arm: Arm, cell: CellConfig) -> list[Any]:
    """Add bodies, joints, motors and shapes; return the bodies, the world first."""
    model = arm.model
    bodies = [spec.worldbody]
    for i in range(1, model.njoints):
        if model.joints[i].shortname() != "JointModelRZ":
            raise ModelError(f"{arm.name}: joint {model.names[i]} is not revolute about z")
        place, name = model.jointPlacements[i], str(model.names[i])
        body = bodies[model.parents[i]].add_body(
            name=f"link_{i}", pos=list(place.translation), quat=_quaternion(place.rotation)
        )
        inertia = model.inertias[i]
        matrix = np.array(inertia.inertia)
        body.mass, body.ipos = float(inertia.mass), list(inertia.lever)
        body.fullinertia = [*np.diag(matrix), matrix[0, 1], matrix[0, 2], matrix[1, 2]]
        body.explicitinertial = True
        k = i - 1
        body.add_joint(
            name=name, type=mujoco.mjtJoint.mjJNT_HINGE, axis=[0, 0, 1], limited=1,
            range=[float(arm.lower[k]), float(arm.upper[k])],
        )  # fmt: skip
        motor = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        motor.set_to_motor()
        motor.forcelimited, motor.forcerange = 1, [-float(arm.max_torque[k]), float(arm.max_torque[k])]
        bodies.append(body)
    for shape in arm.geometry.geometryObjects:
        _add_shape(bodies[shape.parentJoint], shape, shape.parentJoint >= _FIRST_COLLIDING, cell)
    return bodies


def _add_shape(body: Any, shape: Any, collides: bool, cell: CellConfig) -> None:
    kind = type(shape.geometry).__name__
    if kind == "Sphere":
        form, size = mujoco.mjtGeom.mjGEOM_SPHERE, [shape.geometry.radius, 0, 0]
    elif kind == "Cylinder":
        form, size = mujoco.mjtGeom.mjGEOM_CYLINDER, [shape.geometry.radius, shape.geometry.halfLength, 0]
    else:
        raise ModelError(f"shape {shape.name} is a {kind}; the plant knows spheres and cylinders")
    # Spheres close the cylinders' ends; together they are a capsule, and the spheres alone touch a plane first.
    touches = collides and kind == "Sphere"
    body.add_geom(
        type=form,
        size=size,
        pos=list(shape.placement.translation),
        quat=_quaternion(shape.placement.rotation),
        contype=_LINK if touches else 0,
        conaffinity=_FIXED | _BALL if touches else 0,
        friction=[cell.friction, 0.005, 0.0001],
        mass=0,
        group=1,
        rgba=list(_DARK if "hand" in shape.name or "finger" in shape.name else _LIGHT),
    )


def _add_tool(body: Any, hand: Any, scene: Scene, cell: CellConfig) -> None:
    length, mass = cell.tool_length_m, cell.tool_mass_kg
    tool = body.add_body(name=BODY_OF_TOOL, pos=list(hand.translation), quat=_quaternion(hand.rotation))
    if mass > 0.0:
        rod = rod_inertia(length, mass)
        tool.mass, tool.ipos, tool.inertia = mass, [0, 0, length / 2], list(np.diag(rod.inertia))
    else:
        tool.mass, tool.inertia = 0.0, [0.0, 0.0, 0.0]
    tool.explicitinertial = True
    common = {
        "contype": _TOOL, "conaffinity": _FIXED | _BALL, "mass": 0, "group": 1, "rgba": list(_STEEL),
        "friction": [cell.friction, 0.005, 0.0001],
    }  # fmt: skip
    if scene.tool_radius < TIP_RADIUS:  # else the shaft's own end is the nose
        tool.add_geom(
            name="nose",
            type=mujoco.mjtGeom.mjGEOM_SPHERE,
            size=[TIP_RADIUS, 0, 0],
            pos=[0, 0, length],
            **common,
        )
    tool.add_geom(
        name="shaft", type=mujoco.mjtGeom.mjGEOM_CAPSULE, size=[scene.tool_radius, length / 2, 0],
        pos=[0, 0, length / 2], **common,
    )  # fmt: skip
    tool.add_site(name="tip", pos=[0, 0, length], size=[0.001, 0.001, 0.001], group=5)


def _add_scene(spec: Any, scene: Scene, cell: CellConfig) -> list[str]:
    """Add what is fixed and what is loose; return the names of the geoms."""
    world = spec.worldbody
    friction = [cell.friction, 0.005, 0.0001]
    fixed = {"contype": _FIXED, "conaffinity": 0, "friction": friction, "priority": 1, "group": 0}
    world.add_geom(
        name="table", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1], rgba=list(_WOOD), **fixed
    )  # fmt: skip
    for box in scene.boxes:
        cy, sy = math.cos(box.yaw / 2), math.sin(box.yaw / 2)
        cp, sp = math.cos(box.pitch / 2), math.sin(box.pitch / 2)
        quaternion = [cy * cp, -sy * sp, cy * sp, sy * cp]
        world.add_geom(
            name=box.name, type=mujoco.mjtGeom.mjGEOM_BOX, size=list(box.half), pos=list(box.centre),
            quat=quaternion, rgba=list(_WALL), **fixed,
        )  # fmt: skip
    names = ["table", *(box.name for box in scene.boxes)]
    for i, centre in enumerate(scene.balls):
        ball = world.add_body(name=f"ball_{i}", pos=list(centre))
        ball.add_freejoint(name=f"ball_{i}")
        ball.add_geom(
            name=f"ball_{i}", type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[BALL_RADIUS, 0, 0], density=GLASS,
            contype=_BALL, conaffinity=_FIXED | _TOOL | _LINK | _BALL, friction=friction, priority=2,
            solref=[0.005, 1.0], rgba=list(_GLASS), group=0,
        )  # fmt: skip
        names.append(f"ball_{i}")
    return names


def _take_weight(model: mujoco.MjModel, tool: int, home: np.ndarray) -> None:
    """Take the tool's inverse inertia at `home`; MuJoCo takes it with the arm stretched straight up."""
    data = mujoco.MjData(model)
    data.qpos[: len(home)] = home
    mujoco.mj_forward(model, data)
    jacobian, solved = np.zeros((3, model.nv)), np.zeros((3, model.nv))
    mujoco.mj_jacBodyCom(model, data, jacobian, None, tool)
    mujoco.mj_solveM(model, data, solved, jacobian)
    model.body_invweight0[tool, 0] = float(np.einsum("ij,ij->i", jacobian, solved).mean())


def _stiffen(model: mujoco.MjModel, tool: int, stiffness: float) -> None:
    """Give everything fixed its stiffness [N/m] at the tool, see the module."""
    weight = float(model.body_invweight0[tool, 0])
    k = stiffness * (1.0 - _IMPEDANCE) * weight
    damping = 2.0 * _DAMPING_RATIO * math.sqrt(stiffness / weight)
    b = damping * (1.0 - _IMPEDANCE) * weight
    for geom in np.flatnonzero(model.geom_contype == _FIXED):
        model.geom_solref[geom] = (-k, -b)
        model.geom_solimp[geom] = (_IMPEDANCE, _IMPEDANCE, 0.001, 0.5, 2.0)


def _add_scenery(spec: Any) -> None:
    """Light, sky and size of pictures."""
    spec.visual.global_.offwidth, spec.visual.global_.offheight = 1280, 720
    spec.visual.headlight.ambient = [0.35, 0.35, 0.35]
    spec.visual.headlight.diffuse = [0.4, 0.4, 0.4]
    spec.visual.map.znear = 0.005
    spec.visual.quality.shadowsize = 1024  # larger ones take most of the time where the processor draws
    spec.add_texture(
        name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.75, 0.80, 0.86], rgb2=[0.95, 0.96, 0.97], width=64, height=384,
    )  # fmt: skip
    spec.worldbody.add_light(
        pos=[0.5, -0.6, 2.0],
        dir=[0.0, 0.3, -1.0],
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        castshadow=True,
    )


def _quaternion(rotation: np.ndarray) -> list[float]:
    """Return w, x, y, z of a rotation matrix."""
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(rotation, dtype=float).ravel())
    return quaternion.tolist()
