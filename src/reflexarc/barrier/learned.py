# SPDX-License-Identifier: Apache-2.0
r"""A learned barrier: one or more multilayer perceptrons, evaluated in numpy without JAX.

    z     = (x - centre) / scale
    V(x)  = min_k v_k(z) - delta                                   form "min"
    V(x)  = m(z) - max_k softplus(r_k(z)) - delta                  form "margin_minus"

The safe set is {V >= 0}. In the second form the first member m is the learned signed margin l and the others
are how far the value lies below it: V <= m holds by construction, as it must (the value of a state is never
more than its margin). `delta` is the level shift that the calibration of a certificate chose.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from reflexarc.core.errors import ModelError
from reflexarc.core.types import Array

FORMAT = "reflexarc-barrier-1"
Activation = Literal["relu", "tanh", "softplus"]
Form = Literal["min", "margin_minus"]
FORMS = ("min", "margin_minus")


@dataclass(frozen=True, slots=True)
class Mlp:
    """A multilayer perceptron with one output; weights in float64."""

    weights: tuple[Array, ...]
    """Per layer, shape (out, in); the last has out = 1."""
    biases: tuple[Array, ...]
    """Per layer, shape (out,)."""
    activation: Activation

    def values(self, z: Array) -> Array:
        """Return the outputs for z of shape (batch, n): shape (batch,)."""
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            z = _activate(z @ weight.T + bias, self.activation)
        return (z @ self.weights[-1].T + self.biases[-1])[:, 0]

    def values_and_gradients(self, z: Array) -> tuple[Array, Array]:
        """Return outputs and gradients for z of shape (batch, n): shapes (batch,) and (batch, n)."""
        slopes = []
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            before = z @ weight.T + bias
            z = _activate(before, self.activation)
            slopes.append(_slope(before, z, self.activation))
        values = (z @ self.weights[-1].T + self.biases[-1])[:, 0]
        gradients = np.broadcast_to(self.weights[-1][0], z.shape)
        for weight, slope in zip(self.weights[-2::-1], slopes[::-1], strict=True):
            gradients = (gradients * slope) @ weight
        return values, gradients

    def value_and_gradient(self, z: Array) -> tuple[float, Array]:
        """Return output and gradient at one z of shape (n,)."""
        slopes = []
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            before = weight @ z + bias
            z = _activate(before, self.activation)
            slopes.append(_slope(before, z, self.activation))
        value = float(self.weights[-1][0] @ z + self.biases[-1][0])
        gradient = self.weights[-1][0]
        for weight, slope in zip(self.weights[-2::-1], slopes[::-1], strict=True):
            gradient = (gradient * slope) @ weight
        return value, gradient


@dataclass(frozen=True, slots=True)
class LearnedBarrier:
    """The barrier V of the module's equation, with what it was learned for."""

    members: tuple[Mlp, ...]
    form: Form
    centre: Array
    """Shape (n,)."""
    scale: Array
    """Shape (n,), positive."""
    delta: float
    """Level shift, in the units of l."""
    system: str
    """Name of the system, see `reflexarc.robots.systems`, or of the robot."""
    state: tuple[str, ...]
    """Names of the state's coordinates, in order."""
    recipe: dict[str, Any]
    """How it was made: learner, parameters, seeds, hash of the data."""

    def values(self, x: Array) -> Array:
        """Return V for states of shape (batch, n): shape (batch,)."""
        z = (x - self.centre) / self.scale
        if self.form == "min":
            return np.min([m.values(z) for m in self.members], axis=0) - self.delta
        drop = np.max([_softplus(m.values(z)) for m in self.members[1:]], axis=0)
        return self.members[0].values(z) - drop - self.delta

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Return V(x) and its gradient by x at one state of shape (n,)."""
        z = (x - self.centre) / self.scale
        answers = [m.value_and_gradient(z) for m in self.members]
        if self.form == "min":
            value, gradient = min(answers, key=lambda a: a[0])
            return value - self.delta, gradient / self.scale
        margin, slope = answers[0]
        drop, drop_slope = max(answers[1:], key=lambda a: a[0])
        share = 0.5 * (1.0 + np.tanh(0.5 * drop))  # the logistic function, without overflow
        return (
            margin - float(_softplus(np.float64(drop))) - self.delta,
            (slope - share * drop_slope) / self.scale,
        )

    def values_and_gradients(self, x: Array) -> tuple[Array, Array]:
        """Return V and its gradient by x for states of shape (batch, n): shapes (batch,) and (batch, n)."""
        z = (x - self.centre) / self.scale
        answers = [m.values_and_gradients(z) for m in self.members]
        values = np.stack([a[0] for a in answers])
        gradients = np.stack([a[1] for a in answers])
        row = np.arange(len(z))
        if self.form == "min":
            least = np.argmin(values, axis=0)
            return values[least, row] - self.delta, gradients[least, row] / self.scale
        most = 1 + np.argmax(values[1:], axis=0)
        drop = values[most, row]
        share = 0.5 * (1.0 + np.tanh(0.5 * drop))
        gradient = gradients[0] - share[:, None] * gradients[most, row]
        return values[0] - _softplus(drop) - self.delta, gradient / self.scale

    def shifted(self, delta: float) -> "LearnedBarrier":
        """Return the same barrier with another level shift."""
        return replace(self, delta=float(delta))

    def save(self, path: Path) -> str:
        """Write a safetensors file and return its SHA-256."""
        tensors = {"centre": self.centre, "scale": self.scale}
        for k, member in enumerate(self.members):
            for i, (weight, bias) in enumerate(zip(member.weights, member.biases, strict=True)):
                tensors[f"{k}.{i}.weight"] = _compact(weight)
                tensors[f"{k}.{i}.bias"] = _compact(bias)
        header = {
            "form": self.form,
            "activation": [m.activation for m in self.members],
            "layers": [len(m.weights) for m in self.members],
            "delta": self.delta,
            "system": self.system,
            "state": list(self.state),
            "recipe": self.recipe,
        }
        save_file(tensors, path, metadata={"format": FORMAT, "barrier": json.dumps(header, sort_keys=True)})
        return file_hash(path)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_barrier(path: Path, state: Sequence[str] | None = None) -> LearnedBarrier:
    """Read a learned barrier and check it.

    Args:
        path: safetensors file.
        state: names of the coordinates that the caller will pass; None accepts any.

    Raises:
        ModelError: missing, not a barrier, wrong shapes, a weight that is not finite, or another state.
    """
    if not path.is_file():
        raise ModelError(f"{path}: there is no such barrier file")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {key: np.asarray(file.get_tensor(key), dtype=np.float64) for key in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: not a readable safetensors file ({error})") from error
    if metadata.get("format") != FORMAT:
        raise ModelError(
            f"{path}: format {metadata.get('format')!r} is not {FORMAT!r}; it is no barrier of this version"
        )
    bad = sorted(key for key, tensor in tensors.items() if not np.isfinite(tensor).all())
    if bad:
        raise ModelError(f"{path}: values that are not finite in {', '.join(bad)}")
    try:
        header = json.loads(metadata["barrier"])
        members = tuple(
            Mlp(
                tuple(tensors[f"{k}.{i}.weight"] for i in range(layers)),
                tuple(tensors[f"{k}.{i}.bias"] for i in range(layers)),
                activation,
            )
            for k, (layers, activation) in enumerate(zip(header["layers"], header["activation"], strict=True))
        )
        barrier = LearnedBarrier(
            members,
            header["form"],
            tensors["centre"],
            tensors["scale"],
            float(header["delta"]),
            header["system"],
            tuple(header["state"]),
            header["recipe"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: incomplete barrier ({error!r})") from error
    _check(barrier, path)
    if state is not None and tuple(state) != barrier.state:
        raise ModelError(
            f"{path}: the barrier is for the state {barrier.state}, it would be fed {tuple(state)}; refused"
        )
    return barrier


def _check(barrier: LearnedBarrier, path: Path) -> None:
    n = len(barrier.state)
    if barrier.form not in FORMS or len(barrier.members) < (2 if barrier.form == "margin_minus" else 1):
        raise ModelError(
            f"{path}: form {barrier.form!r} with {len(barrier.members)} members is not one of {FORMS}"
        )
    if barrier.centre.shape != (n,) or barrier.scale.shape != (n,) or not (barrier.scale > 0.0).all():
        raise ModelError(f"{path}: centre and scale must be {n} numbers each, the scales positive")
    for k, member in enumerate(barrier.members):
        size = n
        for i, (weight, bias) in enumerate(zip(member.weights, member.biases, strict=True)):
            if weight.ndim != 2 or weight.shape[1] != size or bias.shape != weight.shape[:1]:
                raise ModelError(
                    f"{path}: layer {i} of member {k} has shape {weight.shape}, expected (*, {size})"
                )
            size = weight.shape[0]
        if size != 1 or member.activation not in ("relu", "tanh", "softplus"):
            raise ModelError(
                f"{path}: member {k} ends with {size} outputs and activation {member.activation!r}"
            )


def _compact(array: Array) -> Any:
    """Return the array in single precision where that loses nothing: weights are learned in it."""
    single = np.ascontiguousarray(array, dtype=np.float32)
    return single if (single == array).all() else np.ascontiguousarray(array)


def _softplus(z):
    return np.logaddexp(0.0, z)


def _activate(z, activation: str):
    if activation == "relu":
        return np.maximum(z, 0.0)
    return np.tanh(z) if activation == "tanh" else _softplus(z)


def _slope(before, after, activation: str):
    if activation == "relu":
        return (before > 0.0).astype(np.float64)
    return 1.0 - after * after if activation == "tanh" else 0.5 * (1.0 + np.tanh(0.5 * before))
