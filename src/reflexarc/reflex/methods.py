# SPDX-License-Identifier: Apache-2.0
"""Ours and what it is compared with, as settings of the same loop and the same learner.

`recovery_rl` looks at each action once, before it begins, with the published threshold and the task policy in the
backup, as its code does. `bresa` is that with the critic at control rate, which is all that the paper says. `ours`
adds what the paper leaves to the user's hand: a threshold to deploy with from a wanted rate of failures, and a reflex
that is not taken back at once. `sac` and `sac_lagrangian` have no reflex.
"""

from dataclasses import dataclass, replace

from reflexarc.core.errors import UnknownNameError
from reflexarc.core.training import Checkpoint, Progress
from reflexarc.reflex.evaluation import calibrated
from reflexarc.reflex.learner import Learned, Training, learn
from reflexarc.reflex.loop import Shield
from reflexarc.reflex.navigation import Navigation

EPISODES = 1000
"""Per threshold of a calibration."""


@dataclass(frozen=True)
class Method:
    """How to learn and how to shield."""

    doc: str
    every: int | None = None
    """Control steps between two looks at an action; 0: before it begins only; None: no shield."""
    bootstrap: str = "task"
    lagrangian: bool = False
    release: float = 1.0
    dwell: bool = False
    """A recovery is kept for one decision."""
    calibrate: bool = False
    """The threshold to deploy with follows from `alpha`; else it is the published one."""


METHODS = {
    "sac": Method("soft actor-critic alone"),
    "sac_lagrangian": Method("its risk limited by a multiplier", lagrangian=True),
    "recovery_rl": Method("critic and recovery, once per action", every=0),
    "bresa": Method("critic at control rate", every=1),
    "ours": Method(
        "critic at control rate, calibrated, hysteresis and dwell",
        every=1, release=0.8, dwell=True, calibrate=True,
    ),
}  # fmt: skip


def method(name: str) -> Method:
    """Return a method.

    Raises:
        UnknownNameError: there is none of this name.
    """
    if name not in METHODS:
        raise UnknownNameError("method", name, METHODS)
    return METHODS[name]


def shield_of(m: Method, problem: Navigation) -> Shield:
    """Return the method's shield with the published threshold."""
    if m.every is None:
        return Shield()
    return Shield(problem.threshold, m.every or problem.length, problem.length if m.dwell else 1, m.release)


def train_method(
    m: Method,
    problem: Navigation,
    t: Training,
    seeds: list[int],
    alpha: float,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> tuple[list[tuple[Learned, Shield]], list[dict[str, float]]]:
    """Train once per seed; return what was learned, each with the shield to deploy it with, and the log.

    Args:
        m: how.
        problem: where.
        t: parameters; the method's bootstrap and multiplier replace theirs.
        seeds: of everything random.
        alpha: wanted rate of failed episodes when it is deployed.
        progress: told after each chunk.
        checkpoint: gone on from if it exists.
    """
    training = replace(t, bootstrap=m.bootstrap, limit=problem.threshold if m.lagrangian else None)
    shield = shield_of(m, problem)
    learned, log = learn(problem, training, shield, seeds, progress, checkpoint)
    out = []
    for one, seed in zip(learned, seeds, strict=True):
        found = (
            calibrated(problem, one.networks, shield, alpha, EPISODES, seed + 1)
            if m.calibrate
            else shield.threshold
        )
        out.append((one, shield._replace(threshold=found)))
    return out, log
