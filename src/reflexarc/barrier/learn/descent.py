# SPDX-License-Identifier: Apache-2.0
"""One step of an optimiser on a dictionary of networks."""

from typing import Any

import optax


def descend(
    optimiser: optax.GradientTransformation, weights: Any, gradient: Any, memory: Any
) -> tuple[Any, Any]:
    """Return the weights after one step down the gradient, and the optimiser's memory."""
    change, memory = optimiser.update(gradient, memory, weights)
    return optax.apply_updates(weights, change), memory
