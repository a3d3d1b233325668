# SPDX-License-Identifier: Apache-2.0
r"""Barrier on the force with which a tool's tip presses: it bounds what spring and reference may push.

**Model.** Along the inward normal n of what is touched: mobile mass mu, surface of stiffness k (at most the configured
one, any damping), present force c = k delta, closing speed v, push F by the impedance, its damper D:

    mu v' = F - D v - k delta.

**Peak.** With F held, the force reaches p where v becomes 0. Energy over delta gives

    p^2 - c^2 = k mu v^2 + 2 F (p - c) - 2 k (integral of D v d(delta)).

While D <= 2 sqrt(k mu), v is a concave function of delta (k mu v^2 - D a v + a^2 >= 0 for every net force a before
damping, by its discriminant), so the integral is at least that under the chord, D v (p - c) / (2 k), and

    p <= F' + sqrt((F' - c)^2 + k mu v^2),    F' = F - D v / 2.

More damping than counted only lowers p, by comparison. h = P - p >= 0 is therefore the same as

    F <= A(c, v) + D v / 2,    A(c, v) = (P^2 - c^2 - k mu v^2) / (2 (P - c)).                            (c < P)

**Invariance.** Held at an allowed F the true peak stays where it is, so F stays allowed in fact even where the bound,
evaluated anew, is stricter; a push that is only ever raised to what is allowed never leads beyond P. Holding F for a
period costs nothing: the statement is about constant F. The spring's relaxation on the way makes p smaller.

**What is bounded.** Without contact n is unknown. mu_n v_n^2 <= v^T Lambda v for every n (Cauchy-Schwarz), so the
norm of the push is kept below A(0, .) with v^T Lambda v, plus D v / 2 as far as it lies along the push. In contact n
is against the measured force; across it the bound for free motion holds with P reduced to sqrt(P^2 - c^2), so that
both together have norm P. At standstill the force is the push: its norm stays below the sustained limit, less what is
measured beyond push and reserve. A mode's speed limit v_m: |D^-1 F| <= v_m, the speed that F leads to and does not
overshoot.

**Assumptions.** One smooth surface at a time, k not above the configured stiffness, the tip's inertia from the model,
the force sensor's delay short against the contact's rise (an old smaller c is stricter while k mu v^2 < (P - c)^2),
torques that the drives give. `reserve` is kept from both limits for noise, bias, and what a policy does with tilt and
posture. What pushes the tip from outside (a person) is not bounded; the arm gives way.

What is cut is the level part of the stretch; the upright part, which holds the height, only where it takes more than
half of what is allowed. The pace counts as far as the reference really moves on after that, and only gets what the
spring leaves.

Beyond the bound, or near the limit with the tip still closing, extra damping brakes; it only takes energy out.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reflexarc.barrier.contact_kernel import bound_push
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array


@dataclass(frozen=True, slots=True)
class ForceLimits:
    """What is kept, and what is touched."""

    peak: float = 40.0
    """Of the force on the tip. [N]"""
    sustained: float = 25.0
    """Of the force at standstill. [N]"""
    stiffness: float = 20e3
    """Largest of any surface. [N/m]"""
    body: float = math.inf
    """Effective mass of what is touched; infinity for what is fixed. [kg]"""
    reserve: float = 0.1
    """Share of both limits that is kept back."""
    touching: float = 2.0
    """From this force on the tip counts as in contact. [N]"""
    braking: float = 150.0
    """Largest extra damping. [N s/m]"""

    def __post_init__(self) -> None:
        good = (
            0.0 < self.sustained <= self.peak < math.inf
            and 0.0 < self.stiffness < math.inf
            and self.body > 0.0
            and 0.0 <= self.reserve < 1.0
            and 0.0 < self.touching < self.peak * (1.0 - self.reserve)
            and 0.0 <= self.braking < math.inf
        )
        if not good:
            raise ConfigError(
                f"{self}; needed: 0 < sustained <= peak, stiffness and body positive, 0 <= reserve < 1, "
                "0 < touching < what is left of the peak, braking not negative"
            )


class Bound(NamedTuple):
    """What the barrier lets through."""

    upright: float
    """Share of the upright part of the stretch that is left, in [0, 1]."""
    level: float
    """Share of its level part."""
    pace: float
    """Share of the pace that is left."""
    wanted: float
    """Norm of the push before. [N]"""
    push: float
    """Norm of the push that is left. [N]"""
    braking: float
    """Extra damping. [N s/m]"""
    peak: float
    """Force that is not exceeded if a surface is touched now, with the push that is left. [N]"""
    binding: int
    """Index of `REASONS`."""


REASONS = ("", "impact", "contact", "across the contact", "sustained force", "speed of the mode")


class ContactBarrier:
    """The barrier; it has no memory."""

    def __init__(self, limits: ForceLimits):
        """Take the limits, and compile."""
        self.limits = limits
        keep = 1.0 - limits.reserve
        self._numbers = (
            float(limits.peak * keep),
            float(limits.sustained * keep),
            float(limits.stiffness),
            float(limits.body),
            float(limits.touching),
            float(limits.braking),
            float(limits.sustained * limits.reserve),
        )
        self._work, self._shares = np.zeros((9, 3)), np.ones(4)
        zero, one = np.zeros(3), np.eye(3)
        self.bound(one, zero, one, zero, zero, one, one, zero, 1.0, 0.001)

    def bound(
        self,
        stiffness: Array,
        stretch: Array,
        damping: Array,
        pace: Array,
        velocity: Array,
        inertia: Array,
        mobility: Array,
        force: Array,
        speed_limit: float,
        period: float,
    ) -> Bound:
        """Return what may be pushed in the coming period. Everything in one frame, z up.

        Args:
            stiffness: K, shape (3, 3). [N/m]
            stretch: s of the spring, shape (3,). [m]
            damping: D of the tip, shape (3, 3). [N s/m]
            pace: velocity of the reference, shape (3,). [m/s]
            velocity: of the tip, shape (3,). [m/s]
            inertia: Lambda of the tip, shape (3, 3). [kg]
            mobility: its inverse. [1/kg]
            force: measured on the tip, shape (3,). [N]
            speed_limit: of the mode. [m/s]
            period: in which the stretch has just grown by the pace. [s]
        """
        wanted, push, braking, peak, binding = bound_push(
            stiffness, stretch, damping, pace, velocity, inertia, mobility, force, speed_limit, period,
            self._numbers, self._work, self._shares,
        )  # fmt: skip
        upright, level, moved, _ = self._shares.tolist()
        return Bound(upright, level, moved, wanted, push, braking, peak, binding)

    def speed(self, mass: float, damping: float = 0.0) -> float:
        """Return the speed at which steady motion through free space stays, pushed against its own damping. [m/s]

        Args:
            mass: of the tip along the motion. [kg]
            damping: D along it. [N s/m]
        """
        peak, _, k, body, _, _, _ = self._numbers
        mu = mass if math.isinf(body) else mass * body / (mass + body)
        # p = F' + sqrt(F'^2 + k mu v^2) = P with F' = D v / 2
        return peak * (math.sqrt(damping * damping / 4.0 + k * mu) - damping / 2.0) / (k * mu)
