# SPDX-License-Identifier: Apache-2.0
r"""Joint torques of a Cartesian impedance.

    tau = J^T (f_spring + D (x_d' - x') - b v) + a (P w^2 (q_0 - q) + C q') - 2 w P q' + g,    P = M - J^T Lambda J

with the five task coordinates of `tip`, f_spring = (K s, k_tilt theta), critical damping D of K and k_tilt by double
diagonalisation (see `algebra`), extra braking b >= 0 of the tip, and a posture q_0 that the tip does not feel: P M^-1
projects into the null space of J, and P is positive semidefinite, so its damping only takes energy out.

Not passive by themselves are the posture's spring behind a projection that changes with q, and the compensation of
Coriolis forces. Both are charged to the tank with the power that they have, and a in [0, 1] is what it pays for.

**Account.** A constant torque does the work tau^T dq exactly. A period gives

    back = -(tau^T dq - dU) - (V_after - V_before) + what was paid before for this period

to the tank, with V the potential of spring and tilt and U that of gravity: the dampers' work, less what holding the
torques for a period made the springs and the compensation of gravity do too much.
"""

import math

import numba
import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.reflex.impedance.algebra import critical_damping
from reflexarc.reflex.impedance.spring import Spring
from reflexarc.reflex.impedance.tank import EnergyTank
from reflexarc.reflex.impedance.tip import TASK, TipModel


@numba.njit(cache=True)
def _torques(
    jacobian, inertia, mass, speeds, tilt, dq, q, home, stretch, pace, stiffness, damping, coriolis, numbers, work,
    assist, damper, spring,
):  # fmt: skip
    """Write assisting, damping and spring torques; numbers: tilt stiffness, extra braking, posture's w."""
    n = q.shape[0]
    tilting, braking, rate = numbers[0], numbers[1], numbers[2]
    pull, drag, weighted, whole = work[0], work[1], work[2], work[3]
    for i in range(5):
        pull[i] = drag[i] = 0.0
        for j in range(5):
            drag[i] += damping[i, j] * speeds[j]
        for j in range(3):
            pull[i] += damping[i, j] * pace[j]
            if i < 3:
                pull[i] += stiffness[i, j] * stretch[j]
        if i < 3:
            drag[i] += braking * speeds[i]
        else:
            pull[i] += tilting * tilt[i - 3]
    # P (w^2 (q_0 - q)) and P q'
    for i in range(5):
        weighted[i] = whole[i] = 0.0
        for j in range(n):
            weighted[i] += jacobian[i, j] * (home[j] - q[j])
    for i in range(5):
        for j in range(5):
            whole[i] += inertia[i, j] * weighted[j]
    for i in range(5):
        weighted[i] = 0.0
        for j in range(5):
            weighted[i] += inertia[i, j] * speeds[j]
    for j in range(n):
        lift, slow = 0.0, 0.0
        for k in range(n):
            lift += mass[j, k] * (home[k] - q[k])
            slow += mass[j, k] * dq[k]
        assist[j] = coriolis[j]
        damper[j] = spring[j] = 0.0
        for i in range(5):
            lift -= jacobian[i, j] * whole[i]
            slow -= jacobian[i, j] * weighted[i]
            damper[j] += jacobian[i, j] * drag[i]
            spring[j] += jacobian[i, j] * pull[i]
        assist[j] += rate * rate * lift
        damper[j] += 2.0 * rate * slow


class ImpedanceLaw:
    """The law above, with the account of its energy."""

    def __init__(
        self,
        tip: TipModel,
        tilt_stiffness: float = 30.0,
        ratio: float = 1.0,
        posture_rate: float = 3.0,
        posture: Array | None = None,
    ):
        """Take the gains.

        Args:
            tip: of the arm.
            tilt_stiffness: of the tool's axis. [N m/rad]
            ratio: of the damping; 1 is critical.
            posture_rate: w, natural frequency of the posture. [rad/s]
            posture: q_0, shape (n,); None for the arm's home. [rad]

        Raises:
            ConfigError: a gain that is not positive, or a posture of another size.
        """
        if not (tilt_stiffness > 0.0 and 0.0 < ratio < math.inf and 0.0 <= posture_rate < math.inf):
            raise ConfigError(
                f"tilt stiffness {tilt_stiffness}, damping ratio {ratio} must be positive, posture rate "
                f"{posture_rate} not negative"
            )
        n = tip.arm.n
        self.tip = tip
        self.posture = np.array(tip.arm.home if posture is None else posture, dtype=float)
        if self.posture.shape != (n,):
            raise ConfigError(f"a posture of shape {self.posture.shape}, the arm has {n} joints")
        self._ratio = ratio
        self._numbers = np.array([tilt_stiffness, 0.0, posture_rate])
        self._stiffness = np.diag([0.0, 0.0, 0.0, tilt_stiffness, tilt_stiffness])
        self.damping = np.zeros((TASK, TASK))
        """D. [N s/m, N m s/rad]"""
        self._scratch = np.zeros((3, TASK, TASK))
        self._work = np.zeros((4, TASK))
        self._assist, self._damper, self._spring = np.zeros(n), np.zeros(n), np.zeros(n)
        self._before = np.zeros(n)
        self.paid = 0.0
        """Taken from the tank for posture, Coriolis compensation and moving reference of this period. [J]"""
        self._potential = self._height = 0.0
        self.torque = np.zeros(n)
        """As computed last. [N m]"""

    def shape(self, stiffness: Array) -> None:
        """Choose D for the tip's inertia and a stiffness K, shape (3, 3). [N/m]"""
        self._stiffness[:3, :3] = stiffness
        critical_damping(self.tip.inertia, self._stiffness, self._ratio, self._scratch, self.damping)

    def settle(self, spring: Spring, period: float, tank: EnergyTank) -> None:
        """Settle the period that ended now, if its torques were those of `command`; `spring` measured at the tip.

        Args:
            spring: the one of `command`, its stretch measured at the tip as it is now.
            period: [s]
            tank: the one of `command`.
        """
        tip = self.tip
        work = float(self.torque @ (tip.q - self._before)) - (tip.height_energy - self._height)
        tank.settle(self.paid - work - (self.potential(spring) - self._potential), period)

    def potential(self, spring: Spring) -> float:
        """Return what spring and tilt hold. [J]"""
        x, y = self.tip.tilt.tolist()
        return spring.energy + 0.5 * float(self._numbers[0]) * (x * x + y * y)

    def command(self, spring: Spring, braking: float, period: float, tank: EnergyTank) -> Array:
        """Return the torques for the coming period, shape (n,), the same array every time. [N m]

        Args:
            spring: with its stretch at the tip.
            braking: extra damping of the tip, >= 0. [N s/m]
            period: [s]
            tank: pays for posture and Coriolis compensation.
        """
        tip = self.tip
        self._numbers[1] = braking
        _torques(
            tip.jacobian, tip.inertia, tip.mass, tip.speeds, tip.tilt, tip.dq, tip.q, self.posture, spring.stretch,
            spring.pace, spring.stiffness, self.damping, tip.coriolis, self._numbers, self._work, self._assist,
            self._damper, self._spring,
        )  # fmt: skip
        cost = float(self._assist @ tip.dq) * period
        share, available = 1.0, tank.available
        if cost > available:
            share = available / cost
        cost = max(0.0, share * cost)
        tank.take(cost)
        self.paid = cost + spring.dragged
        self._potential = self.potential(spring)
        self._height = tip.height_energy
        self._before[:] = tip.q
        torque = self.torque
        np.multiply(self._assist, share, out=torque)
        torque += self._spring
        torque -= self._damper
        torque += tip.gravity
        return torque
