# SPDX-License-Identifier: Apache-2.0
r"""Systems that are known only as a simulator: trajectories, and how much they spread or contract a volume.

A simulator advances states by one output, x_{k+1} = F(x_k, k), and can be reset to any state. Its log-density increment
is exact for the map (Liouville in discrete time, Meng et al. CoRL 2021, arXiv 2109.06728, section 3):

    g_{k+1} = g_k - ln |det dF/dx (x_k, k)|,        g_0 = 0.

dF/dx is taken by central differences over a local ensemble, two neighbours per coordinate that are reset onto the
trajectory at every output. The differences of one step stay well conditioned where those of the whole flow would drown
in rounding, as under strong contraction. Error per step: third derivatives of F times h^2, plus rounding / h.

A recording without neighbours holds no such truth, neither to learn from nor to calibrate bounds against; it is
therefore not accepted as a source. Across a jump of F (an impact) the differences are not derivatives.
"""

# pyright: reportAttributeAccessIssue=false
# MuJoCo's names live in a compiled module without stubs.

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from reflexarc.core.errors import ConfigError, ModelError, PlantError
from reflexarc.core.types import Array
from reflexarc.reach.flow import cast, check, propagate
from reflexarc.reach.system import ClosedLoop
from reflexarc.robots.systems.system import Coordinate

SPREAD = 1e-5
"""Distance of a neighbour, in parts of the width of the box: truncation ~1e-10, rounding ~1e-11 per step."""
_BLOCK = 50_000
"""States that are simulated at a time: bounds the memory, not the answer."""


@dataclass(frozen=True, slots=True)
class BlackBox:
    """A simulator of a closed loop and the box of initial states that it is asked about."""

    name: str
    source: str
    """What simulates."""
    state: tuple[Coordinate, ...]
    low: Array
    """Lower corner of the box of initial states, shape (n,)."""
    high: Array
    """Upper corner, shape (n,)."""
    dt: float
    """Time between two outputs. [s]"""
    steps: int
    """Outputs of the horizon."""
    advance: Callable[[Array, int], Array]
    """F(x, k): states (N, n) at output k -> states (N, n) one output later."""

    @property
    def n(self) -> int:
        """Size of the state."""
        return len(self.state)

    def __post_init__(self) -> None:
        low, high = np.asarray(self.low, dtype=np.float64), np.asarray(self.high, dtype=np.float64)
        if low.shape != (self.n,) or high.shape != (self.n,) or not np.isfinite([low, high]).all():
            raise ConfigError(
                f"{self.name}: the box must be {self.n} finite numbers each, got {low.tolist()} and {high.tolist()}"
            )
        if not (low <= high).all() or not (low < high).any():
            raise ConfigError(
                f"{self.name}: the box [{low.tolist()}, {high.tolist()}] is empty; each lower bound must lie at or "
                "below its upper bound, one of them strictly"
            )
        if not (self.dt > 0.0 and np.isfinite(self.dt)) or self.steps < 1:
            raise ConfigError(f"{self.name}: dt {self.dt} s must be positive, steps {self.steps} at least 1")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)


class Ensemble(NamedTuple):
    """Trajectories of a simulator with their log-density increments; what is not finite escaped."""

    x: Array
    """Shape (K+1, N, n)."""
    gain: Array
    """g = ln rho(x(t), t) - ln rho_0(x(0)), shape (K+1, N)."""

    @property
    def finite(self) -> Any:
        """Whether a trajectory and its increments are finite throughout, shape (N,)."""
        return np.isfinite(self.x).all(axis=(0, 2)) & np.isfinite(self.gain).all(axis=0)


def sample(box: BlackBox, count: int, rng: np.random.Generator) -> Array:
    """Return `count` initial states, uniform in the box, shape (count, n)."""
    return rng.uniform(box.low, box.high, (count, box.n))


def ensemble(box: BlackBox, x0: Array, spread: float = SPREAD) -> Ensemble:
    """Simulate from x0 and measure the log-density increments with neighbours.

    Args:
        box: simulator.
        x0: initial states, shape (N, n).
        spread: distance of a neighbour in parts of the width of the box (of one unit where the width is zero).

    Raises:
        ConfigError: x0 has another shape, or the spread is not positive.
        PlantError: the simulator answers with another shape.
    """
    x0 = np.asarray(x0, dtype=np.float64)
    if x0.ndim != 2 or x0.shape[1] != box.n or not spread > 0.0:
        raise ConfigError(
            f"{box.name}: initial states of shape (N, {box.n}) and a positive spread are needed, got {x0.shape} "
            f"and {spread}"
        )
    size = max(1, _BLOCK // (2 * box.n + 1))
    parts = [_block(box, x0[i : i + size], spread) for i in range(0, len(x0), size)]
    return Ensemble(
        np.concatenate([p.x for p in parts], axis=1), np.concatenate([p.gain for p in parts], axis=1)
    )


def _block(box: BlackBox, x0: Array, spread: float) -> Ensemble:
    count, n = x0.shape
    width = np.where(box.high > box.low, box.high - box.low, 1.0)
    step = spread * width
    offsets = np.concatenate([np.zeros((1, n)), np.diag(step), -np.diag(step)])[:, None]  # (2n+1, 1, n)
    x, gain = np.empty((box.steps + 1, count, n)), np.zeros((box.steps + 1, count))
    x[0] = x0
    for k in range(box.steps):
        after = np.asarray(box.advance((x[k] + offsets).reshape(-1, n), k), dtype=np.float64)
        if after.shape != ((2 * n + 1) * count, n):
            raise PlantError(
                f"{box.name}: the simulator must answer {((2 * n + 1) * count, n)} states, it gave {after.shape}"
            )
        after = after.reshape(2 * n + 1, count, n)
        x[k + 1] = after[0]
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            jacobian = (after[1 : n + 1] - after[n + 1 :]) / (2.0 * step)[:, None, None]  # (n by x_k, N, n)
            gain[k + 1] = gain[k] - np.linalg.slogdet(jacobian.transpose(1, 0, 2))[1]
    return Ensemble(x, gain)


def from_closed_loop(system: ClosedLoop, parameters: Any = None) -> BlackBox:
    """Hide a known closed loop behind a simulator: what is learned about it can be judged exactly."""
    check(system)
    parameters = cast(parameters, system, "float64")

    @jax.jit
    def one(x: Any, start: Any) -> Any:
        return propagate(system, x, 1, system.substeps, "rk4", parameters, start, gain=False)[1][-1]

    def advance(x: Array, k: int) -> Array:
        with jax.enable_x64(True):
            return np.asarray(one(x, np.float64(k * system.dt)))

    return BlackBox(
        system.name, system.source, system.state, system.low, system.high, system.dt, system.steps, advance
    )


def from_mujoco(
    path: Path,
    low: Array,
    high: Array,
    dt: float,
    steps: int,
    control: Callable[[Array, float], Array] | None = None,
    threads: int = 2,
) -> BlackBox:
    """Simulate an MJCF model; the state is (qpos, qvel) of its hinges and slides.

    Args:
        path: the MJCF file.
        low: lower corner of the box of initial states, shape (n,), n = 2 nv; positions first.
        high: upper corner, shape (n,).
        dt: time between two outputs, a whole multiple of the model's time step. [s]
        steps: outputs of the horizon.
        control: inputs (N, nu) for states (N, n) and a time [s], held over one output; None sends zeros.
        threads: MuJoCo's threads.

    Raises:
        ModelError: the file is missing or not a model, or has states that (qpos, qvel) does not hold: free or ball
            joints (no density in R^n), activations.
        ConfigError: dt is no multiple of the time step.
    """
    import mujoco  # noqa: PLC0415 - optional
    import mujoco.rollout  # noqa: PLC0415

    if not path.is_file():
        raise ModelError(f"{path}: there is no such model")
    try:
        model = mujoco.MjModel.from_xml_path(str(path))
    except ValueError as error:
        raise ModelError(f"{path}: not a model that MuJoCo reads ({error})") from error
    if model.nq != model.nv or model.na or model.nv == 0:
        raise ModelError(
            f"{path}: {model.nq} positions, {model.nv} velocities and {model.na} activations; a density over "
            "(qpos, qvel) needs hinges and slides only, and no activations"
        )
    substeps = round(dt / model.opt.timestep)
    if substeps < 1 or abs(substeps * model.opt.timestep - dt) > 1e-9 * dt:
        raise ConfigError(f"{path}: dt {dt} s is no multiple of the model's time step {model.opt.timestep} s")
    data = [mujoco.MjData(model) for _ in range(threads)]

    def advance(x: Array, k: int) -> Array:
        before = np.concatenate([np.full((len(x), 1), k * dt), x], axis=1)  # MuJoCo's order: time, qpos, qvel
        inputs = None if control is None else np.asarray(control(x, k * dt), dtype=np.float64)[:, None, :]
        after, _ = mujoco.rollout.rollout(model, data, before, inputs, nstep=substeps)
        return np.asarray(after)[:, -1, 1:]

    state = [Coordinate(*_joint(mujoco, model, j)) for j in range(model.njnt)]
    rates = [Coordinate(f"{c.name}_rate", f"{c.unit}/s") for c in state]
    return BlackBox(model_name(path), f"MuJoCo, {path.name}", (*state, *rates), low, high, dt, steps, advance)


def model_name(path: Path) -> str:
    """Return the name under which an MJCF file is a black box: the file's, without its ending."""
    return path.stem


def _joint(mujoco: Any, model: Any, j: int) -> tuple[str, str]:
    name = mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_JOINT, j) or f"joint_{j}"
    return name, "m" if model.jnt_type[j] == mujoco.mjtJoint.mjJNT_SLIDE else "rad"
