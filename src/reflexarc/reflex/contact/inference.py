# SPDX-License-Identifier: Apache-2.0
r"""Small networks at the control rate: multilayer perceptrons y = W x + b with ReLU between, compiled, without JAX.

All members of an ensemble have one shape and run in one call. Weights are float32 and lie transposed, so that inner
loops run over contiguous memory and every sum is made in a fixed order: equal inputs give equal bits.
"""

import math
from collections.abc import Sequence

import numba
import numpy as np
import numpy.typing as npt

from reflexarc.core.errors import ModelError
from reflexarc.core.types import Array
from reflexarc.reflex.contact.view import ACTION, VIEW

Layer = tuple[npt.ArrayLike, npt.ArrayLike]
"""W of shape (outputs, inputs) and b of shape (outputs,)."""


@numba.njit(cache=True)
def _forward(x, weights, biases, sizes, now, then, out):
    """Run every member on x: shapes (inputs,), (members, all weights), (members, all biases), (layers + 1,)."""
    layers = sizes.shape[0] - 1
    for m in range(weights.shape[0]):
        for j in range(sizes[0]):
            now[j] = x[j]
        w = b = 0
        for i in range(layers):
            ins, outs = sizes[i], sizes[i + 1]
            for k in range(outs):
                then[k] = biases[m, b + k]
            for j in range(ins):
                z = now[j]
                if z != 0.0:
                    row = weights[m, w + j * outs : w + (j + 1) * outs]
                    for k in range(outs):
                        then[k] += row[k] * z
            w += ins * outs
            b += outs
            if i == layers - 1:
                for k in range(outs):
                    out[m, k] = then[k]
            else:
                for k in range(outs):
                    now[k] = 0.0 if then[k] < 0.0 else then[k]  # NaN stays NaN


class Network:
    """One perceptron, or an ensemble of several with the same shape."""

    def __init__(self, members: Sequence[Sequence[Layer]]):
        """Take the layers of each member, and compile.

        Raises:
            ModelError: no member, layers that do not fit together, members of different shapes, or a weight that is
                not finite.
        """
        sizes: list[int] = []
        weights, biases = [], []
        for m, layers in enumerate(members):
            pairs = [(np.asarray(w, dtype=np.float32), np.asarray(b, dtype=np.float32)) for w, b in layers]
            if not pairs or any(w.ndim != 2 or b.shape != w.shape[:1] or not w.size for w, b in pairs):
                raise ModelError(
                    f"member {m}: layers need W of shape (outputs, inputs) and b of shape (outputs,)"
                )
            shape = [pairs[0][0].shape[1], *(len(b) for _, b in pairs)]
            if any(w.shape[1] != n for (w, _), n in zip(pairs, shape, strict=False)):
                raise ModelError(
                    f"member {m}: layers of shapes {[w.shape for w, _ in pairs]} do not follow each other"
                )
            if sizes and shape != sizes:
                raise ModelError(f"member {m} has layers {shape}, the first one {sizes}")
            if not all(np.isfinite(w).all() and np.isfinite(b).all() for w, b in pairs):
                raise ModelError(f"member {m} has a weight that is not finite")
            sizes = shape
            weights.append(np.concatenate([w.T.ravel() for w, _ in pairs]))
            biases.append(np.concatenate([b for _, b in pairs]))
        if not sizes:
            raise ModelError("a network needs at least one member")
        self.inputs, self.outputs, self.members = sizes[0], sizes[-1], len(weights)
        self._weights, self._biases = np.array(weights), np.array(biases)
        self._sizes = np.array(sizes, dtype=np.int64)
        self._x = np.zeros(self.inputs, dtype=np.float32)
        self._scratch = np.zeros((2, max(sizes)), dtype=np.float32)
        self._out = np.zeros((self.members, self.outputs), dtype=np.float32)
        self(np.zeros(self.inputs))

    def __call__(self, x: Array) -> npt.NDArray[np.float32]:
        """Return what each member says, shape (members, outputs); overwritten by the next call.

        Args:
            x: shape (inputs,).
        """
        self._x[:] = x
        _forward(
            self._x, self._weights, self._biases, self._sizes, self._scratch[0], self._scratch[1], self._out
        )
        return self._out


class NetworkReflexes:
    """Critic and recovery from two networks; fulfils `Reflexes`."""

    def __init__(
        self,
        critic: Network,
        recovery: Network,
        threshold: float,
        every_s: float,
        dwell_s: float,
        release: float,
        force: float = math.inf,
    ):
        """Take the networks and how to use them.

        Args:
            critic: members that give one logit of a view; the largest one counts.
            recovery: one member that gives the means of an action before the tanh, and the logarithms of their
                deviations, which are not used.
            threshold: see `Reflexes`.
            every_s: see `Reflexes`. [s]
            dwell_s: see `Reflexes`. [s]
            release: see `Reflexes`.
            force: see `Reflexes`. [N]

        Raises:
            ModelError: networks of other sizes, or numbers with which the critic would never look.
        """
        if (critic.inputs, critic.outputs) != (VIEW, 1):
            raise ModelError(
                f"a critic takes {VIEW} numbers and gives 1, this one {critic.inputs} and {critic.outputs}"
            )
        if (recovery.inputs, recovery.outputs, recovery.members) != (VIEW, 2 * ACTION, 1):
            raise ModelError(
                f"a recovery is one member that takes {VIEW} numbers and gives {2 * ACTION}; this one has "
                f"{recovery.members}, {recovery.inputs} and {recovery.outputs}"
            )
        if not (
            0.0 <= threshold < math.inf
            and 0.0 < every_s < math.inf
            and 0.0 <= dwell_s < math.inf
            and 0.0 < release <= 1.0
            and force > 0.0
        ):
            raise ModelError(
                f"threshold {threshold}, every_s {every_s}, dwell_s {dwell_s}, release {release}, force {force}; "
                "allowed: threshold >= 0, every_s > 0, dwell_s >= 0, 0 < release <= 1, force > 0"
            )
        self.threshold, self.every_s, self.dwell_s, self.release = threshold, every_s, dwell_s, release
        self.force = force
        self._critic, self._recovery = critic, recovery

    def risk(self, view: Array) -> float:
        """Return the sigmoid of the largest logit; NaN of a view with one."""
        logit = -math.inf
        for value in self._critic(view)[:, 0].tolist():
            if not value <= logit:  # also where it is not a number
                logit = value
            if math.isnan(logit):
                return logit
        if logit < 0.0:
            e = math.exp(logit)
            return e / (1.0 + e)
        return 1.0 / (1.0 + math.exp(-logit))

    def recovery(self, view: Array) -> Array:
        """Return the tanh of the means, shape (4,)."""
        return np.tanh(self._recovery(view)[0, :ACTION].astype(np.float64))
