# SPDX-License-Identifier: Apache-2.0
"""Controllers that are neural networks: ReLU multilayer perceptrons read from safetensors, evaluated with `jax.numpy`.

The weights are ours: networks of the published shapes, trained by `reflexarc.reach.systems.train_controllers` to
imitate a written control law. Figures for these systems are therefore not the published ones.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from reflexarc.core.errors import ModelError
from reflexarc.core.paths import models_dir
from reflexarc.core.types import Array

FORMAT = "reflexarc-controller-1"
Layers = tuple[tuple[Array, Array], ...]
"""Per layer weight (out, in) and bias (out,)."""


def controller_path(name: str) -> Path:
    """Return where the controller of the system `name` lies."""
    return models_dir() / "density" / name / "controller.safetensors"


def mlp(layers: Layers, x: Any) -> Any:
    """Return the output of the network with ReLU between its layers and none after the last.

    Args:
        layers: weights and biases.
        x: one input, shape (in,); the network computes in its type.
    """
    for weight, bias in layers[:-1]:
        x = jnp.maximum(jnp.asarray(weight, x.dtype) @ x + jnp.asarray(bias, x.dtype), 0.0)
    weight, bias = layers[-1]
    return jnp.asarray(weight, x.dtype) @ x + jnp.asarray(bias, x.dtype)


def save_controller(path: Path, layers: Layers) -> None:
    """Write a controller in float32."""
    tensors = {}
    for index, (weight, bias) in enumerate(layers):
        tensors[f"{index}.weight"] = np.ascontiguousarray(weight, dtype=np.float32)
        tensors[f"{index}.bias"] = np.ascontiguousarray(bias, dtype=np.float32)
    save_file(tensors, path, metadata={"format": FORMAT})


def load_controller(path: Path, widths: Sequence[int]) -> Layers:
    """Read a controller and check it.

    Args:
        path: safetensors file.
        widths: size of the input, of each hidden layer and of the output.

    Raises:
        ModelError: missing, not a controller, another architecture, or a weight that is not finite.
    """
    if not path.is_file():
        raise ModelError(
            f"{path}: there is no such controller; `python -m reflexarc.reach.systems.train_controllers "
            f"{path.parent.name}` trains it"
        )
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {key: np.asarray(file.get_tensor(key)) for key in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: not a readable safetensors file ({error})") from error
    if metadata.get("format") != FORMAT:
        raise ModelError(f"{path}: format {metadata.get('format')!r} is not {FORMAT!r}; it is no controller")
    wanted: dict[str, tuple[int, ...]] = {}
    for index, (inner, outer) in enumerate(pairwise(widths)):
        wanted |= {f"{index}.weight": (outer, inner), f"{index}.bias": (outer,)}
    found = {key: tensor.shape for key, tensor in tensors.items()}
    if found != wanted:
        shape = "-".join(str(width) for width in widths)
        raise ModelError(f"{path}: tensors {found} are not those of a {shape} network; refused")
    bad = sorted(key for key, tensor in tensors.items() if not np.isfinite(tensor).all())
    if bad:
        raise ModelError(f"{path}: values that are not finite in {', '.join(bad)}")
    return tuple((tensors[f"{k}.weight"], tensors[f"{k}.bias"]) for k in range(len(widths) - 1))
