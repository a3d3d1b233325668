# SPDX-License-Identifier: Apache-2.0
r"""As many trajectories as a question needs: stopping as soon as the interval answers it.

The interval is looked at after N_j = batch 2^(j - 1) trajectories, j = 1, 2, ..., with delta_j = delta / (j (j + 1)).
These sum to at most delta, so that all looks' Clopper-Pearson intervals hold together with probability 1 - delta, and
so does the one at which the sampling stops, for whatever reason it stops.
"""

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from reflexarc.core.errors import ConfigError
from reflexarc.reach.risk import ESCAPES, Risk, Touches, estimate


def sequential(
    draw: Callable[[int], Touches | npt.NDArray],
    *,
    outputs: int,
    limit: float | None = None,
    width: float | None = None,
    delta: float = 0.05,
    batch: int = 1000,
    most: int = 1_000_000,
    statements: int = 1,
    escapes: float = ESCAPES,
) -> Risk:
    """Return the risk from fresh independent trajectories, as few as answer the question.

    Args:
        draw: from a number, always `batch`, to the touches (or first contacts alone) of so many new trajectories.
        outputs: K + 1.
        limit: stop once the risk is surely at most this, or surely above.
        width: stop once the interval is at most so wide.
        delta: probability that the interval at the stop misses.
        batch: trajectories before the first look, and per call.
        most: trajectories after which to stop anyway; rounded down to a batch times a power of two.
        statements: candidates times segments that share delta.
        escapes: share of escapes beyond which the risk is unknown.

    Raises:
        ConfigError: nothing to decide, fewer trajectories than one batch, or as of `estimate`.
    """
    if limit is None and width is None:
        raise ConfigError("sequential sampling needs a limit or a width to stop at")
    if not 1 <= batch <= most:
        raise ConfigError(
            f"the batch {batch} must be at least 1 and at most {most}, the most trajectories allowed"
        )
    began = time.perf_counter()
    firsts: list[npt.NDArray] = []
    escaped, look, batches = 0, 0, 1
    while True:
        look += 1
        for _ in range(batches - len(firsts)):
            found = draw(batch)
            firsts.append(found.first if isinstance(found, Touches) else np.asarray(found))
            escaped += int(found.escaped.sum()) if isinstance(found, Touches) else 0
        share = delta / (statements * look * (look + 1))
        risk = estimate(
            np.concatenate(firsts), None, share, outputs=outputs, escaped=escaped, escapes=escapes
        )
        decided = limit is not None and (risk.ci_high <= limit or risk.ci_low > limit)
        narrow = width is not None and risk.ci_high - risk.ci_low <= width
        if decided or narrow or not risk.known or 2 * batches * batch > most:
            method = risk.method if not risk.known else "sequential clopper-pearson"
            return risk._replace(seconds=time.perf_counter() - began, method=method)
        batches *= 2
