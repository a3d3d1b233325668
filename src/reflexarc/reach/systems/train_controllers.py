# SPDX-License-Identifier: Apache-2.0
"""Train the controllers of the benchmark systems by imitating a written law; some seconds to two minutes each.

Usage: python -m reflexarc.reach.systems.train_controllers NAME [NAME ...] [--out FOLDER]

Reads models/density/NAME/recipe.yaml and writes controller.safetensors beside it, or into FOLDER/NAME. Inputs are drawn
afresh from the recipe's box in each iteration, so there is no training set to overfit; they are scaled to unit range
during training and the scaling becomes part of the first layer. The same recipe gives the same weights on the same
machine and versions.
"""

import argparse
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import yaml

from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.types import Array
from reflexarc.reach.systems import acc, dint, quad, robot, toon
from reflexarc.reach.systems.networks import Layers, controller_path, mlp, save_controller

KEYS = {"batch", "high", "iterations", "learning_rate", "low", "seed"}
ENDS: dict[str, Callable[[Any], Any]] = {
    "acc": lambda y: y,
    "dint": lambda y: jnp.clip(y, -dint.LIMIT, dint.LIMIT),
    "quad": lambda y: y,
    "robot": lambda y: robot.LIMIT * jnp.tanh(y),
    "toon": lambda y: toon.LIMIT * jnp.tanh(y),
}
"""What the plant sees of the network's output."""
MODULES = {"acc": acc, "dint": dint, "quad": quad, "robot": robot, "toon": toon}


def read_recipe(path: Path, size: int) -> dict[str, Any]:
    """Read a recipe.

    Args:
        path: YAML file with `low` and `high` of the inputs, `iterations`, `batch`, `learning_rate` and `seed`.
        size: number of the network's inputs.

    Raises:
        ConfigError: no such file, other keys, or a box that is none.
    """
    try:
        recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: no readable recipe ({error})") from error
    if not isinstance(recipe, dict) or set(recipe) != KEYS:
        raise ConfigError(f"{path}: a recipe has exactly the keys {', '.join(sorted(KEYS))}")
    low, high = np.asarray(recipe["low"], dtype=float), np.asarray(recipe["high"], dtype=float)
    if low.shape != (size,) or high.shape != (size,) or not (low < high).all():
        raise ConfigError(f"{path}: low and high must be {size} numbers each, low below high")
    return recipe | {"low": low, "high": high}


def train(name: str, recipe: dict[str, Any]) -> tuple[Layers, float]:
    """Train one controller.

    Args:
        name: of the system.
        recipe: as `read_recipe` returns it.

    Returns:
        The layers, and the error's root mean square over fresh inputs divided by that of the law.
    """
    module, end = MODULES[name], ENDS[name]
    low, high = recipe["low"], recipe["high"]
    rng = np.random.default_rng(recipe["seed"])
    law = jax.jit(jax.vmap(module.law))
    sample = np.asarray(law(jnp.asarray(rng.uniform(low, high, (10_000, low.size)))))
    scale = sample.std(axis=0)

    @jax.jit
    def step(layers, state, x, rate):
        def loss(layers):
            u = jax.vmap(lambda z: end(mlp(layers, _rescale(z, low, high))))(x)
            return jnp.mean(((u - law(x)) / scale) ** 2)

        updates, state = optimiser.update(jax.grad(loss)(layers), state)
        return optax.apply_updates(layers, jax.tree.map(lambda u: rate * u, updates)), state

    layers = _initial(module.WIDTHS, rng, sample.mean(axis=0) if name in ("acc", "quad") else None)
    optimiser = optax.adam(1.0)
    state = optimiser.init(layers)
    for k in range(recipe["iterations"]):
        rate = recipe["learning_rate"] * 0.5 * (1.0 + np.cos(np.pi * k / recipe["iterations"]))
        layers, state = step(
            layers, state, jnp.asarray(rng.uniform(low, high, (recipe["batch"], low.size))), rate
        )
    layers = _fold(layers, low, high)
    return layers, relative_error(name, layers, low, high, rng)


def relative_error(name: str, layers: Layers, low: Array, high: Array, rng: np.random.Generator) -> float:
    """Return rms(network - law) / rms(law - its mean) over 10,000 uniform inputs of the box."""
    x = jnp.asarray(rng.uniform(low, high, (10_000, low.size)))
    wanted = np.asarray(jax.vmap(MODULES[name].law)(x))
    got = np.asarray(jax.vmap(lambda z: ENDS[name](mlp(layers, z)))(x))
    return float(np.sqrt(np.mean((got - wanted) ** 2 / wanted.var(axis=0))))


def main() -> None:
    """Train the controllers named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m reflexarc.reach.systems.train_controllers")
    parser.add_argument("names", nargs="+", metavar="NAME", help=", ".join(MODULES))
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write into FOLDER/NAME, not into models")
    args = parser.parse_args()
    for name in args.names:
        if name not in MODULES:
            raise UnknownNameError("controller", name, MODULES)
        own = controller_path(name)
        path = args.out / name / own.name if args.out else own
        started = time.perf_counter()
        layers, error = train(name, read_recipe(own.parent / "recipe.yaml", MODULES[name].WIDTHS[0]))
        path.parent.mkdir(parents=True, exist_ok=True)
        save_controller(path, layers)
        print(f"{path}: relative error {error:.4f}, {time.perf_counter() - started:.0f} s")


def _rescale(x: Any, low: Array, high: Array) -> Any:
    return (x - 0.5 * (low + high)) / (0.5 * (high - low))


def _initial(widths: tuple[int, ...], rng: np.random.Generator, mean: Array | None) -> Any:
    """He-normal weights, zero biases, the last bias at the law's mean."""
    layers = [
        [rng.normal(0.0, np.sqrt(2.0 / inner), (outer, inner)), np.zeros(outer)]
        for inner, outer in pairwise(widths)
    ]
    if mean is not None:
        layers[-1][1] = mean
    return jax.tree.map(lambda part: jnp.asarray(part, jnp.float32), layers)


def _fold(layers: Any, low: Array, high: Array) -> Layers:
    (weight, bias), *others = [(np.asarray(w, dtype=np.float64), np.asarray(b)) for w, b in layers]
    weight = weight / (0.5 * (high - low))
    return ((weight, bias - weight @ (0.5 * (low + high))), *others)


if __name__ == "__main__":
    main()
