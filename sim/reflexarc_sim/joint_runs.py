# SPDX-License-Identifier: Apache-2.0
"""What lock-step runs of arms and quadrupeds share: the log, and going on until the run is over."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from reflexarc.core.types import Array


class JointLog:
    """What is written down every period."""

    COLUMNS: ClassVar[dict[str, int]] = {}
    """Name -> numbers per period; NaN where nothing is said."""

    def __init__(self, periods: int):
        """Make room for `periods`."""
        self._rows = {k: np.full((periods, n) if n > 1 else periods, np.nan) for k, n in self.COLUMNS.items()}
        self._count = 0

    def add(self, **values: Any) -> None:
        """Write one period down."""
        for name, value in values.items():
            self._rows[name][self._count] = value
        self._count += 1

    def arrays(self) -> dict[str, Array]:
        """Return the columns as far as they were written."""
        return {name: rows[: self._count] for name, rows in self._rows.items()}


def carry_out(run: Any, progress: Callable[[Any], None] | None, every_s: float) -> Any:
    """Go on with a run until it is over, close its plant and return what it left.

    Args:
        run: under way.
        progress: called with the run.
        every_s: simulated time between two calls. [s]
    """
    every = max(1, round(every_s / run.plant.step_period))
    try:
        while not run.over:
            run.step()
            if progress is not None and run.step_count % every == 0:
                progress(run)
        return run.finish()
    finally:
        run.plant.close()
