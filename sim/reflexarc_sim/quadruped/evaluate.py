# SPDX-License-Identifier: Apache-2.0
"""What a frozen policy does over 20 s while somebody pushes: figures of every episode, in lock-step."""

from dataclasses import dataclass

import numpy as np

from reflexarc.core.types import Array
from reflexarc.robust.problem import Mask
from reflexarc_sim.quadruped.protocol import Policy, Pusher
from reflexarc_sim.quadruped.task import CONTROL_PERIOD, IDEAL
from reflexarc_sim.quadruped.walk import Walk

LENGTH_S = 20.0
_RECOVERED = 0.25
"""Error of the velocity below which a robot follows its command again. [m/s]"""
_STAYS = 0.2
"""For how long it must. [s]"""
_SATURATED = 0.98


@dataclass(frozen=True)
class Judged:
    """Figures of n episodes, each of shape (n,); a fallen robot counts until it fell, with the cost of a fall."""

    survived: Array
    """1 or 0."""
    lasted: Array
    """[s]"""
    error: Array
    """Root mean square of the velocity's error in the plane. [m/s]"""
    turn_error: Array
    """And of the yaw rate's. [rad/s]"""
    share: Array
    """Mean of the task's reward, of its largest."""
    gain: Array
    """Sum of the cost over the sum of the forces' lengths [1/N]; NaN where nobody pushed."""
    recovery: Array
    """Mean time from the end of a push until the robot follows again [s]; NaN where none ended or it never did."""
    power: Array
    """Mean of the sum of |torque times rate| over the joints. [W]"""
    saturated: Array
    """Share of torques at their limit."""

    def figures(self) -> dict[str, float]:
        """Return means, and the gain's 95 % quantile and largest."""
        pushed = self.gain[np.isfinite(self.gain)]
        recovered = self.recovery[np.isfinite(self.recovery)]
        return {
            "survival": float(self.survived.mean()),
            "lasted_s": float(self.lasted.mean()),
            "velocity_rmse": float(np.sqrt((self.error**2).mean())),
            "yaw_rate_rmse": float(np.sqrt((self.turn_error**2).mean())),
            "task_share": float(self.share.mean()),
            "gain_mean": float(pushed.mean()) if len(pushed) else float("nan"),
            "gain_p95": float(np.quantile(pushed, 0.95)) if len(pushed) else float("nan"),
            "gain_worst": float(pushed.max()) if len(pushed) else float("nan"),
            "recovery_s": float(recovered.mean()) if len(recovered) else float("nan"),
            "power_w": float(self.power.mean()),
            "saturated": float(self.saturated.mean()),
        }


def judge(
    walk: Walk, policy: Policy, pusher: Pusher, seed: int, fall: float, length: float = LENGTH_S
) -> Judged:
    """Let a policy walk.

    Args:
        walk: n robots, whose own episodes must not be over before `length`.
        policy: mean action of rows of observations.
        pusher: who pushes.
        seed: of everything random.
        fall: cost of a fall, in the task's reward.
        length: of an episode. [s]
    """
    rng = np.random.default_rng(seed)
    n, steps = walk.episodes, round(length / CONTROL_PERIOD)
    seen = walk.begin(rng)
    limit = walk.torque_limit
    alive = np.ones(n, dtype=bool)
    lasted, square, turn, cost, push, task = (np.zeros(n) for _ in range(6))
    power, saturated = np.zeros(n), np.zeros(n)
    clock = _Recovery(n)
    for k in range(steps):
        force = pusher(k, seen, rng)
        command = walk.command.copy()
        seen, step = walk.step(policy(seen), force, rng)
        velocity, rate, torque, joint_rate = walk.motion
        off = ((command[:, :2] - velocity[:, :2]) ** 2).sum(axis=1)
        square += alive * off
        turn += alive * (command[:, 2] - rate[:, 2]) ** 2
        cost += alive * (IDEAL - step.task + fall * step.failed)
        task += alive * step.task
        size = np.linalg.norm(force, axis=1)
        push += alive * size
        power += alive * np.abs(torque * joint_rate).sum(axis=1)
        saturated += alive * (np.abs(torque) >= _SATURATED * limit).mean(axis=1)
        lasted += alive
        alive &= ~step.failed
        clock.take(size > 0.0, np.sqrt(off) < _RECOVERED, alive)
        if not alive.any():
            break
    count = np.maximum(lasted, 1.0)
    return Judged(
        survived=alive.astype(float),
        lasted=lasted * CONTROL_PERIOD,
        error=np.sqrt(square / count),
        turn_error=np.sqrt(turn / count),
        share=task / count / IDEAL,
        gain=np.where(push > 0.0, cost / np.maximum(push, 1e-9), np.nan),
        recovery=clock.mean(),
        power=power / count,
        saturated=saturated / count,
    )


class _Recovery:
    """Times from the end of a push until the command is followed again for a while."""

    def __init__(self, n: int):
        self._pushed: Mask = np.zeros(n, dtype=bool)
        self._since, self._good = np.full(n, np.nan), np.zeros(n)
        self._total, self._count = np.zeros(n), np.zeros(n)

    def take(self, pushed: Mask, follows: Mask, alive: Mask) -> None:
        ended = self._pushed & ~pushed
        self._since = np.where(pushed | ~alive, np.nan, np.where(ended, 0.0, self._since + CONTROL_PERIOD))
        self._good = np.where(follows & ~pushed, self._good + CONTROL_PERIOD, 0.0)
        done = np.isfinite(self._since) & (self._good >= _STAYS - 1e-9)
        self._total += np.where(done, np.maximum(self._since - _STAYS, 0.0), 0.0)
        self._count += done
        self._since[done] = np.nan
        self._pushed = pushed

    def mean(self) -> Array:
        return np.where(self._count > 0, self._total / np.maximum(self._count, 1), np.nan)
