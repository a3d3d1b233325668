# SPDX-License-Identifier: Apache-2.0
"""The Panda's filter problem in cbfpy, cbfjax and pink: same spheres, obstacles, table, box, gains and limits.

What differs follows from the libraries. cbfpy (0.1.0) relaxes every row, also the limits, and does not report it;
its rows are derived by JAX in every call. cbfjax (0.2.0) has no slack here, obstacles are constants of its barrier.
pink (pin-pink) takes the spheres and obstacles as collision pairs of its `SelfCollisionBarrier` and the table as one
`PositionBarrier` per sphere; its joint displacements are velocities times the period; Python loops over pairs.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import arm_jax
import jax
import jax.numpy as jnp
import numpy as np
from cbfpy import CBF, CBFConfig

from reflexarc.core.types import Array
from reflexarc.robots.arm import Arm

ALPHA = 10.0
PERIOD = 1e-3


class State(NamedTuple):
    """Input of one call."""

    q: Array
    dq: Array
    target: Array


class Scene(NamedTuple):
    """What is constant in a case."""

    order: int
    """1: velocities, 2: torques."""
    position: Array
    """Obstacles, shape (m, 3). [m]"""
    radius: Array
    """Shape (m,). [m]"""
    table: float | None
    """Height of the table, None for none. [m]"""
    box: tuple[Array, Array] | None
    """Corners for the end effector, None for none. [m]"""


Filter = Callable[[State], Array]


def barriers(robot: arm_jax.JaxArm, scene: Scene, q: Any, position: Any, radius: Any) -> Any:
    """Return all h of the scene for JAX: spheres and obstacles, spheres and table, box."""
    at = arm_jax.points(robot, q)
    spheres, tool = at[:-1], at[-1]
    parts = []
    if len(scene.radius):
        gap = jnp.linalg.norm(spheres[:, None] - position[None], axis=2)
        parts.append((gap - robot.radius[:, None] - radius[None]).ravel())
    if scene.table is not None:
        parts.append(spheres[:, 2] - robot.radius - scene.table)
    if scene.box is not None:
        parts += [tool - scene.box[0], scene.box[1] - tool]
    return jnp.concatenate(parts)


class ArmConfig(CBFConfig):
    """The problem for cbfpy: z = q with u = q', or z = (q, q') with u = torque."""

    def __init__(self, arm: Arm, scene: Scene, backend: str):
        """Take limits and geometry from `arm`."""
        self._robot, self._scene, self._n = arm_jax.build(arm), scene, arm.n
        limit = arm.max_velocity if scene.order == 1 else arm.max_torque
        super().__init__(
            n=arm.n * scene.order,
            m=arm.n,
            u_min=-limit,
            u_max=limit,
            backend=backend,
            init_args=(scene.position, scene.radius),
        )

    def f(self, z, *args):
        """Drift."""
        if self._scene.order == 1:
            return jnp.zeros(self._n)
        mass, bias = arm_jax.dynamics(self._robot, z[: self._n], z[self._n :])
        return jnp.concatenate([z[self._n :], -jnp.linalg.solve(mass, bias)])

    def g(self, z, *args):
        """Input matrix."""
        if self._scene.order == 1:
            return jnp.eye(self._n)
        mass, _ = arm_jax.dynamics(self._robot, z[: self._n], z[self._n :])
        return jnp.concatenate([jnp.zeros((self._n, self._n)), jnp.linalg.inv(mass)])

    def h_1(self, z, position, radius):
        """Barriers of relative degree 1."""
        if self._scene.order != 1:
            return jnp.zeros(0)
        return barriers(self._robot, self._scene, z, position, radius)

    def h_2(self, z, position, radius):
        """Barriers of relative degree 2."""
        if self._scene.order != 2:
            return jnp.zeros(0)
        return barriers(self._robot, self._scene, z[: self._n], position, radius)

    def alpha(self, h, *args):
        """Gain."""
        return ALPHA * h

    def alpha_2(self, h_2, *args):
        """Gain of relative degree 2."""
        return ALPHA * h_2


def _state_vector(scene: Scene, state: State) -> Array:
    return state.q if scene.order == 1 else np.concatenate([state.q, state.dq])


def cbfpy_filter(arm: Arm, scene: Scene, backend: str) -> Filter:
    """Return cbfpy's filter with one of its solvers."""
    cbf = CBF.from_config(ArmConfig(arm, scene, backend))

    def call(state: State) -> Array:
        z = _state_vector(scene, state)
        return np.asarray(cbf.safety_filter(z, state.target, scene.position, scene.radius))

    return call


def exact_rows(arm: Arm, scene: Scene) -> Callable[[State], tuple[Array, Array]]:
    """Return a function that gives A and b of the case as cbfpy derives them, bounds included."""
    cbf = CBF.from_config(ArmConfig(arm, scene, "qpax"))

    @jax.jit
    def rows(z, target):
        _, _, _, _, normals, offsets = cbf.qp_data(z, target, scene.position, scene.radius)
        return normals, offsets

    def call(state: State) -> tuple[Array, Array]:
        normals, offsets = rows(_state_vector(scene, state), state.target)
        return np.asarray(normals), np.asarray(offsets)

    return call


def cbfjax_filter(arm: Arm, scene: Scene) -> Filter:
    """Return cbfjax's filter with bounded inputs for velocities; the proposal enters as the controller's state."""
    from cbfjax.barriers.barrier import Barrier  # noqa: PLC0415 - an optional peer
    from cbfjax.barriers.multi_barrier import MultiBarriers  # noqa: PLC0415
    from cbfjax.dynamics.single_integrator import SingleIntegratorDynamics  # noqa: PLC0415
    from cbfjax.safe_controls.qp_safe_control import InputConstQPSafeControl  # noqa: PLC0415

    robot, n = arm_jax.build(arm), arm.n
    plant = SingleIntegratorDynamics(dim=n)
    barrier = Barrier(
        barrier_func=lambda q: barriers(robot, scene, q, scene.position, scene.radius),
        dynamics=plant,
        rel_deg=1,
    )
    control = InputConstQPSafeControl(
        action_dim=n,
        alpha=lambda h: ALPHA * h,
        barrier=MultiBarriers(barriers=[barrier], dynamics=plant, multidim=True),
        dynamics=plant,
        control_low=tuple(-arm.max_velocity),
        control_high=tuple(arm.max_velocity),
        Q=lambda x, state: (2.0 * jnp.eye(n), state),
        c=lambda x, state: (-2.0 * state, state),
    )

    def call(state: State) -> Array:
        u, _ = control.optimal_control(jnp.asarray(state.q), jnp.asarray(state.target))
        return np.asarray(u)

    return call


def pink_filter(arm: Arm, scene: Scene) -> Filter:
    """Return pink's `solve_ik` with a joint velocity task, velocity limits and barriers."""
    import coal  # noqa: PLC0415 - an optional peer's needs
    import pink  # noqa: PLC0415
    import pinocchio as pin  # noqa: PLC0415
    from pink.barriers import PositionBarrier, SelfCollisionBarrier  # noqa: PLC0415
    from pink.limits import VelocityLimit  # noqa: PLC0415
    from pink.tasks import JointVelocityTask  # noqa: PLC0415

    model, shapes, spheres = arm.model.copy(), pin.GeometryModel(), []
    for i in range(arm.spheres.moving):
        frame = model.frames[model.getFrameId(arm.spheres.links[i])]
        place = frame.placement * pin.SE3(np.eye(3), np.array(arm.spheres.centre[i]))
        model.addFrame(pin.Frame(f"sphere_{i}", frame.parentJoint, place, pin.FrameType.OP_FRAME))
        ball = pin.GeometryObject(f"sphere_{i}", frame.parentJoint, place, coal.Sphere(arm.spheres.radius[i]))
        spheres.append(shapes.addGeometryObject(ball))
    for i, (at, r) in enumerate(zip(scene.position, scene.radius, strict=True)):
        thing = pin.GeometryObject(f"thing_{i}", 0, pin.SE3(np.eye(3), at), coal.Sphere(float(r)))
        added = shapes.addGeometryObject(thing)
        for sphere in spheres:
            shapes.addCollisionPair(pin.CollisionPair(sphere, added))
    pairs = len(shapes.collisionPairs)
    rows: list[Any] = [SelfCollisionBarrier(pairs, gain=ALPHA, safe_displacement_gain=0.0, d_min=0.0)]
    for i in range(arm.spheres.moving):
        low = np.array([(scene.table or 0.0) + arm.spheres.radius[i]])
        rows.append(PositionBarrier(f"sphere_{i}", indices=[2], p_min=low, gain=ALPHA))
    task = JointVelocityTask(cost=1.0)
    limit = VelocityLimit(model, np.array(arm.max_velocity))
    configuration = pink.Configuration(model, model.createData(), arm.home.copy(), collision_model=shapes)

    def call(state: State) -> Array:
        configuration.update(state.q)
        # Its joint velocity task (4.4.0) minimises |dq + v dt|, so the proposal goes in with the other sign.
        task.set_target(-state.target, PERIOD)
        return pink.solve_ik(
            configuration, [task], PERIOD, solver="daqp", damping=0.0, limits=[limit], barriers=rows
        )

    return call
