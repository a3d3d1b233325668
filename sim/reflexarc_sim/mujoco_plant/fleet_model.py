# SPDX-License-Identifier: Apache-2.0
"""Assemble one MuJoCo model of several robots, the world and pedestrians; every robot's names get a prefix.

Contact bits are those of one robot; in addition hulls touch each other, which is a contact of class `robot`.
"""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from reflexarc.core.errors import ModelError
from reflexarc.core.plant import ContactClass
from reflexarc_sim.mujoco_plant.model import _HULL, Assembly, _add_pedestrian, _add_scenery, _add_world
from reflexarc_sim.world import World


@dataclass(frozen=True)
class RobotParts:
    """Where one robot is in the model."""

    name: str
    assembly: Assembly
    """The model as this robot's contact recorder sees it: its hull against everything else."""
    qpos: int
    """Address of its free joint."""
    dof: int
    wheels: np.ndarray
    """Actuators left and right, shape (2,)."""
    body: int


def robot_names(count: int) -> tuple[str, ...]:
    """Return the names of the robots of a fleet, which are their namespaces too."""
    return tuple(f"robot_{k + 1}" for k in range(count))


def assemble_fleet(
    mjcf: Path, world: World, robots: int, pedestrians: int, physics_period: float
) -> tuple[mujoco.MjModel, tuple[RobotParts, ...]]:
    """Build and compile.

    Raises:
        ModelError: the robot's model file is missing or malformed.
    """
    names = robot_names(robots)
    spec = mujoco.MjSpec()
    spec.option.timestep = physics_period
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_EULER  # as with one robot
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.iterations = 30
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET.value
    classes = _add_world(spec, world)
    for i in range(pedestrians):
        _add_pedestrian(spec, i)
    _add_scenery(spec, world)
    try:
        for name in names:
            robot = mujoco.MjSpec.from_file(str(mjcf))
            hull = robot.geom("hull")
            hull.conaffinity |= _HULL
            hull.rgba = [0.5, 0.5, 0.5, 1.0]  # rays pass through what is fully transparent
            spec.attach(robot, prefix=f"{name}/", frame=spec.worldbody.add_frame())
        model = spec.compile()
    except (ValueError, OSError, AttributeError) as error:
        raise ModelError(f"{mjcf}: no model of {robots} robots can be made of it: {error}") from error
    base = {model.geom(name).id: (kind, name, -1) for name, kind in classes.items()}
    for i in range(pedestrians):
        base[model.geom(f"pedestrian_{i}").id] = (ContactClass.PEDESTRIAN, f"pedestrian_{i}", i)
    hulls = {name: model.geom(f"{name}/hull").id for name in names}
    joints = [[model.joint(f"pedestrian_{i}_{axis}") for axis in "xy"] for i in range(pedestrians)]
    pedestrian = (
        np.array([[j.qposadr[0] for j in pair] for pair in joints], int).reshape(-1, 2),
        np.array([[j.dofadr[0] for j in pair] for pair in joints], int).reshape(-1, 2),
        np.array([[model.actuator(f"pedestrian_{i}_{a}").id for a in "xy"] for i in range(pedestrians)], int)
        .reshape(-1, 2),
    )  # fmt: skip
    parts = []
    for name in names:
        others = {hulls[n]: (ContactClass.ROBOT, n, -1) for n in names if n != name}
        joint = model.joint(f"{name}/base")
        parts.append(
            RobotParts(
                name,
                Assembly(model, hulls[name], base | others, *pedestrian, np.zeros(0, int)),
                int(joint.qposadr[0]),
                int(joint.dofadr[0]),
                np.array([model.actuator(f"{name}/wheel_{side}").id for side in ("left", "right")]),
                model.body(f"{name}/base_link").id,
            )
        )
    return model, tuple(parts)
