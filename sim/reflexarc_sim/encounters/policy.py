# SPDX-License-Identifier: Apache-2.0
r"""A task policy that explores: another policy's proposals with noise and probes on top.

Noise is an Ornstein-Uhlenbeck process per component, dx = -x / T dt + sigma sqrt(2 / T) dW (Uhlenbeck and Ornstein,
Phys. Rev. 36, 1930). A probe replaces the proposal for a while by a constant twist drawn from the drive's range, so
that the data hold what a sensible policy never does: full speed towards people, full braking, hard turns.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reflexarc.core.config import from_mapping, quantity
from reflexarc.core.types import Array, BaseState, Proposal
from reflexarc.policies import TaskPolicy, make_policy


@dataclass(frozen=True, slots=True)
class ExploringConfig:
    """Parameters of the exploring policy."""

    policy: str = quantity("route_follower", doc="policy whose proposals are disturbed")
    params: dict = quantity({}, doc="its own parameters")
    seed: int = quantity(0, low=0, high=2**63, doc="seed of noise and probes")
    speed_std_m_s: float = quantity(
        0.4, unit="m/s", low=0.0, high=3.0, doc="standard deviation of the speed noise"
    )
    yaw_rate_std_rad_s: float = quantity(
        0.3, unit="rad/s", low=0.0, high=3.0, doc="standard deviation of the yaw-rate noise"
    )
    correlation_s: float = quantity(0.8, unit="s", low=0.05, high=10.0, doc="correlation time T of both")
    probes_per_s: float = quantity(0.15, unit="1/s", low=0.0, high=5.0, doc="probes per second")
    probe_s: tuple[float, float] = quantity(
        (0.4, 1.6), unit="s", low=0.05, high=10.0, doc="shortest and longest probe"
    )
    max_speed_m_s: float = quantity(3.0, unit="m/s", low=0.1, high=5.0, doc="largest proposed speed")
    max_yaw_rate_rad_s: float = quantity(
        1.5, unit="rad/s", low=0.1, high=5.0, doc="largest proposed yaw rate"
    )


class ExploringPolicy:
    """Wraps a policy; deterministic given its seed and the calls."""

    def __init__(self, config: ExploringConfig, inner: TaskPolicy):
        """Take the policy to disturb."""
        self.config, self._inner = config, inner
        self._rng = np.random.default_rng(config.seed)
        self._noise = np.zeros(2)
        self._last = math.nan
        self._probe: Array | None = None
        self._probe_until = -math.inf

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str) -> "ExploringPolicy":
        """Build from a mapping of parameters.

        Raises:
            ConfigError: unknown key or value out of bounds, here or in the disturbed policy.
        """
        config = from_mapping(ExploringConfig, data, where)
        return cls(config, make_policy(config.policy, config.params))

    def reset(self, route: Array) -> None:
        """Follow a new route; noise and probes go on."""
        self._inner.reset(route)

    def propose(self, state: BaseState, now: float) -> Proposal:
        """Return the disturbed proposal."""
        c, rng = self.config, self._rng
        wanted = self._inner.propose(state, now).twist.copy()
        step = 0.0 if math.isnan(self._last) else now - self._last
        self._last = now
        keep = math.exp(-step / c.correlation_s)
        spread = math.sqrt(max(0.0, 1.0 - keep * keep)) * np.array((c.speed_std_m_s, c.yaw_rate_std_rad_s))
        self._noise = keep * self._noise + spread * rng.standard_normal(2)
        if now >= self._probe_until:
            self._probe = None
            if rng.random() < 1.0 - math.exp(-c.probes_per_s * step):
                self._probe_until = now + rng.uniform(*c.probe_s)
                self._probe = self._draw()
        wanted = wanted + self._noise if self._probe is None else self._probe
        limits = np.array((c.max_speed_m_s, c.max_yaw_rate_rad_s))
        return Proposal(now, np.clip(wanted, (-0.5, -limits[1]), limits))

    def _draw(self) -> Array:
        """Draw a probe: stop, go fast, turn hard or go backwards."""
        c, rng = self.config, self._rng
        kind = rng.choice(4, p=(0.3, 0.4, 0.2, 0.1))
        speed = (0.0, rng.uniform(1.0, c.max_speed_m_s), rng.uniform(0.3, 1.5), rng.uniform(-0.5, 0.0))[kind]
        turn = rng.uniform(0.6, c.max_yaw_rate_rad_s) * rng.choice((-1.0, 1.0))
        return np.array((speed, turn if kind == 2 else 0.2 * turn * rng.uniform()))
