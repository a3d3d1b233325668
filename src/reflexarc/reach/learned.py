# SPDX-License-Identifier: Apache-2.0
r"""A learned density for systems that are known only as a simulator, with calibrated bounds.

    x(t)          ~ x0 + t/T * s_x * phi(xi, tau)             xi = (x0 - centre) / scale, tau = 2 t/T - 1
    ln rho(x(t))  ~ ln rho_0(x0) + t * s_z * z(xi, tau)

Both are exact at t = 0 and hold for any rho_0 on the box without training anew (Meng et al. CoRL 2021, arXiv
2109.06728). phi and z are smooth multilayer perceptrons, so the flow map can be inverted by Newton's method: the
density at a given point is that of the initial state which leads there.

Bounds are split-conformal: with probability at least 1 - alpha over an initial state drawn uniformly from the box (and
over the calibration), every coordinate of x and the increment lie within their bounds at all outputs at once. For
another rho_0 with rho_0 <= B times the uniform density, the probability of a miss is at most B alpha. Outside the box
nothing was learned and the bounds are infinite.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from scipy.spatial import KDTree

from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.core.types import Array
from reflexarc.reach.blackbox import BlackBox
from reflexarc.reach.densities import Density
from reflexarc.reach.system import ClosedLoop

FORMAT = "reflexarc-density-1"
_NEWTON = 12
"""Newton steps of an inversion; it starts at the nearest of many samples."""
_STARTS = 20_000
_FOUND = 1e-4
"""Largest remainder of an inversion, in parts of the spread of the states: single precision leaves about 1e-6."""


class Network(eqx.Module):
    """phi and z of the module's equation for one initial state; batches by `jax.vmap`."""

    flow: eqx.nn.MLP
    rate: eqx.nn.MLP
    centre: jax.Array
    """Shape (n,)."""
    scale: jax.Array
    """Shape (n,), positive."""
    spread: jax.Array
    """s_x, shape (n,); zero where a coordinate never moves."""
    rate_scale: jax.Array
    """s_z, shape (). [1/s]"""
    horizon: jax.Array
    """T, shape (). [s]"""

    def __init__(self, n: int, width: int, depth: int, key: Any):
        flow, rate = jax.random.split(key)
        shape = {"width_size": width, "depth": depth, "activation": jax.nn.silu, "dtype": jnp.float32}
        self.flow = eqx.nn.MLP(n + 1, n, key=flow, **shape)
        self.rate = eqx.nn.MLP(n + 1, 1, key=rate, **shape)
        self.centre, self.scale = jnp.zeros(n, jnp.float32), jnp.ones(n, jnp.float32)
        self.spread = jnp.ones(n, jnp.float32)
        self.rate_scale = self.horizon = jnp.ones((), jnp.float32)

    def __call__(self, x0: Any, t: Any) -> tuple[Any, Any]:
        """Return x(t) - x0, shape (n,), and the log-density increment for one x0 of shape (n,)."""
        centre, scale, spread, rate_scale, horizon = jax.lax.stop_gradient(
            (self.centre, self.scale, self.spread, self.rate_scale, self.horizon)
        )
        share = t / horizon
        features = jnp.append((x0 - centre) / scale, 2.0 * share - 1.0)
        return share * spread * self.flow(features), t * rate_scale * self.rate(features)[0]


class Prediction(NamedTuple):
    """States and increments at one output for N initial states, with their bounds."""

    x: Array
    """Shape (N, n)."""
    gain: Array
    """ln rho(x(t), t) - ln rho_0(x0), shape (N,)."""
    x_bound: Array
    """Largest error per coordinate, shape (N, n); infinite for an x0 outside the box."""
    gain_bound: Array
    """Largest error of the increment, shape (N,). [nat]"""


class Inversion(NamedTuple):
    """Log-density at N given points."""

    log_density: Array
    """Shape (N,); -inf where the initial density is zero, NaN where no initial state was found."""
    x0: Array
    """Initial states that lead there, shape (N, n)."""
    gain: Array
    """Their log-density increments, shape (N,)."""
    found: Any
    """Whether the flow map could be inverted, shape (N,)."""


@dataclass(frozen=True)
class LearnedDensity:
    """A trained network with the bounds of its calibration and what it was learned for."""

    network: Network
    system: str
    state: tuple[str, ...]
    """Names of the coordinates."""
    low: Array
    """Box of initial states, shape (n,)."""
    high: Array
    dt: float
    """Time between two outputs. [s]"""
    steps: int
    alpha: float
    """Probability of a miss that the bounds allow."""
    x_bound: Array
    """Per output and coordinate, shape (K+1, n); infinite if the calibration could not bound it."""
    gain_bound: Array
    """Per output, shape (K+1,). [nat]"""
    recipe: dict[str, Any] = field(default_factory=dict)
    """How it was made."""

    @property
    def n(self) -> int:
        """Size of the state."""
        return len(self.state)

    def predict(self, x0: Array, step: int) -> Prediction:
        """Return states, increments and bounds at output `step`.

        Args:
            x0: initial states, shape (N, n).
            step: number of the output, 0 to `steps`.

        Raises:
            ConfigError: x0 has another shape, or there is no such output.
        """
        x0 = self._checked(x0, step)
        move, gain = _evaluate(self.network, jnp.asarray(x0, jnp.float32), np.float32(step * self.dt))
        inside = np.all((x0 >= self.low) & (x0 <= self.high), axis=1)
        return Prediction(
            x0 + np.asarray(move, dtype=np.float64),
            np.asarray(gain, dtype=np.float64),
            np.where(inside[:, None], self.x_bound[step], np.inf),
            np.where(inside, self.gain_bound[step], np.inf),
        )

    def log_density(self, initial: Density, x: Array, step: int, seed: int = 0) -> Inversion:
        """Return ln rho(x, t) at output `step` for any initial density on the box.

        The learned flow map is inverted by Newton's method from the nearest of many samples. Where the flow contracts
        strongly the inverse magnifies the map's error: x0 is then as uncertain as `x_bound` times that.

        Args:
            initial: density of the initial state.
            x: states to ask about, shape (N, n).
            step: number of the output, 0 to `steps`.
            seed: of the samples that the inversion starts from.

        Raises:
            ConfigError: x has another shape, or there is no such output.
        """
        x = self._checked(x, step)
        starts = np.random.default_rng(seed).uniform(self.low, self.high, (_STARTS, self.n))
        reached = self.predict(starts, step).x
        size = np.where(reached.std(axis=0) > 0.0, reached.std(axis=0), 1.0)
        _, nearest = KDTree(reached / size).query(x / size)
        width = self.high - self.low
        x0, rest = _invert(
            self.network,
            jnp.asarray(x, jnp.float32),
            jnp.asarray(starts[nearest], jnp.float32),
            np.float32(step * self.dt),
            jnp.asarray(0.1 * np.where(width > 0.0, width, 1.0), jnp.float32),
        )
        x0 = np.asarray(x0, dtype=np.float64)
        found = (np.abs(np.asarray(rest)) <= _FOUND * size).all(axis=1)
        gain = self.predict(x0, step).gain
        with np.errstate(invalid="ignore"):
            density = np.where(found, initial.log_density(x0) + gain, np.nan)
        return Inversion(density, x0, gain, found)

    def save(self, path: Path) -> None:
        """Write a safetensors file: weights, bounds, and in its header what they are for."""
        header = {
            "system": self.system,
            "state": list(self.state),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "dt": self.dt,
            "steps": self.steps,
            "alpha": self.alpha,
            "width": self.network.flow.width_size,
            "depth": self.network.flow.depth,
            "recipe": self.recipe,
        }
        tensors = {name: np.asarray(leaf) for name, leaf in _named(self.network).items()}
        tensors |= {"x_bound": self.x_bound, "gain_bound": self.gain_bound}
        save_file(tensors, path, metadata={"format": FORMAT, "density": json.dumps(header, sort_keys=True)})

    def _checked(self, x: Array, step: int) -> Array:
        x = np.asarray(x, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != self.n:
            raise ConfigError(f"{self.system}: states of shape (N, {self.n}) are needed, got {x.shape}")
        if not 0 <= step <= self.steps:
            raise ConfigError(f"{self.system}: learned for outputs 0 to {self.steps}, asked for {step}")
        return x


def load_density(path: Path, system: ClosedLoop | BlackBox | None = None) -> LearnedDensity:
    """Read a learned density and check it.

    Args:
        path: safetensors file.
        system: what it is to be used for; None accepts any.

    Raises:
        ModelError: missing, not a density, wrong shapes, missing or surplus weights, a value that is not finite, or
            learned for another system, state or time step.
    """
    if not path.is_file():
        raise ModelError(f"{path}: there is no such density file")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: not a readable safetensors file ({error})") from error
    if metadata.get("format") != FORMAT:
        raise ModelError(
            f"{path}: format {metadata.get('format')!r} is not {FORMAT!r}; no density of this version"
        )
    try:
        header = json.loads(metadata["density"])
        state, steps = tuple(header["state"]), int(header["steps"])
        network = Network(len(state), int(header["width"]), int(header["depth"]), jax.random.key(0))
        box = np.array([header["low"], header["high"]], dtype=np.float64)
        named = {"system": str(header["system"]), "dt": float(header["dt"]), "alpha": float(header["alpha"])}
        recipe = dict(header["recipe"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: incomplete density ({error!r})") from error
    _check(path, tensors, network, len(state), steps)
    if box.shape != (2, len(state)) or not (box[0] <= box[1]).all() or not named["dt"] > 0.0:
        raise ModelError(
            f"{path}: the box {box.tolist()} with dt {named['dt']} s is not one of {len(state)} coordinates"
        )
    leaves, structure = jax.tree.flatten(eqx.filter(network, eqx.is_array))
    weights = jax.tree.unflatten(structure, [jnp.asarray(tensors[name]) for name in _named(network)])
    density = LearnedDensity(
        eqx.combine(weights, network),
        state=state,
        low=box[0],
        high=box[1],
        steps=steps,
        x_bound=tensors["x_bound"],
        gain_bound=tensors["gain_bound"],
        recipe=recipe,
        **named,
    )
    if system is not None:
        _fits(path, density, system)
    return density


def _named(network: Network) -> dict[str, Any]:
    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(network, eqx.is_array))
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def _check(path: Path, tensors: dict[str, Any], network: Network, n: int, steps: int) -> None:
    shapes = {name: leaf.shape for name, leaf in _named(network).items()}
    shapes |= {"x_bound": (steps + 1, n), "gain_bound": (steps + 1,)}
    if set(tensors) != set(shapes):
        missing, surplus = sorted(set(shapes) - set(tensors)), sorted(set(tensors) - set(shapes))
        raise ModelError(
            f"{path}: missing {', '.join(missing) or 'nothing'}, unknown {', '.join(surplus) or 'nothing'}"
        )
    for name, shape in shapes.items():
        if tensors[name].shape != shape:
            raise ModelError(f"{path}: {name} has shape {tensors[name].shape}, expected {shape}")
        bound = name in ("x_bound", "gain_bound")
        if np.isnan(tensors[name]).any() or (np.isinf(tensors[name]).any() and not bound):
            raise ModelError(f"{path}: values that are not finite in {name}")
        if bound and (tensors[name] < 0.0).any():
            raise ModelError(f"{path}: negative bounds in {name}")
    if not (tensors["scale"] > 0.0).all() or not tensors["horizon"] > 0.0:
        raise ModelError(f"{path}: scale and horizon must be positive")


def _fits(path: Path, density: LearnedDensity, system: ClosedLoop | BlackBox) -> None:
    theirs = system.name, tuple(c.name for c in system.state), system.dt
    ours = density.system, density.state, density.dt
    if ours != theirs:
        raise ModelError(
            f"{path}: learned for system, state and time step {ours}, it would be used for {theirs}; refused"
        )


@eqx.filter_jit
def _evaluate(network: Network, x0: Any, t: Any) -> tuple[Any, Any]:
    return jax.vmap(network, (0, None))(x0, t)


@eqx.filter_jit
def _invert(network: Network, x: Any, start: Any, t: Any, largest: Any) -> tuple[Any, Any]:
    """Return x0 and x0 + move(x0, t) - x after Newton steps of at most `largest` per coordinate."""

    def rest(x0: Any, x: Any) -> Any:
        return x0 + network(x0, t)[0] - x

    def one(x: Any, start: Any) -> tuple[Any, Any]:
        def step(_: Any, x0: Any) -> Any:
            change = jnp.linalg.solve(jax.jacfwd(rest)(x0, x), rest(x0, x))
            factor = jnp.max(jnp.abs(change) / largest)
            return x0 - change / jnp.maximum(factor, 1.0)

        x0 = jax.lax.fori_loop(0, _NEWTON, step, start)
        return x0, rest(x0, x)

    return jax.vmap(one)(x, start)
