# SPDX-License-Identifier: Apache-2.0
r"""Rows of a learned barrier V(q) in the velocity filter's programme, beside the analytic ones; no JAX.

With q' = u the barrier has relative degree 1 and adds, in tier COMFORT,

    grad V . u >= -alpha V                        no more than 0.2 m/s back where V < 0
    u_j <= alpha max(0, high_j - q_j),  u_j >= -alpha max(0, q_j - low_j)        the region

for the region low <= q <= high of the states that V was learned from (centre -+ scale of the file): beyond it nothing
is known, so the arm does not leave it, and where it stands outside all the same it may only come back. There V is not
asked and `learned_margin` is -inf. Rows that the speed limits keep anyway are not written.

A learned barrier only takes away: the analytic rows stay in the programme in tier COLLISION, so that the more
restrictive of both wins, and where they contradict each other the learned row gives way. Answers that are decided
beforehand:

    V or grad V not finite                   backup
    grad V vanishes and V < 0                backup: no command leads out
    grad V vanishes and V >= 0               the row says nothing and is left out

**Certificate.** Weights without a certificate that fits their bytes, the gain and the period are refused, unless the
caller allows it; every verdict then says `uncertified`.

**Torques** have relative degree 2 with q, for which neither row nor certificate would be right: `TorqueFilter` refuses.
"""

import math

import numba
import numpy as np
import numpy.typing as npt

from reflexarc.barrier.arm.rows import RECOVERY
from reflexarc.barrier.certify.certificate import Certificate
from reflexarc.barrier.certify.gate import admit, barrier_path
from reflexarc.barrier.compiled import pack, value_and_gradient
from reflexarc.barrier.learned import LearnedBarrier, load_barrier
from reflexarc.barrier.qp import Tier
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.core.types import Array
from reflexarc.robots.arm import Arm

GAIN = 5.0
"""alpha where neither the caller nor the file's recipe names one. [1/s]"""
VANISHING = 1e-9
"""Length of the gradient below which V depends on no joint. [m/rad]"""
OUTSIDE = 0.02
"""How far beyond the region a measured joint position still counts as inside. [rad]"""
_COMFORT = int(Tier.COMFORT)
_FINE, _NOT_FINITE, _STUCK = range(3)


@numba.njit(cache=True)
def learned_rows(q, packed, unit, gradient, alpha, region, speed, normals, offsets, tiers, labels, count):
    """Write the rows of the module from row `count` on; return V, what is wrong (0 for nothing) and the new count.

    Args:
        q: joint positions, shape (n,). [rad]
        packed: V in its own unit.
        unit: of V. [m]
        gradient: scratch, shape (n,).
        alpha: gain. [1/s]
        region: low and high, shape (2, n). [rad]
        speed: limits, shape (n,). [rad/s]
        normals: A of A u <= b, shape (>= count + 1 + 2 n, n).
        offsets: b.
        tiers: of each row.
        labels: output per row that is written: 0 for V, -(j + 1) and j + 1 for joint j's low and high side.
        count: rows before.
    """
    n = q.shape[0]
    first = count
    inside = True
    for j in range(n):
        inside = inside and region[0, j] - OUTSIDE <= q[j] <= region[1, j] + OUTSIDE
    value = -np.inf
    if inside:
        value = unit * value_and_gradient(q, packed, gradient)
        square = 0.0
        for j in range(n):
            gradient[j] *= unit
            square += gradient[j] * gradient[j]
        if not np.isfinite(value + square):
            return np.nan, _NOT_FINITE, count
        if math.sqrt(square) >= VANISHING:
            for j in range(n):
                normals[count, j] = -gradient[j]
            offsets[count] = max(alpha * value, -RECOVERY)
            labels[count - first] = 0
            count += 1
        elif value < 0.0:
            return value, _STUCK, count
    for j in range(n):
        for side in range(2):
            room = q[j] - region[0, j] if side == 0 else region[1, j] - q[j]
            if alpha * room < speed[j]:
                normals[count] = 0.0
                normals[count, j] = -1.0 if side == 0 else 1.0
                offsets[count] = alpha * max(0.0, room)
                labels[count - first] = -(j + 1) if side == 0 else j + 1
                count += 1
    for i in range(first, count):
        tiers[i] = _COMFORT
    return value, _FINE, count


@numba.njit(cache=True)
def admitted_share(normals, offsets, first, last, target):
    """Return which share of `target` the rows first to last - 1 admit, and the row that admits least; -1 for none."""
    share, row = 1.0, -1
    for i in range(first, last):
        rate = 0.0
        for j in range(target.shape[0]):
            rate += normals[i, j] * target[j]
        if rate > offsets[i]:
            admitted = max(0.0, offsets[i] / rate) if rate > 0.0 else 0.0
            if admitted < share:
                share, row = admitted, i
    return share, row


class LearnedArmRows:
    """A learned barrier of an arm, ready for `VelocityFilter`."""

    def __init__(
        self,
        file: str,
        arm: Arm,
        period: float,
        alpha: float | None = None,
        allow_uncertified: bool = False,
    ):
        """Load the barrier and ask for its certificate.

        Args:
            file: folder of `models/barriers/`, or the path of a safetensors file with its certificate beside it.
            arm: the robot.
            period: for how long a command is held; at most what the certificate was made with. [s]
            alpha: gain of the row; None takes what the barrier was made for. [1/s]
            allow_uncertified: whether a barrier without a matching certificate is let through.

        Raises:
            ConfigError: period or gain out of range.
            ModelError: the file is missing, malformed, for another robot or other joints, or has no certificate
                that matches and was made with this gain and period.
        """
        path = barrier_path(file)
        barrier = load_barrier(path, arm.joints)
        if barrier.system != arm.name and not barrier.system.startswith(f"{arm.name}_"):
            raise ModelError(
                f"{path}: the barrier is for {barrier.system!r}, this filter is for {arm.name!r}; refused"
            )
        gain = _positive(barrier, "alpha", GAIN) if alpha is None else float(alpha)
        if not (gain > 0.0 and period > 0.0 and gain * period <= 1.0):
            raise ConfigError(
                f"period {period} s and alpha {gain} 1/s of the learned barrier must be positive with alpha * period "
                f"<= 1 (now {gain * period:g}), otherwise one period overshoots it"
            )

        def fits(certificate: Certificate) -> None:
            claim = certificate.claims["scenario"]
            longest = float(certificate.system["period_s"])
            if claim["alpha"] != gain or claim["model_error"] != 0.0 or period > longest * (1.0 + 1e-9):
                raise ModelError(
                    f"{path}: the certificate was made with alpha {claim['alpha']:g} 1/s, model error "
                    f"{claim['model_error']:g} and a period of {longest:g} s; asked for are {gain:g} 1/s, 0 and at "
                    f"most that period, not {period:g} s"
                )

        self.region = np.array([barrier.centre - barrier.scale, barrier.centre + barrier.scale])
        """Low and high corner of the joint positions that it was learned from, shape (2, n). [rad]"""
        self.barrier, certified = admit(path, barrier, fits, allow_uncertified)
        self.uncertified = not certified
        self.arm, self.alpha, self.period = arm, gain, period
        self.unit = _positive(barrier, "value_unit", 1.0)
        """Of the file's V, which is a multiple of the margin. [m]"""
        self.most = 1 + 2 * arm.n
        """Rows at most."""
        self._packed = pack(self.barrier)
        self._speed = np.array(arm.max_velocity)
        self._gradient = np.zeros(arm.n)
        self._labels = np.zeros(self.most, dtype=np.int64)

    def write(
        self, q: Array, normals: Array, offsets: Array, tiers: npt.NDArray, count: int
    ) -> tuple[float, str, int]:
        """Write the rows at q from row `count` on; return V, what is wrong with it (else empty), and the new count."""
        value, wrong, count = learned_rows(
            q,
            self._packed,
            self.unit,
            self._gradient,
            self.alpha,
            self.region,
            self._speed,
            normals,
            offsets,
            tiers,
            self._labels,
            count,
        )
        if wrong == _FINE:
            return value, "", count
        if wrong == _NOT_FINITE:
            return value, "learned barrier: value or gradient is not finite", count
        return (
            value,
            f"learned barrier at {value:.3f} m and its gradient vanishes: no direction leads out",
            count,
        )

    def explain(
        self, q: Array, value: float, target: Array, normals: Array, offsets: Array, first: int, last: int
    ) -> tuple[str, bool]:
        """Say which of both kinds of rows admits less of a proposal, and whether it is the learned one.

        Args:
            q: joint positions of the rows, shape (n,). [rad]
            value: V there. [m]
            target: the proposal within the bounds, shape (n,). [rad/s]
            normals: A, the analytic rows first.
            offsets: b.
            first: first learned row.
            last: end of the learned rows.
        """
        analytic, _ = admitted_share(normals, offsets, 0, first, target)
        learned, row = admitted_share(normals, offsets, first, last, target)
        if min(analytic, learned) >= 1.0:
            return "", False
        binds = learned < analytic
        subject = f"learned barrier at {value:.3f} m"
        label = 0 if row < 0 else int(self._labels[row - first])
        if label:
            joint = abs(label) - 1
            side, bound = ("low", self.region[0, joint]) if label < 0 else ("high", self.region[1, joint])
            subject += (
                f" ({self.arm.joints[joint]} at {q[joint]:.2f} rad, {side} end of its region {bound:.2f} rad)"
            )
        return (
            f"{subject} admits {learned:.0%} of the proposal, analytic rows {analytic:.0%}: "
            f"{'the learned barrier binds' if binds else 'the analytic rows bind'}"
        ), binds


def _positive(barrier: LearnedBarrier, key: str, otherwise: float) -> float:
    """Return a positive number of the barrier's recipe, or `otherwise` where the recipe has none."""
    found = barrier.recipe.get(key)
    if isinstance(found, int | float) and math.isfinite(found) and found > 0.0:
        return float(found)
    return otherwise
