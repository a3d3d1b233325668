# SPDX-License-Identifier: Apache-2.0
"""What a task policy of an arm in contact is, and the table by which one is chosen by name."""

from collections.abc import Mapping
from typing import Any, Protocol

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array, ImpedanceProposal, JointState
from reflexarc.policies.base import make_policy


class ContactPolicy(Protocol):
    """Proposes where the tool's tip is to be drawn to, and how stiffly, 10 times a second; it is untrusted."""

    def reset(self, plan: Array) -> None:
        """Start a task.

        Args:
            plan: way of the tip as it is planned, in the axes of the arm's base, shape (k, 3) with k >= 2. [m]
        """

    def propose(self, state: JointState, now: float) -> ImpedanceProposal:
        """Return goal and stiffness of the tip at time `now` [s]."""
        ...


def make_contact_policy(name: str, parameters: Mapping[str, Any] | None = None) -> ContactPolicy:
    """Build a policy from its name or its import path, see `make_policy`.

    Raises:
        UnknownNameError: no policy of that name; the message lists those that exist.
        ConfigError: it cannot be imported, is one for a mobile base, or a parameter is not acceptable.
    """
    policy: Any = make_policy(name, parameters)
    if not getattr(policy, "for_contact", False):
        raise ConfigError(f"policy {name!r} is none for an arm in contact, such as contact_follower")
    return policy
