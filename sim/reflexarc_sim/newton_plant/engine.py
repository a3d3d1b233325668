# SPDX-License-Identifier: Apache-2.0
"""Newton as the engine of the street; see `reflexarc_sim.mujoco_plant.engine` for what is shared with the plant.

Newton's free joints hold position and orientation (x, y, z, w) of the body and the velocity v_c of its centre of mass
with the angular velocity w, both in the world; MuJoCo's hold (w, x, y, z), the velocity v of the body's origin in the
world and w in the body. With the centre c in the body's frame and its rotation R:

    v = v_c - w x R c
"""

# MuJoCo, OpenUSD and Newton are without stubs:
# pyright: reportAttributeAccessIssue=false

from collections.abc import Iterator, Mapping
from typing import Any

import mujoco
import newton
import numpy as np

from reflexarc_sim.mujoco_plant.engine import Partner, Touch, not_finite
from reflexarc_sim.newton_plant.loading import body_named, compiling, load, match, partners, shape_named
from reflexarc_sim.usd.source import Source
from reflexarc_sim.usd.stage import Stage

_WXYZ, _XYZW = [3, 0, 1, 2], [1, 2, 3, 0]


class NewtonEngine:
    """Newton's `SolverMuJoCo` on MuJoCo Warp; `data` mirrors its state, in MuJoCo's coordinates."""

    def __init__(self, stage: Stage, source: Source, hull: str = "hull", base: str = "base_link"):
        """Load a stage that was exported from `source`.

        Args:
            stage: what Newton simulates.
            source: what it was made from.
            hull: shape whose contacts are told.
            base: body that pushes act on.

        Raises:
            ModelError: Newton does not hold the joints of the model.
        """
        model = source.model
        option = model.opt
        with compiling():
            # The numerics are the plant's; a stage carries none. Euler, see `mujoco_plant.model.assemble`.
            self._loaded = loaded = load(
                stage, iterations=int(option.iterations), integrator="euler", cone="elliptic"
            )
            self._model, self._dt = model, float(option.timestep)
            self._map = match(loaded, stage, source)
            self.classes: Mapping[int, Partner] = partners(loaded, stage)
            self._hull, self._base = shape_named(loaded, stage, hull), body_named(loaded, stage, base)
            self._base_here = model.body(base).id
            self._actuators()
            there, solver = loaded.model, loaded.solver
            self._now, self._next, self._control = there.state(), there.state(), there.control()
            kinds = solver.ObservableKind
            self._contacts = newton.Contacts(solver.get_max_contact_count(), 0, device="cpu")
            self._seen = solver.observables(
                {kinds.CONTACT_F, kinds.QFRC_ACTUATOR, kinds.OVERFLOW}, contacts=self._contacts
            )
            self._centre = there.body_com.numpy()[self._map.free_body].astype(float)
            self._overflow = False
            self._warm_up()

    def take_over(self, data: mujoco.MjData) -> None:
        """Begin from `data.qpos` and `data.qvel`, without a solution to start the next from."""
        m, solver = self._map, self._loaded.solver
        solver.reset(self._now)
        q, qd = self._now.joint_q.numpy(), self._now.joint_qd.numpy()
        q[m.joint_q] = data.qpos[m.qpos] - m.offset
        qd[m.joint_qd] = data.qvel[m.dof]
        pose = data.qpos[m.free_qpos[:, None] + np.arange(7)]
        twist = data.qvel[m.free_dof[:, None] + np.arange(6)]
        rotation = _rotations(pose[:, 3:])
        spin = np.einsum("nij,nj->ni", rotation, twist[:, 3:])
        centre = np.einsum("nij,nj->ni", rotation, self._centre)
        q[m.free_q[:, None] + np.arange(3)] = pose[:, :3]
        q[m.free_q[:, None] + 3 + np.arange(4)] = pose[:, 3:][:, _XYZW]
        qd[m.free_qd[:, None] + np.arange(3)] = twist[:, :3] + np.cross(spin, centre)
        qd[m.free_qd[:, None] + 3 + np.arange(3)] = spin
        newton.eval_fk(self._loaded.model, self._now.joint_q, self._now.joint_qd, self._now)
        self._overflow = False

    def step(self, data: mujoco.MjData) -> None:
        """Advance Newton one physics step under `data.ctrl` and the wrench on the base; write it into `data`."""
        told = np.clip(data.ctrl, self._least, self._most)
        self._control.joint_target_qd.numpy()[self._told] = told
        self._now.body_f.numpy()[self._base] = data.xfrc_applied[self._base_here]
        self._loaded.solver.step(
            self._now, self._next, self._control, self._contacts, self._dt, observables=self._seen
        )
        self._now, self._next = self._next, self._now
        self._overflow |= bool(self._seen.overflow.numpy()[0])
        self._read(data)

    def touches(self, data: mujoco.MjData) -> Iterator[Touch]:
        """Yield the hull's contacts that push."""
        contacts = self._contacts
        count = int(contacts.rigid_contact_count.numpy()[0])
        first, second = (
            contacts.rigid_contact_shape0.numpy()[:count],
            contacts.rigid_contact_shape1.numpy()[:count],
        )
        for i in np.flatnonzero((first == self._hull) | (second == self._hull)):
            leads = first[i] == self._hull
            other = int(second[i] if leads else first[i])
            force = self._seen.contact_f.numpy()[i, :3].astype(float)  # on the first shape
            normal = -float(force @ contacts.rigid_contact_normal.numpy()[i])
            if other not in self.classes or normal <= 0.0:
                continue
            point = (contacts.rigid_contact_point0 if leads else contacts.rigid_contact_point1).numpy()[i]
            place = data.xpos[self._base_here] + data.xmat[self._base_here].reshape(3, 3) @ point
            yield Touch(other, -force if leads else force, normal, (float(place[0]), float(place[1])))

    def problem(self, data: mujoco.MjData) -> str | None:
        """Return what is not finite, or that contacts did not fit into Newton's buffers."""
        return "Newton's buffers of contacts were too small" if self._overflow else not_finite(data)

    def limit_efforts(self, dofs: np.ndarray, limits: np.ndarray) -> np.ndarray:
        """Set the largest efforts of drives and return those before; 0 lets a body go.

        Args:
            dofs: addresses in MuJoCo's qvel, shape (n,).
            limits: shape (n,). [N] or [N m]
        """
        numbers = self._loaded.model.joint_effort_limit.numpy()
        before = numbers[self._there(dofs)].copy()
        numbers[self._there(dofs)] = limits
        self._loaded.solver.notify_model_changed(newton.ModelFlags.JOINT_DOF_PROPERTIES)
        return before

    def _there(self, dofs: np.ndarray) -> np.ndarray:
        where = {int(dof): int(there) for dof, there in zip(self._map.dof, self._map.joint_qd, strict=True)}
        return np.array([where[int(dof)] for dof in dofs], int)

    def _actuators(self) -> None:
        """Velocity servos of MuJoCo are drives of Newton's joints with a target velocity."""
        model = self._model
        joints = model.actuator_trnid[:, 0]
        self._dofs = model.jnt_dofadr[joints]
        self._told = self._there(self._dofs)
        limited = model.actuator_ctrllimited.astype(bool)
        self._least = np.where(limited, model.actuator_ctrlrange[:, 0], -np.inf)
        self._most = np.where(limited, model.actuator_ctrlrange[:, 1], np.inf)

    def _read(self, data: mujoco.MjData) -> None:
        m = self._map
        q, qd = self._now.joint_q.numpy(), self._now.joint_qd.numpy()
        data.qpos[m.qpos] = q[m.joint_q] + m.offset
        data.qvel[m.dof] = qd[m.joint_qd]
        pose = q[m.free_q[:, None] + np.arange(7)].astype(float)
        twist = qd[m.free_qd[:, None] + np.arange(6)].astype(float)
        quaternion = pose[:, 3:][:, _WXYZ]
        rotation = _rotations(quaternion)
        centre = np.einsum("nij,nj->ni", rotation, self._centre)
        data.qpos[m.free_qpos[:, None] + np.arange(3)] = pose[:, :3]
        data.qpos[m.free_qpos[:, None] + 3 + np.arange(4)] = quaternion
        data.qvel[m.free_dof[:, None] + np.arange(3)] = twist[:, :3] - np.cross(twist[:, 3:], centre)
        data.qvel[m.free_dof[:, None] + 3 + np.arange(3)] = np.einsum("nji,nj->ni", rotation, twist[:, 3:])
        data.actuator_velocity[:] = data.qvel[self._dofs]
        data.actuator_force[:] = self._seen.qfrc_actuator.numpy()[self._told]
        mujoco.mj_kinematics(self._model, data)

    def _warm_up(self) -> None:
        """Step once, so that all kernels are compiled, and forget it."""
        data: Any = mujoco.MjData(self._model)
        self.take_over(data)
        self.step(data)


def _rotations(quaternion: np.ndarray) -> np.ndarray:
    """Return rotation matrices, shape (n, 3, 3), of quaternions (w, x, y, z), shape (n, 4)."""
    w, x, y, z = (quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True)).T
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    ).transpose(2, 0, 1)
