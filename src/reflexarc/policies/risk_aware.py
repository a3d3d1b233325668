# SPDX-License-Identifier: Apache-2.0
"""A task policy that obeys what is known of its plan's risk.

It proposes what the policy inside wants if the newest judgement accepts that, slower or to the side if the judgement
accepts only a variant, and to stand if nothing is accepted, if the risk is unknown, if no judgement is fresh, or if
what is accepted is absurd.
"""

import dataclasses
import math
from collections import Counter

import numpy as np

from reflexarc.core.types import Array, BaseState, Plan, PlanRisk, Proposal
from reflexarc.policies.base import TaskPolicy
from reflexarc.policies.intention import intention

WIDEST = 2.0
"""Offset beyond which a judgement is not believed. [m]"""


class RiskAware:
    """Wraps a policy of any kind."""

    def __init__(self, policy: TaskPolicy, max_age: float):
        """Take the policy.

        Args:
            policy: what proposes.
            max_age: of a judgement; an older one counts as unknown. [s]
        """
        self.policy = policy
        self._max_age = max_age
        self._risk: PlanRisk | None = None
        self.answers: Counter[str] = Counter()
        """How many judgements of each kind have come: accepted, changed, refused, unknown."""

    def reset(self, route: Array) -> None:
        """Start following a route; what was known of another one's risk is forgotten."""
        self.policy.reset(route)
        self._risk = None

    def plan(self, state: BaseState, now: float, horizon: float) -> Plan:
        """Return what the policy means to do over the coming `horizon` [s]."""
        return intention(self.policy, state, now, horizon)

    def take(self, risk: PlanRisk) -> None:
        """Take the newest judgement."""
        self._risk = risk
        self.answers[kind_of(risk)] += 1

    def propose(self, state: BaseState, now: float) -> Proposal:
        """Return the wanted velocity as far as its risk is accepted."""
        risk = self._risk
        if risk is None or not abs(now - risk.stamp) <= self._max_age or not (risk.known and risk.accepted):
            return Proposal(now, np.zeros(2))
        if not (0.0 <= risk.speed_scale <= 1.0 and abs(risk.lateral_offset) <= WIDEST):  # NaN fails both
            return Proposal(now, np.zeros(2))
        if risk.lateral_offset:
            # Somebody who wants to be farther left is led there by being told that he is that much farther right.
            x, y, yaw = state.pose
            side = risk.lateral_offset
            shifted = np.array([x + side * math.sin(yaw), y - side * math.cos(yaw), yaw])
            state = dataclasses.replace(state, pose=shifted)
        wanted = self.policy.propose(state, now)
        return wanted if risk.speed_scale == 1.0 else Proposal(now, risk.speed_scale * wanted.twist)


def kind_of(risk: PlanRisk) -> str:
    """Return accepted, changed, refused or unknown."""
    if not risk.known:
        return "unknown"
    if not risk.accepted:
        return "refused"
    return "accepted" if risk.speed_scale == 1.0 and risk.lateral_offset == 0.0 else "changed"
