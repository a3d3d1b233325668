# SPDX-License-Identifier: Apache-2.0
"""What was learned, as a file: policies, critic and recipe, and in the recipe the shield to use them with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from reflexarc.core.errors import ModelError, UnknownNameError
from reflexarc.core.weights import read_weights, save_weights, with_weights
from reflexarc.reflex.loop import Shield
from reflexarc.reflex.navigation import navigation
from reflexarc.reflex.networks import Networks

FORMAT = "reflexarc-reflex-1"


@dataclass(frozen=True, eq=False)
class ReflexAgent:
    """Networks with the shield to use them with."""

    networks: Networks
    shield: Shield
    recipe: Mapping[str, Any]

    def save(self, path: Path) -> str:
        """Write the file and return its SHA-256."""
        shield = {name: float(value) for name, value in self.shield._asdict().items()}
        return save_weights(path, FORMAT, self.networks, {**self.recipe, "shield": shield})


def load_reflex_agent(path: Path) -> ReflexAgent:
    """Read a file that `ReflexAgent.save` wrote.

    Raises:
        ModelError: the file is missing, damaged, of another kind, holds weights that are not finite, or a shield that
            would never look.
    """
    recipe, arrays = read_weights(path, FORMAT)
    try:
        shield = Shield(**recipe.pop("shield"))
        t = recipe["training"]
        problem = navigation(str(recipe["problem"]))
        like = Networks(problem, int(t["width"]), int(t["members"]), jax.random.key(0))
    except (KeyError, TypeError, ValueError, UnknownNameError) as error:
        raise ModelError(f"{path}: its recipe does not describe networks and shield ({error!r})") from error
    if not (
        shield.threshold >= 0.0
        and shield.every >= 1.0
        and shield.dwell >= 1.0
        and 0.0 < shield.release <= 1.0
    ):
        raise ModelError(
            f"{path}: {shield}; allowed: threshold >= 0, every >= 1, dwell >= 1, 0 < release <= 1; it was not loaded"
        )
    return ReflexAgent(with_weights(path, like, arrays), shield, recipe)
