# SPDX-License-Identifier: Apache-2.0
"""Figures of one run of a quadruped that is pushed: did it stay up, did it follow, what did the reflexes do."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from reflexarc.core.figures import for_json
from reflexarc.core.types import Array


@dataclass(slots=True)
class WalkerSummary:
    """Figures of one run; what is not a number is null in JSON."""

    seed: int
    success: bool
    """It did not fall."""
    outcome: str
    """`time` (time was up), `fell`, or of a live run `stopped`."""
    duration_s: float
    """Until it fell or time was up."""
    velocity_error_m_s: float
    """Root mean square of the planar velocity's error."""
    turn_error_rad_s: float
    """And of the yaw rate's."""
    distance_m: float
    """Length of the trunk's way over ground."""
    reflexes: int
    """How often the reflex took over."""
    reflex_share: float
    """Share of the time under a reflex."""
    reflex_latency_s: float
    """Median time from the beginning of a push to the reflex that it caused first; NaN where none did."""
    risk_most: float
    """Largest risk; NaN without a critic."""
    risk_mean: float
    lean_most_rad: float
    halted: float
    """Share of the ticks in which the robot was stopped instead."""
    intervened: float
    """Share of the ticks in which the arc changed what was proposed."""
    work_j: float
    """Integral of |torque x rate| over the joints."""
    pushes: int
    """That have begun."""
    push_most_n: float
    refused: int = 0
    """Decisions that the task policy did not make, because a number was not finite."""
    faults: dict[str, int] = field(default_factory=dict)
    """Fault -> ticks in which it was present."""
    threshold: float = math.nan
    """Risk above which the reflex acts; NaN without a critic."""
    digest: str = ""
    """Of all targets and states; none of a live run."""

    def to_json(self) -> dict[str, Any]:
        """Return a mapping for JSON; numbers that are not finite become null."""
        return for_json(asdict(self))


def summarise(log: dict[str, Array], seed: int, fallen: bool, period: float, **more: Any) -> WalkerSummary:
    """Return the figures of a log with the columns of `walker_lockstep.WalkerLog`.

    Args:
        log: one row per tick; at least one.
        seed: of the run.
        fallen: whether it ended with a fall.
        period: of a tick. [s]
        more: fields that no log has.
    """
    told, velocity, force = log["told"], log["velocity"], np.linalg.norm(log["push"], axis=1)
    error = np.hypot(told[:, 0] - velocity[:, 0], told[:, 1] - velocity[:, 1])
    reflex, risk = log["reflex"] > 0.0, log["risk"]
    known = risk[np.isfinite(risk)]
    delays = latencies(force > 0.0, reflex, period)
    return WalkerSummary(
        seed=seed,
        success=not fallen,
        outcome="fell" if fallen else "time",
        duration_s=float(log["time"][-1] + period),
        velocity_error_m_s=float(np.sqrt((error**2).mean())),
        turn_error_rad_s=float(np.sqrt(((told[:, 2] - log["rate"][:, 2]) ** 2).mean())),
        distance_m=float(np.linalg.norm(np.diff(log["position"][:, :2], axis=0), axis=1).sum()),
        reflexes=len(begins(reflex)),
        reflex_share=float(reflex.mean()),
        reflex_latency_s=float(np.median(delays)) if delays else math.nan,
        risk_most=float(known.max()) if len(known) else math.nan,
        risk_mean=float(known.mean()) if len(known) else math.nan,
        lean_most_rad=float(log["lean"].max()),
        halted=float((log["halted"] > 0.0).mean()),
        intervened=float((log["changed"] > 0.0).mean()),
        work_j=float(log["power"].sum() * period),
        pushes=len(begins(force > 0.0)),
        push_most_n=float(force.max()),
        **more,
    )


def begins(flag: np.ndarray) -> np.ndarray:
    """Return the indices at which a condition begins, shape (t,), bool."""
    return np.flatnonzero(flag & ~np.concatenate([[False], flag[:-1]]))


def latencies(pushed: np.ndarray, reflex: np.ndarray, period: float) -> list[float]:
    """Return the times from the beginning of each push to its first reflex; a push without one has none. [s]

    A reflex that is going on when the push begins is none of the push's.

    Args:
        pushed: per tick, shape (t,), bool.
        reflex: likewise.
        period: of a tick. [s]
    """
    starts, acts = begins(pushed), begins(reflex)
    found = []
    for i, start in enumerate(starts):
        following = starts[i + 1] if i + 1 < len(starts) else len(pushed)
        own = acts[(acts >= start) & (acts < following)]
        if len(own):
            found.append(float((own[0] - start) * period))
    return found
