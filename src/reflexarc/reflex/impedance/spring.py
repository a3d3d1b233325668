# SPDX-License-Identifier: Apache-2.0
r"""The spring between the tip and its reference: stiffness K, stretch s = x_d - x, and their way to what is wanted.

The reference runs straight to the goal at constant pace, the stiffness jumps; both as far as the tank pays:

    stiffness    K + b (K_goal - K),  costs  b s^T (K_goal - K) s / 2                        largest b in [0, 1]
    reference    x_d + a d,           costs  a d^T (K s + D v) + a^2 d^T K d / 2              largest a in [0, 1]

Both are what the spring holds more afterwards with the tip at the same place, the second also what the damper, tied
to the moving reference, will push into the tip (`dragged`). A convex combination of two positive definite matrices is
positive definite, so K stays so.
"""

import math

import numba
import numpy as np

from reflexarc.core.types import Array
from reflexarc.reflex.impedance.algebra import quadratic
from reflexarc.reflex.impedance.tank import EnergyTank

_BELOW = 1.0 - 1e-9
"""Grants stay below what is there by this share, for rounding."""


@numba.njit(cache=True)
def grant_stiffness(k, wanted, stretch, available):
    """Move k to `wanted` as far as `available` [J] pays; return what it cost, negative where energy was released."""
    cost = 0.0
    for i in range(3):
        for j in range(3):
            cost += 0.5 * stretch[i] * (wanted[i, j] - k[i, j]) * stretch[j]
    share = 1.0 if cost <= available else _BELOW * available / cost
    for i in range(3):
        for j in range(3):
            k[i, j] = wanted[i, j] if share == 1.0 else k[i, j] + share * (wanted[i, j] - k[i, j])
    return share * cost


@numba.njit(cache=True)
def grant_step(k, damping, speeds, stretch, step, available):
    """Return the share of the reference's `step` that `available` [J] pays for, its cost, and the damper's part."""
    linear = square = dragged = 0.0
    for i in range(3):
        for j in range(3):
            linear += step[i] * k[i, j] * stretch[j]
            square += step[i] * k[i, j] * step[j]
        for j in range(speeds.shape[0]):
            dragged += step[i] * damping[i, j] * speeds[j]
    dragged = max(0.0, dragged)  # what it will take out is only known afterwards
    linear += dragged
    share = 1.0
    if linear + 0.5 * square > available:
        root = math.sqrt(max(0.0, linear * linear + 2.0 * square * available))
        share = 2.0 * available / (linear + root) if linear > 0.0 else (root - linear) / square
        share = min(1.0, _BELOW * share)
    return share, share * linear + 0.5 * share * share * square, share * dragged


class Spring:
    """Reference and stiffness, with what they are on their way to."""

    def __init__(self, stiffness: Array, tank: EnergyTank):
        """Take the stiffness to begin and to restart with, shape (3, 3) [N/m], and the tank that pays."""
        self._first = np.array(stiffness, dtype=float)
        self.tank = tank
        self.stiffness = self._first.copy()
        """K. [N/m]"""
        self.wanted = self._first.copy()
        """K_goal. [N/m]"""
        self.reference = np.zeros(3)
        """x_d. [m]"""
        self.goal = np.zeros(3)
        """[m]"""
        self.stretch = np.zeros(3)
        """s, with the tip where it was at the last `advance`. [m]"""
        self.pace = np.zeros(3)
        """Velocity of the reference in the coming period. [m/s]"""
        self.dragged = 0.0
        """Part of the last cost that the damper will do as work in the coming period. [J]"""
        self._speed = 0.0
        self._step = np.zeros(3)

    def restart(self, tip: Array) -> None:
        """Begin without stretch at the tip, with the first stiffness; nothing is released to the tank."""
        self.stiffness[:] = self.wanted[:] = self._first
        self.reference[:] = self.goal[:] = tip
        self.stretch[:] = self.pace[:] = 0.0
        self._speed = self.dragged = 0.0

    def drop(self, tip: Array) -> None:
        """Put the reference to the tip; the tank takes in what the spring held."""
        self.measure(tip)
        self.tank.released(self.energy)
        self.reference[:] = tip
        self.stretch[:] = 0.0

    def aim(self, goal: Array, stiffness: Array, seconds: float) -> None:
        """Want another goal, to be reached within `seconds` from where the reference is, and another stiffness."""
        self.goal[:] = goal
        self.wanted[:] = stiffness
        self._speed = float(np.linalg.norm(self.goal - self.reference)) / seconds

    @property
    def energy(self) -> float:
        """What the spring holds at the last stretch, s^T K s / 2. [J]"""
        return 0.5 * quadratic(self.stiffness, self.stretch)

    def measure(self, tip: Array) -> None:
        """Take the stretch with the tip where it is now, shape (3,). [m]"""
        np.subtract(self.reference, tip, out=self.stretch)

    def stiffen(self) -> None:
        """Let the stiffness go to what is wanted, as far as the tank pays."""
        tank = self.tank
        tank.take(grant_stiffness(self.stiffness, self.wanted, self.stretch, tank.available))

    def advance(self, damping: Array, speeds: Array, period: float, speed_limit: float) -> float:
        """Let the reference go on, as far as the tank pays, after `stiffen`; return the share that it pays.

        Args:
            damping: D, first three rows, shape (3, m) or more rows.
            speeds: what D acts on, shape (m,); the tip's velocity first.
            period: [s]
            speed_limit: of the reference. [m/s]
        """
        np.subtract(self.goal, self.reference, out=self._step)
        x, y, z = self._step.tolist()
        left = math.sqrt(x * x + y * y + z * z)
        longest = min(self._speed, speed_limit) * period
        if left <= 1e-12 or longest <= 0.0:
            self.pace[:] = 0.0
            self.dragged = 0.0
            return 1.0
        if left > longest:
            self._step *= longest / left
        tank = self.tank
        share, cost, self.dragged = grant_step(
            self.stiffness, damping, speeds, self.stretch, self._step, tank.available
        )
        tank.take(cost)
        self._step *= share
        self.reference += self._step
        self.stretch += self._step
        np.multiply(self._step, 1.0 / period, out=self.pace)
        return share

    def cut(self, upright: float, level: float, pace: float, tip: Array) -> None:
        """Keep only shares of the stretch's upright (z) and level part and of the pace; the tank takes in the rest.

        Where stiffness couples both parts so that one alone would raise the energy, both keep the smaller share.
        """
        k, s = self.stiffness, self.stretch
        before = self.energy + self.dragged
        if s[2] * (k[2, 0] * s[0] + k[2, 1] * s[1]) < 0.0:
            upright = level = min(upright, level)
        self.dragged *= pace
        self.pace *= pace
        s[:2] *= level
        s[2] *= upright
        np.add(tip, s, out=self.reference)
        self.tank.take(self.energy + self.dragged - before)
