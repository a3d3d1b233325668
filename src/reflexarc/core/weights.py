# SPDX-License-Identifier: Apache-2.0
"""Networks as safetensors files: the arrays of a module in order, a format, and a recipe that says what they are of."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from reflexarc.core.errors import ModelError


def save_weights(path: Path, form: str, networks: Any, recipe: Mapping[str, Any]) -> str:
    """Write the arrays of `networks`, with a digest of them and of the recipe, and return the file's SHA-256.

    Args:
        path: is replaced.
        form: name and version of what the file holds.
        networks: an Equinox module.
        recipe: what can be written as JSON.
    """
    leaves = jax.tree.leaves(eqx.filter(networks, eqx.is_array))
    tensors = {f"{k:02d}": np.asarray(leaf) for k, leaf in enumerate(leaves)}
    text = json.dumps(dict(recipe))
    save_file(tensors, path, metadata={"format": form, "recipe": text, "digest": _digest(tensors, text)})
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_weights(path: Path, form: str, sealed: bool = False) -> tuple[dict[str, Any], list[Any]]:
    """Return recipe and arrays of a file.

    Args:
        path: of the file.
        form: name and version of what it must hold.
        sealed: refuse a file without a digest; one with a wrong digest is always refused.

    Raises:
        ModelError: the file is missing, damaged, of another kind, changed since it was written, or holds numbers that
            are not finite.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: not readable as weights ({error})") from error
    if metadata.get("format") != form:
        raise ModelError(f"{path}: expected format {form!r}, found {metadata.get('format')!r}")
    arrays, digest = list(tensors.values()), metadata.get("digest")
    if (sealed or digest is not None) and digest != _digest(tensors, metadata.get("recipe", "")):
        raise ModelError(
            f"{path}: weights or recipe are not those that were written; the file was not loaded"
        )
    if not all(np.isfinite(x).all() for x in arrays):
        raise ModelError(f"{path}: weights that are not finite; the file was not loaded")
    try:
        recipe = dict(json.loads(metadata["recipe"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: its metadata hold no recipe ({error!r})") from error
    return recipe, arrays


def _digest(tensors: Mapping[str, Any], recipe: str) -> str:
    """Return what changes with any number, shape, type or word of the recipe."""
    found = hashlib.sha256(recipe.encode())
    for name in sorted(tensors):
        x = tensors[name]
        found.update(f"{name} {x.dtype} {x.shape}".encode())
        found.update(np.ascontiguousarray(x).tobytes())
    return found.hexdigest()


def with_weights(path: Path, like: Any, arrays: list[Any]) -> Any:
    """Return networks built as `like` with the arrays of a file.

    Raises:
        ModelError: they do not fit.
    """
    weights, static = eqx.partition(like, eqx.is_array)
    leaves, structure = jax.tree.flatten(weights)
    if [x.shape for x in leaves] != [x.shape for x in arrays]:
        raise ModelError(f"{path}: the weights do not fit the networks that the recipe describes")
    return eqx.combine(jax.tree.unflatten(structure, [jax.numpy.asarray(x) for x in arrays]), static)
