# SPDX-License-Identifier: Apache-2.0
r"""Train a learned density from a simulator and calibrate its bounds.

Three independent sets of trajectories from initial states uniform in the box: one to learn from, one to shape the
bounds (root-mean-square error per output and coordinate, sigma), one to calibrate them. The flow map and the increment
are two networks with a loss of their own each,

    mean |(x^ - x) / std(x - x0)|^2  +  mean ((g^ - g) / std(g))^2,

both on simulated truth: x is the trajectory, g the volume change of a local ensemble (see `blackbox`). The Jacobian of
the learned flow map would give g as well, but only as well as the map's derivative was learned: with the truth at hand
regression is simpler and more accurate. The published method trains g on the residual of the Liouville equation, which
a black box does not offer.

Calibration (split-conformal; Lei et al. 2018, J. Am. Stat. Assoc. 113): with the score of a trajectory

    s = max_{k, i} |x^ - x| / sigma_{k, i}         and likewise for g,

and q the ceil((m + 1)(1 - alpha / 2))-th smallest of m scores, q sigma bounds a new trajectory at all outputs with
probability at least 1 - alpha / 2, without assumptions on network or system; both together with 1 - alpha. A trajectory
that is not finite has an infinite score.
"""

import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import yaml

from reflexarc.core.config import from_mapping, quantity, read_yaml
from reflexarc.core.errors import ConfigError
from reflexarc.core.intervals import conformal_level
from reflexarc.core.training import Checkpoint, fit
from reflexarc.core.types import Array
from reflexarc.reach.blackbox import BlackBox, Ensemble, ensemble, from_closed_loop, from_mujoco, sample
from reflexarc.reach.learned import LearnedDensity, Network

Progress = Callable[[int, int, Mapping[str, float]], None]
"""Told: steps done, steps in all, figures of the training."""
WEIGHTS, RECIPE, LOG = "density.safetensors", "recipe.yaml", "log.csv"
"""What a training writes into its folder."""
_EVERY = 1000
"""Steps between two checkpoints."""


@dataclass(frozen=True)
class Training:
    """Parameters of a training."""

    trajectories: int = quantity(3000, low=10, high=1e6, doc="trajectories to learn from")
    shaping: int = quantity(300, low=10, high=1e6, doc="trajectories that shape the bounds")
    calibration: int = quantity(1000, low=10, high=1e6, doc="trajectories that calibrate the bounds")
    alpha: float = quantity(0.05, low=1e-4, high=0.5, doc="probability of a miss that the bounds allow")
    data_seed: int = quantity(0, low=0, high=2**31, doc="seed of the initial states")
    seed: int = quantity(0, low=0, high=2**31, doc="seed of weights and batches")
    width: int = quantity(96, low=4, high=1024, doc="neurons per hidden layer")
    depth: int = quantity(3, low=1, high=8, doc="hidden layers")
    steps: int = quantity(20_000, low=1, high=1e7, doc="steps of Adam")
    batch: int = quantity(512, low=1, high=1e6, doc="states per step")
    rate: float = quantity(
        3e-3, low=1e-6, high=1.0, doc="learning rate at the start; falls to zero as a cosine"
    )


@dataclass(frozen=True)
class Mjcf:
    """A MuJoCo model as black box."""

    mjcf: str = quantity(doc="MJCF file, relative to the recipe")
    low: tuple[float, ...] = quantity(
        doc="lower corner of the box of initial states, positions before velocities"
    )
    high: tuple[float, ...] = quantity(doc="upper corner")
    dt: float = quantity(unit="s", low=1e-6, high=1e3, doc="time between two outputs")
    steps: int = quantity(low=1, high=1e5, doc="outputs of the horizon")


@dataclass(frozen=True)
class Recipe:
    """What to learn and how: exactly one of `system` and `simulator`."""

    system: str | None = quantity(None, doc="name in `reflexarc.reach.systems`, taken as a black box")
    simulator: Mjcf | None = quantity(None, doc="a MuJoCo model")
    training: Training = dataclasses.field(default_factory=Training)
    data_sha256: str = quantity("", doc="hash of the trajectories, written by a training")


def train_density(
    recipe_path: Path, out: Path, progress: Progress | None = None, resume: bool = True
) -> LearnedDensity:
    """Follow a recipe and write weights, the whole recipe and a log into a folder.

    Args:
        recipe_path: YAML file with the keys of `Recipe`.
        out: folder, made if needed; a checkpoint in it that a stopped training left is gone on from.
        progress: told now and then.
        resume: False throws a checkpoint away first.

    Raises:
        ConfigError: the recipe is not acceptable, or the simulator escapes too often to learn from.
        ModelError: the checkpoint is damaged or of another training, or the MJCF model cannot be used.
    """
    recipe = from_mapping(Recipe, read_yaml(recipe_path), str(recipe_path))
    box = black_box(recipe, recipe_path.parent)
    out.mkdir(parents=True, exist_ok=True)
    place = out / "checkpoint.safetensors"
    if not resume:
        place.unlink(missing_ok=True)
    density, log = train(box, recipe.training, progress, place)
    density.save(out / WEIGHTS)
    kept = _kept(recipe, recipe_path.parent, out) | {"data_sha256": density.recipe["data_sha256"]}
    text = yaml.safe_dump(kept, sort_keys=False)
    (out / RECIPE).write_text("# SPDX-License-Identifier: Apache-2.0\n" + text, encoding="utf-8")
    names = list(log[0])
    rows = [",".join(names), *(",".join(f"{row[name]:.6g}" for name in names) for row in log)]
    (out / LOG).write_text("\n".join(rows) + "\n", encoding="utf-8")
    place.unlink(missing_ok=True)
    return density


def black_box(recipe: Recipe, folder: Path) -> BlackBox:
    """Return the simulator that a recipe names.

    Args:
        recipe: the recipe.
        folder: where its relative paths start.

    Raises:
        ConfigError: neither or both of `system` and `simulator` are given, or the name is unknown.
    """
    if (recipe.system is None) == (recipe.simulator is None):
        raise ConfigError("a recipe names exactly one of `system` and `simulator`")
    if recipe.simulator is not None:
        m = recipe.simulator
        return from_mujoco(folder / m.mjcf, np.array(m.low), np.array(m.high), m.dt, m.steps)
    from reflexarc.reach.systems import SYSTEMS  # noqa: PLC0415 - large tables, only here

    return from_closed_loop(SYSTEMS[str(recipe.system)])


def train(
    box: BlackBox, training: Training, progress: Progress | None = None, checkpoint: Path | None = None
) -> tuple[LearnedDensity, list[dict[str, float]]]:
    """Simulate, train and calibrate; return the density and the log.

    Args:
        box: simulator.
        training: parameters.
        progress: told now and then.
        checkpoint: file to go on from if it exists, and to write.

    Raises:
        ConfigError: too few calibration trajectories for alpha, or less than half of the trajectories are finite.
        ModelError: the checkpoint is damaged or of another training.
    """
    least = math.ceil(2.0 / training.alpha) - 1
    if training.calibration < least:
        raise ConfigError(
            f"{training.calibration} calibration trajectories cannot bound misses of {training.alpha:g}; at least "
            f"{least} can"
        )
    if progress is not None:
        progress(0, training.steps, {})
    rng = np.random.default_rng(training.data_seed)
    counts = training.trajectories, training.shaping, training.calibration
    learn, shape, held_out = (ensemble(box, sample(box, count, rng)) for count in counts)
    learn, shape = _finite(box, learn), _finite(box, shape)
    digest = hashlib.sha256(learn.x.tobytes() + learn.gain.tobytes()).hexdigest()
    recipe = dataclasses.asdict(training) | {"data_sha256": digest}
    identity = json.dumps([box.name, recipe], sort_keys=True)
    kept = None if checkpoint is None else Checkpoint(checkpoint, identity, _EVERY)
    network, log = _fit(box, learn, training, progress, kept)
    unbound = np.zeros((box.steps + 1, box.n)), np.zeros(box.steps + 1)
    density = LearnedDensity(
        network, box.name, tuple(c.name for c in box.state), box.low, box.high, box.dt, box.steps,
        training.alpha, *unbound, recipe,
    )  # fmt: skip
    return calibrate(density, shape, held_out, training.alpha), log


def errors(density: LearnedDensity, truth: Ensemble) -> Ensemble:
    """Return prediction minus truth of states (K+1, N, n) and increments (K+1, N)."""
    predicted = [density.predict(truth.x[0], k) for k in range(density.steps + 1)]
    return Ensemble(
        np.stack([p.x for p in predicted]) - truth.x, np.stack([p.gain for p in predicted]) - truth.gain
    )


def calibrate(density: LearnedDensity, shape: Ensemble, held_out: Ensemble, alpha: float) -> LearnedDensity:
    """Return the density with split-conformal bounds that miss with probability at most alpha.

    Args:
        density: trained.
        shape: finite trajectories that give the bounds their shape over outputs and coordinates.
        held_out: trajectories drawn independently of the training and of `shape`; one that is not finite is a miss.
        alpha: probability of a miss of any of both bounds at any output; with fewer than 2 / alpha - 1 trajectories the
            bounds are infinite.
    """
    shapes = [np.sqrt(np.mean(e**2, axis=1)) for e in errors(density, shape)]  # (K+1, n), (K+1,)
    bounds = []
    for error, sigma in zip(errors(density, held_out), shapes, strict=True):
        level = conformal_level(conformal_scores(error, sigma), 0.5 * alpha)
        bounds.append(level * np.maximum(sigma, _floor(sigma)))
    for bound in bounds:
        bound[0] = 0.0  # exact by construction
    return dataclasses.replace(density, alpha=alpha, x_bound=bounds[0], gain_bound=bounds[1])


def conformal_scores(error: Array, sigma: Array) -> Array:
    """Return the largest error of each trajectory over all outputs k >= 1, in parts of sigma.

    Args:
        error: shape (K+1, N) or (K+1, N, n).
        sigma: shape (K+1,) or (K+1, n).
    """
    ratio = np.abs(error[1:]) / np.maximum(sigma, _floor(sigma))[1:, None]
    score = ratio.reshape(len(ratio), error.shape[1], -1).max(axis=(0, 2))
    return np.where(np.isnan(score), np.inf, score)


def _floor(sigma: Array) -> Any:
    """Return the least sigma that is divided by, per coordinate: where errors are rounding, ratios mean nothing."""
    return 1e-6 * sigma.max(axis=0) + 1e-9


def _finite(box: BlackBox, data: Ensemble) -> Ensemble:
    keep = data.finite
    if keep.mean() < 0.5:
        raise ConfigError(
            f"{box.name}: {np.sum(~keep)} of {len(keep)} trajectories from the box are not finite; "
            "a smaller box or a shorter horizon is needed to learn from"
        )
    return Ensemble(data.x[:, keep], data.gain[:, keep])


def _fit(
    box: BlackBox,
    data: Ensemble,
    training: Training,
    progress: Progress | None,
    checkpoint: Checkpoint | None,
) -> tuple[Network, list[dict[str, float]]]:
    move = data.x - data.x[0]
    t = np.arange(box.steps + 1) * box.dt
    x_size, g_size = move[1:].std(axis=(0, 1)), data.gain[1:].std()
    width = box.high - box.low
    network = eqx.tree_at(
        lambda n: (n.centre, n.scale, n.spread, n.rate_scale, n.horizon),
        Network(box.n, training.width, training.depth, jax.random.key(training.seed)),
        [
            jnp.asarray(value, jnp.float32)
            for value in (
                0.5 * (box.low + box.high),
                np.where(width > 0.0, 0.5 * width, 1.0),
                move[-1].std(axis=0) + np.abs(move[-1].mean(axis=0)),
                np.sqrt(np.mean((data.gain[1:] / t[1:, None]) ** 2)),
                t[-1],
            )
        ],
    )
    optimiser = optax.adam(optax.cosine_decay_schedule(training.rate, training.steps))
    weights, static = eqx.partition(network, eqx.is_array)
    x0, moves, gains, times = (jnp.asarray(a, jnp.float32) for a in (data.x[0], move, data.gain, t))
    x_unit, g_unit = jnp.asarray(np.where(x_size > 0.0, x_size, 1.0), jnp.float32), np.float32(g_size or 1.0)

    def loss(weights: Any, i: Any, k: Any) -> Any:
        moved, gain = jax.vmap(eqx.combine(weights, static))(x0[i], times[k])
        x_loss = jnp.mean(((moved - moves[k, i]) / x_unit) ** 2)
        g_loss = jnp.mean(((gain - gains[k, i]) / g_unit) ** 2)
        return x_loss + g_loss, (x_loss, g_loss)

    def step(state: Any, key: Any, _: Any) -> tuple[Any, dict[str, Any]]:
        weights, memory = state
        which, when = jax.random.split(key)
        i = jax.random.randint(which, (training.batch,), 0, len(x0))
        k = jax.random.randint(when, (training.batch,), 1, box.steps + 1)
        gradient, (x_loss, g_loss) = jax.grad(loss, has_aux=True)(weights, i, k)
        change, memory = optimiser.update(gradient, memory, weights)
        return (optax.apply_updates(weights, change), memory), {"x_loss": x_loss, "gain_loss": g_loss}

    state = weights, optimiser.init(weights)
    (weights, _), log = fit(state, step, training.steps, training.seed, progress, checkpoint)
    return eqx.combine(weights, static), log


def _kept(recipe: Recipe, folder: Path, out: Path) -> dict[str, Any]:
    """Return the recipe as it is written into `out`, where a relative path starts elsewhere."""
    kept = {key: value for key, value in dataclasses.asdict(recipe).items() if value is not None}
    if recipe.simulator is not None:
        place = os.path.relpath(folder / recipe.simulator.mjcf, out)
        kept["simulator"] |= {
            "mjcf": place,
            "low": list(recipe.simulator.low),
            "high": list(recipe.simulator.high),
        }
    return kept
