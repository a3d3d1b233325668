# SPDX-License-Identifier: Apache-2.0
r"""A learned goal-conditioned policy a = pi(s, g) as a task policy (Feng et al., ICRA 2025; docs/fleet/learning.md).

It was trained in a simulation without anybody else, on one map, and knows no safety but what its cost taught it; the
arc judges what it proposes. It drives to the last point of its route and pays no heed to the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reflexarc.core.config import from_mapping, quantity
from reflexarc.core.errors import ConfigError
from reflexarc.core.paths import models_dir
from reflexarc.core.types import Array, BaseState, Proposal

if TYPE_CHECKING:
    from reflexarc.fleet.gcrl.agent import Agent


@dataclass(frozen=True, slots=True)
class GoalConditionedConfig:
    """Parameters of the goal-conditioned policy."""

    agent: str = quantity("", doc="folder of the trained agent, within models/; of domain `delivery`")
    stage: str = quantity(
        "constrained", choices=("unconstrained", "constrained"), doc="which of its two policies drives"
    )


class GoalConditioned:
    """Acts once per period of its training, and repeats the action in between."""

    def __init__(self, agent: "Agent"):
        """Take an agent of the delivery robot's domain, and compile its actions.

        Raises:
            ConfigError: the agent is of another domain.
        """
        from reflexarc.fleet.gcrl.delivery import DeliveryDomain  # noqa: PLC0415 - loads JAX

        if not isinstance(agent.domain, DeliveryDomain):
            raise ConfigError(
                f"the agent's domain is {type(agent.domain).__name__}; to drive a robot it must be of the "
                "delivery robot's; nothing was started"
            )
        self.agent, self._domain = agent, agent.domain
        self._goal: Array | None = None
        self._due, self._twist = -np.inf, np.zeros(2)
        agent.act(np.zeros((1, agent.domain.state_size)), np.ones((1, agent.domain.goal_size)))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str) -> "GoalConditioned":
        """Build from a mapping of parameters.

        Raises:
            ConfigError: unknown key or value out of bounds, or an agent of another domain.
            ModelError: the weights are missing or malformed.
        """
        from reflexarc.fleet.gcrl.agent import load_agent  # noqa: PLC0415 - loads JAX

        config = from_mapping(GoalConditionedConfig, data, where)
        return cls(load_agent(models_dir() / config.agent / f"{config.stage}.safetensors"))

    def reset(self, route: Array) -> None:
        """Drive to the end of `route`, shape (n, 2) with n >= 1. [m]

        Raises:
            ValueError: the route has no point or is not finite.
        """
        route = np.array(route, dtype=np.float64)
        if route.ndim != 2 or route.shape[1] != 2 or not len(route) or not np.isfinite(route).all():
            raise ValueError(f"a route needs at least one finite point (n, 2), got shape {route.shape}")
        self._goal, self._due = route[-1], -np.inf

    def propose(self, state: BaseState, now: float) -> Proposal:
        """Return the wanted velocity; zero without a goal, at it, and outside the map, of which nothing was learned."""
        if self._goal is None or not self._knows(state):
            return Proposal(now, np.zeros(2))
        full = np.concatenate([state.pose, state.twist])
        if np.hypot(*(state.pose[:2] - self._goal)) < self._domain.goal_radius:
            return Proposal(now, np.zeros(2))
        if now >= self._due or now < self._due - self._domain.period:
            action = self.agent.act(full[None], self._goal[None])[0]
            self._twist = np.asarray(self._domain.command(action), dtype=np.float64)
            self._due = now + self._domain.period - 1e-9
        return Proposal(now, self._twist)

    def _knows(self, state: BaseState) -> bool:
        inside = (state.pose[:2] >= 0.0) & (state.pose[:2] <= np.array(self._domain.extent))
        return bool(inside.all() and np.isfinite(state.pose).all() and np.isfinite(state.twist).all())
