# SPDX-License-Identifier: Apache-2.0
"""The physics of a navigation task: one robot on a floor, boxes that it can push, and marks that it drives through."""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

import math
from collections.abc import Iterable, Mapping

import mujoco
import numpy as np

from reflexarc.core.errors import PlantError
from reflexarc.core.types import Array
from reflexarc_sim.tasks.layout import Point
from reflexarc_sim.tasks.robots import SENSORS, Robot

FRAME_SKIP = 10  # physics steps per step of the environment
VASE_SIZE = 0.1  # half edge of the box [m]
_VASE_DENSITY = 0.001  # [kg/m^3]
_VASE_SINK = 4e-5  # the depth at which the soft floor carries a vase [m]
_FLOOR = 3.5  # half edge [m]


class Arena:
    """A compiled world; robot and things are put in place by `place`, without compiling again."""

    def __init__(self, robot: Robot, vases: int, marks: Mapping[str, tuple[float, str]]):
        """`marks`: name -> (radius [m], colour) of flat discs without contact."""
        self.robot = robot
        self.model = mujoco.MjModel.from_xml_string(_mjcf(robot, vases, marks))
        self.model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET.value
        self.data = mujoco.MjData(self.model)
        self._body = self.model.body("robot").id
        self._vases = [int(self.model.joint(f"vase{k}").qposadr[0]) for k in range(vases)]
        self._vase_dofs = [int(self.model.joint(f"vase{k}").dofadr[0]) for k in range(vases)]
        self._vase_geoms = [int(self.model.geom(f"vase{k}").id) for k in range(vases)]
        root = self.model.body_rootid[self.model.geom_bodyid]
        self._robot_geoms = [int(g) for g in np.flatnonzero(root == self._body)]
        self._marks = {name: int(self.model.body(name).mocapid[0]) for name in marks}
        names = [*SENSORS, *(("ball_rate",) if robot.ball else ())]
        self._sensors = np.concatenate([self._addresses(name) for name in names])
        self._ball = int(self.model.joint("rear").qposadr[0]) if robot.ball else -1

    def place(self, at: Point, heading: float, vases: Iterable[tuple[Point, float]]) -> None:
        """Put the robot and the vases (place, heading) at rest."""
        mujoco.mj_resetData(self.model, self.data)
        q = self.data.qpos
        if self._ball < 0:
            q[:3] = (*at, heading)
        else:
            q[:7] = (*at, q[2], math.cos(heading / 2), 0.0, 0.0, math.sin(heading / 2))
        for address, ((x, y), angle) in zip(self._vases, vases, strict=True):
            q[address : address + 3] = x, y, VASE_SIZE - _VASE_SINK
            q[address + 3 : address + 7] = math.cos(angle / 2), 0.0, 0.0, math.sin(angle / 2)
        mujoco.mj_forward(self.model, self.data)

    def mark(self, name: str, at: Point) -> None:
        """Move a mark."""
        self.data.mocap_pos[self._marks[name]][:2] = at

    def step(self, action: Array) -> None:
        """Hold the input, clipped to [-1, 1], for `FRAME_SKIP` physics steps.

        Raises:
            PlantError: the simulation diverged.
        """
        self.data.ctrl[:] = np.clip(action, -1.0, 1.0)
        mujoco.mj_step(self.model, self.data, FRAME_SKIP)
        mujoco.mj_forward(self.model, self.data)  # sensors and contacts of the state reached
        if not np.isfinite(self.data.qacc).all():
            raise PlantError(f"the simulation diverged at {self.data.time:.3f} s; reset the environment")

    @property
    def period(self) -> float:
        """Time of one `step`. [s]"""
        return self.model.opt.timestep * FRAME_SKIP

    @property
    def position(self) -> Array:
        """Place of the robot's frame, shape (2,). [m]"""
        return self.data.xpos[self._body, :2].copy()

    @property
    def velocity(self) -> Array:
        """Velocity of the robot's frame in the world, shape (3,). [m/s]"""
        twist = np.zeros(6)
        mujoco.mj_objectVelocity(self.model, self.data, mujoco.mjtObj.mjOBJ_XBODY, self._body, twist, 0)
        return twist[3:].copy()

    @property
    def vases(self) -> Array:
        """Places of the vases, shape (k, 2). [m]"""
        return np.array([self.data.qpos[a : a + 2] for a in self._vases]).reshape(-1, 2)

    @property
    def vase_speeds(self) -> Array:
        """Shape (k,). [m/s]"""
        return np.array([math.hypot(*self.data.qvel[a : a + 3]) for a in self._vase_dofs])

    def seen_from_robot(self, places: Array) -> Array:
        """Turn places on the floor, shape (k, 2), into the robot's frame, shape (k, 2). [m]"""
        attitude = self.data.xmat[self._body].reshape(3, 3)
        away = np.zeros((len(places), 3))
        away[:, :2] = places
        return ((away - self.data.xpos[self._body]) @ attitude)[:, :2]

    def proprioception(self) -> Array:
        """Sensors of the robot, shape (12,), or (24,) with the ball's turning rate and rotation matrix."""
        values = self.data.sensordata[self._sensors]
        if self._ball < 0:
            return values
        matrix = np.zeros(9)
        quaternion = self.data.qpos[self._ball : self._ball + 4]
        mujoco.mju_quat2Mat(matrix, quaternion / np.linalg.norm(quaternion))
        return np.concatenate([values, matrix])

    def vase_contacts(self) -> list[float]:
        """Penetrations, not positive, of the contacts between robot and vases. [m]"""
        contact = self.data.contact
        pairs = contact.geom.reshape(-1, 2)
        robot, vase = np.isin(pairs, self._robot_geoms), np.isin(pairs, self._vase_geoms)
        touching = robot.any(axis=1) & vase.any(axis=1)
        return [float(d) for d in contact.dist[touching]]

    def vase_distance(self) -> float:
        """Distance between the robot and the nearest vase, 0 in contact, infinite without vases. [m]"""
        best = math.inf
        apart = np.linalg.norm(self.vases - self.position, axis=1)
        bounds = apart - self.robot.radius - VASE_SIZE * math.sqrt(2.0)
        fromto = np.zeros(6)
        for k in np.argsort(bounds).tolist():
            if bounds[k] >= best:
                break
            for geom in self._robot_geoms:
                limit = min(best, 2.0 * _FLOOR)
                distance = mujoco.mj_geomDistance(
                    self.model, self.data, geom, self._vase_geoms[k], limit, fromto
                )
                best = min(best, distance)
        return max(0.0, best)

    def _addresses(self, name: str) -> Array:
        sensor = self.model.sensor(name)
        return np.arange(sensor.adr[0], sensor.adr[0] + sensor.dim[0])


def _mjcf(robot: Robot, vases: int, marks: Mapping[str, tuple[float, str]]) -> str:
    boxes = "".join(
        f"""
    <body name="vase{k}" pos="0 0 {VASE_SIZE - _VASE_SINK}">
      <freejoint name="vase{k}"/>
      <geom name="vase{k}" type="box" size="{VASE_SIZE} {VASE_SIZE} {VASE_SIZE}" condim="6"
            density="{_VASE_DENSITY}" rgba="0 .8 .8 1"/>
    </body>"""
        for k in range(vases)
    )
    discs = "".join(
        f"""
    <body name="{name}" mocap="true" pos="0 0 0.02">
      <geom type="cylinder" size="{radius} 0.01" contype="0" conaffinity="0" rgba="{colour}"/>
    </body>"""
        for name, (radius, colour) in marks.items()
    )
    sensors = "".join(f'<{name} name="{name}" site="centre"/>' for name in SENSORS)
    if robot.ball:
        sensors += '<ballangvel name="ball_rate" joint="rear"/>'
    return f"""
<mujoco model="arena">
  <option timestep="{robot.timestep}"/>
  <default><joint damping="{robot.damping}"/></default>
  <worldbody>
    <light pos="0 0 4" dir="0 0 -1" directional="true"/>
    <camera name="above" pos="0 -5 5" xyaxes="1 0 0 0 .7071 .7071"/>
    <geom name="floor" type="plane" size="{_FLOOR} {_FLOOR} 0.1" condim="6" rgba=".9 .9 .9 1"/>
    {robot.body}{boxes}{discs}
  </worldbody>
  <sensor>{sensors}</sensor>
  <actuator>{robot.drives}
  </actuator>
</mujoco>"""
