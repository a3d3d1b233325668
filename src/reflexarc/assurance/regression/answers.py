# SPDX-License-Identifier: Apache-2.0
"""Whether hazards were answered in time, and mitigations ended late enough: signals from the truth of a run.

unanswered   for how long any hazard has been there while the mode was less strict than the policy's for it  [s]
resumed      whether the mode has become less strict than that of a hazard which it answered before
clear_time   time since the latest such hazard was there  [s]
"""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from reflexarc.core.errors import UnknownNameError
from reflexarc.core.types import Array

NEVER_S = 1000.0
"""Time clear where no mitigation ends, and the longest that is told. [s]"""


class Moment(NamedTuple):
    """One sample."""

    time: float
    """[s]"""
    rank: int
    """How strict the mode is; larger is stricter."""
    hazards: Mapping[str, bool]
    """Every hazard of the policy, and whether it is really there."""


class Answers(NamedTuple):
    """The three signals, each of shape (n,)."""

    unanswered: Array
    resumed: Array
    clear_time: Array


def answers(moments: Iterable[Moment], required: Mapping[str, int]) -> Answers:
    """Return the signals.

    Args:
        moments: in order of time.
        required: hazard to the rank of the mode that the policy answers it with.

    Raises:
        UnknownNameError: a moment names a hazard that the policy has no answer for.
    """
    since = dict.fromkeys(required, math.nan)
    there_at = dict.fromkeys(required, -math.inf)
    before: int | None = None
    rows: list[tuple[float, float, float]] = []
    for time, rank, hazards in moments:
        before = rank if before is None else before
        waiting = 0.0
        for name, there in hazards.items():
            if name not in required:
                raise UnknownNameError("hazard", name, required, "the policy")
            if there:
                there_at[name] = time
            if not there or rank >= required[name]:
                since[name] = math.nan
                continue
            since[name] = time if math.isnan(since[name]) else since[name]
            waiting = max(waiting, time - since[name])
        ended = [n for n, needs in required.items() if rank < needs <= before and there_at[n] > -math.inf]
        clear = min((time - there_at[name] for name in ended), default=NEVER_S)
        rows.append((waiting, float(bool(ended)), min(clear, NEVER_S)))
        before = rank
    table = np.array(rows).reshape(-1, 3)
    return Answers(table[:, 0], table[:, 1], table[:, 2])
