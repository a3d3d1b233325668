# SPDX-License-Identifier: Apache-2.0
"""What a task policy is, and the table by which one is chosen by name."""

import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, Protocol

from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.types import Array, BaseState, Proposal

_BUILT_IN = {
    "contact_follower": "reflexarc.policies.contact_follower:ContactFollower",
    "contact_learned": "reflexarc.policies.contact_learned:ContactLearned",
    "dwa": "reflexarc.policies.dwa:Dwa",
    "goal_conditioned": "reflexarc.policies.goal_conditioned:GoalConditioned",
    "route_follower": "reflexarc.policies.route_follower:RouteFollower",
}


class TaskPolicy(Protocol):
    """Proposes motion at a low rate; what it proposes is untrusted."""

    def reset(self, route: Array) -> None:
        """Start following a route.

        Args:
            route: way points in the fixed frame, the goal last, shape (n, 2) with n >= 2. [m]
        """

    def propose(self, state: BaseState, now: float) -> Proposal:
        """Return the wanted body velocity at time `now` [s]."""
        ...


def policy_names() -> list[str]:
    """Return the names that `make_policy` knows: built in, and registered by installed packages."""
    return sorted({*_BUILT_IN, *(e.name for e in entry_points(group="reflexarc.policies"))})


def make_policy(name: str, parameters: Mapping[str, Any] | None = None) -> TaskPolicy:
    """Build a policy from its name or its import path.

    Args:
        name: built in, registered in the entry-point group `reflexarc.policies`, or `package.module:Class`.
        parameters: mapping for the policy's class method `from_dict`.

    Raises:
        UnknownNameError: no policy of that name; the message lists those that exist.
        ConfigError: the import fails, the class has no `from_dict`, or a parameter is not acceptable.
    """
    registered = {e.name: e.value for e in entry_points(group="reflexarc.policies")}
    target = {**registered, **_BUILT_IN}.get(name, name)
    module_name, separator, class_name = target.partition(":")
    if not separator:
        raise UnknownNameError("policy", name, [*policy_names(), "package.module:Class"])
    try:
        factory = getattr(importlib.import_module(module_name), class_name)
        build = factory.from_dict
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"policy {name!r} cannot be imported: {error}") from error
    return build(dict(parameters or {}), f"policy {name}")
