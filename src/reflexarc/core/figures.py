# SPDX-License-Identifier: Apache-2.0
"""Figures as JSON knows them."""

import math
from collections.abc import Mapping
from typing import Any


def for_json(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return figures with null in place of numbers that are not finite."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in figures.items()}
