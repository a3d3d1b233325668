# SPDX-License-Identifier: Apache-2.0
r"""A learned barrier compiled for the control loop: value and gradient at one state without allocation.

    V(x) = min_k v_k(z) - delta      or      V(x) = m(z) - max_k softplus(r_k(z)) - delta,     z = (x - centre) / scale

as in `reflexarc.barrier.learned`, whose numpy code is the reference. All layers lie in one array; inner loops run over
contiguous memory and sums are made in a fixed order, so that equal states give equal bits.
"""

import math
from typing import NamedTuple

import numba
import numpy as np

from reflexarc.barrier.learned import LearnedBarrier
from reflexarc.core.types import Array

_ACTIVATIONS = ("relu", "tanh", "softplus")
_RELU, _TANH = 0, 1


class Packed(NamedTuple):
    """A learned barrier in flat arrays, as the kernels take it."""

    weights: Array
    """All layers, each as (out, in) and then once more transposed, flat."""
    biases: Array
    """All layers, flat."""
    layers: np.ndarray
    """One row per layer: member, outputs, inputs, first weight, first bias; shape (k, 5), int."""
    activations: np.ndarray
    """Per member, index into the module's list; shape (members,), int."""
    centre: Array
    """Shape (n,)."""
    scale: Array
    """Shape (n,)."""
    delta: float
    difference: bool
    """Whether the form is `margin_minus`."""
    values: Array
    """Scratch: activations of one member, layer by layer."""
    slopes: Array
    """Scratch: slopes of the activations."""
    sweep: Array
    """Scratch: gradient on its way back, shape (2, widest)."""
    gradients: Array
    """Scratch: gradient per member, shape (members, n)."""
    outputs: Array
    """Scratch: value per member, shape (members,)."""


def pack(barrier: LearnedBarrier) -> Packed:
    """Return `barrier` in the arrays of the compiled kernels."""
    weights, biases, layers = [], [], []
    first_weight = first_bias = 0
    widest = len(barrier.state)
    longest = 0
    for k, member in enumerate(barrier.members):
        depth = len(barrier.state)
        for weight, bias in zip(member.weights, member.biases, strict=True):
            layers.append((k, *weight.shape, first_weight, first_bias))
            weights += [weight.ravel(), weight.T.ravel()]
            biases.append(bias)
            first_weight += 2 * weight.size
            first_bias += bias.size
            widest = max(widest, *weight.shape)
            depth += len(bias)
        longest = max(longest, depth)
    members = len(barrier.members)
    return Packed(
        np.concatenate(weights),
        np.concatenate(biases),
        np.array(layers, dtype=np.int64),
        np.array([_ACTIVATIONS.index(m.activation) for m in barrier.members], dtype=np.int64),
        np.array(barrier.centre, dtype=np.float64),
        np.array(barrier.scale, dtype=np.float64),
        float(barrier.delta),
        barrier.form == "margin_minus",
        np.zeros(longest),
        np.zeros(longest),
        np.zeros((2, widest)),
        np.zeros((members, len(barrier.state))),
        np.zeros(members),
    )


@numba.njit(cache=True)
def _softplus(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@numba.njit(cache=True)
def _sigmoid(x):
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


@numba.njit(cache=True)
def _member(first, last, packed):
    """Run the member whose layers are rows first to last - 1: value, and gradient by z, into the scratch."""
    values, slopes, sweep, layers = packed.values, packed.slopes, packed.sweep, packed.layers
    member = layers[first, 0]
    activation = packed.activations[member]
    n = layers[first, 2]
    at = 0  # where the layer's inputs are
    output = 0.0
    for i in range(first, last):
        outs, ins, fw, fb = layers[i, 1], layers[i, 2], layers[i, 3], layers[i, 4]
        to = at + ins
        turned = packed.weights[fw + outs * ins : fw + 2 * outs * ins].reshape(ins, outs)
        out = values[to : to + outs]
        out[:] = packed.biases[fb : fb + outs]
        for j in range(ins):
            z = values[at + j]
            if z != 0.0:
                row = turned[j]
                for k in range(outs):
                    out[k] += row[k] * z
        if i == last - 1:
            output = out[0]
            break
        for k in range(outs):
            if activation == _RELU:
                positive = out[k] > 0.0
                slopes[to + k] = 1.0 if positive else 0.0
                out[k] = out[k] if positive else 0.0
            elif activation == _TANH:
                out[k] = math.tanh(out[k])
                slopes[to + k] = 1.0 - out[k] * out[k]
            else:
                slopes[to + k] = _sigmoid(out[k])
                out[k] = _softplus(out[k])
        at = to
    now = 0
    sweep[0, 0] = 1.0
    for i in range(last - 1, first - 1, -1):
        outs, ins, fw = layers[i, 1], layers[i, 2], layers[i, 3]
        weight = packed.weights[fw : fw + outs * ins].reshape(outs, ins)
        back, front = sweep[now], sweep[1 - now]
        front[:ins] = 0.0
        for k in range(outs):
            g = back[k]
            if g != 0.0:
                row = weight[k]
                for j in range(ins):
                    front[j] += row[j] * g
        if i > first:
            for j in range(ins):
                front[j] *= slopes[at + j]
            at -= layers[i - 1, 2]
        now = 1 - now
    packed.outputs[member] = output
    for j in range(n):
        packed.gradients[member, j] = sweep[now, j]


@numba.njit(cache=True)
def value_and_gradient(x, packed, gradient):
    """Return V(x) and write its gradient by x.

    Args:
        x: state, shape (n,).
        packed: the barrier.
        gradient: output, shape (n,).
    """
    n = x.shape[0]
    first, count = 0, packed.layers.shape[0]
    while first < count:
        last = first
        while last < count and packed.layers[last, 0] == packed.layers[first, 0]:
            last += 1
        for j in range(n):
            packed.values[j] = (x[j] - packed.centre[j]) / packed.scale[j]
        _member(first, last, packed)
        first = last
    outputs, gradients = packed.outputs, packed.gradients
    members = outputs.shape[0]
    if not packed.difference:
        best = 0
        for k in range(1, members):
            if outputs[k] < outputs[best]:
                best = k
        for j in range(n):
            gradient[j] = gradients[best, j] / packed.scale[j]
        return outputs[best] - packed.delta
    most = 1
    for k in range(2, members):
        if outputs[k] > outputs[most]:
            most = k
    share = _sigmoid(outputs[most])
    for j in range(n):
        gradient[j] = (gradients[0, j] - share * gradients[most, j]) / packed.scale[j]
    return outputs[0] - _softplus(outputs[most]) - packed.delta
