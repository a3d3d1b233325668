# SPDX-License-Identifier: Apache-2.0
"""Ours and what it is compared with, as settings of the same loop and the same learner.

`recovery_rl` looks at each action once, before it begins, with the published threshold and the task policy in the
backup, as its code does. `bresa` is that with the critic at control rate, which is all that the paper says. `ours`
adds what the paper leaves to the user's hand: a threshold to deploy with from a wanted rate of failures, a reflex that
is not taken back at once, and with a tool in contact a critic that has also been asked about rests of actions, and a
rule where it does not trust the recovery either. `sac` and `sac_lagrangian` have
no reflex. Of a tool in contact alone: `srl_vic` (per action, from the wrench alone), `fixed_300` and `fixed_1000` (no
reflex, stiffness that no policy changes) and `force_stop` (no critic: above a force it stays where it is, softly).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.training import Checkpoint, Progress
from reflexarc.reflex.contact.problem import ContactProblem
from reflexarc.reflex.evaluation import GRID, TESTED, calibrated, tested
from reflexarc.reflex.learner import Learned, Training, learn
from reflexarc.reflex.loop import Shield
from reflexarc.reflex.networks import Networks
from reflexarc.reflex.problem import Problem

EPISODES = 1000
"""Per threshold of a calibration."""
CONTACT_EPISODES = 300
"""Of a tool in contact, whose model takes longer: per threshold of a conformal calibration, with every fourth one. A
test needs all `EPISODES`, and has every second threshold."""
CALIBRATIONS: tuple[str, ...] = ("tested", "conformal")
"""Rules that a threshold follows from `alpha` by (`reflexarc.reflex.calibration`)."""


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
    rests: bool = False
    """The critic also learns from rests of actions, where they look other than whole ones."""
    doubt: bool = False
    """With a tool in contact: where the critic refuses the recovery too, the tip stays where it is, softly."""
    fixed: float | None = None
    """Stiffness that no policy changes. [N/m]"""
    wrench_only: bool = False
    """Critic and recovery see the force alone beside the action."""
    force: float | None = None
    """Force above which the rule acts instead of a critic. [N]"""

    @property
    def contact(self) -> bool:
        """Whether it makes sense for a tool in contact only."""
        return self.fixed is not None or self.wrench_only or self.force is not None


METHODS = {
    "sac": Method("soft actor-critic alone"),
    "sac_lagrangian": Method("its risk limited by a multiplier", lagrangian=True),
    "recovery_rl": Method("critic and recovery, once per action", every=0),
    "bresa": Method("critic at control rate", every=1),
    "ours": Method(
        "critic at control rate, calibrated, hysteresis and dwell",
        every=1, release=0.8, dwell=True, calibrate=True, rests=True, doubt=True,
    ),
    "srl_vic": Method("critic once per action, from the wrench alone", every=0, wrench_only=True),
    "fixed_300": Method("soft actor-critic with a fixed stiffness of 300 N/m", fixed=300.0),
    "fixed_1000": Method("soft actor-critic with a fixed stiffness of 1000 N/m", fixed=1000.0),
    "force_stop": Method("stays where it is, softly, above 15 N", every=1, force=15.0, dwell=True),
}  # fmt: skip


def method(name: str) -> Method:
    """Return a method.

    Raises:
        UnknownNameError: there is none of this name.
    """
    if name not in METHODS:
        raise UnknownNameError("method", name, METHODS)
    return METHODS[name]


def problem_of(m: Method, problem: Problem) -> Problem:
    """Return the problem as the method sees it.

    Raises:
        ConfigError: the method is one for a tool in contact, the problem is none.
    """
    if not m.contact:
        return problem
    if not isinstance(problem, ContactProblem):
        raise ConfigError(f"this method needs a tool in contact ({m.doc}); problem {problem.name!r} has none")
    return replace(problem, fixed=m.fixed, wrench_only=m.wrench_only)


def shield_of(m: Method, problem: Problem) -> Shield:
    """Return the method's shield with the published threshold."""
    if m.every is None:
        return Shield()
    dwell = problem.length if m.dwell else 1
    if m.force is not None:
        return Shield(1.0, m.every, dwell, m.release, m.force, 1.0)
    doubt = float(m.doubt and problem.unfolds)
    return Shield(problem.threshold, m.every or problem.length, dwell, m.release, doubt=doubt)


def train_method(
    m: Method,
    problem: Problem,
    t: Training,
    seeds: list[int],
    alpha: float,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
    calibration: str = CALIBRATIONS[0],
) -> tuple[list[tuple[Learned, Shield]], list[dict[str, float]]]:
    """Train once per seed; return what was learned, each with the shield to deploy it with, and the log.

    Args:
        m: how.
        problem: where.
        t: parameters; the method's bootstrap, multiplier and rests replace theirs.
        seeds: of everything random.
        alpha: wanted rate of failed episodes when it is deployed.
        progress: told after each chunk.
        checkpoint: gone on from if it exists.
        calibration: one of `CALIBRATIONS`; where its rule allows no threshold, the published one stays.
    """
    problem = problem_of(m, problem)
    training = replace(
        t,
        bootstrap=m.bootstrap,
        limit=problem.threshold if m.lagrangian else None,
        rests=m.rests and problem.unfolds,
    )
    shield = shield_of(m, problem)
    learned, log = learn(problem, training, shield, seeds, progress, checkpoint)
    out = []
    for one, seed in zip(learned, seeds, strict=True):
        found = None
        if m.calibrate:
            found = _CALIBRATE[calibration](problem, one.networks, shield, alpha, seed + 1)
        out.append((one, shield if found is None else shield._replace(threshold=found)))
    return out, log


def _conformal(problem: Problem, networks: Networks, shield: Shield, alpha: float, seed: int) -> float | None:
    contact = isinstance(problem, ContactProblem)
    many, grid = (CONTACT_EPISODES, GRID[::4]) if contact else (EPISODES, GRID)
    return calibrated(problem, networks, shield, alpha, many, seed, grid)


def _tested(problem: Problem, networks: Networks, shield: Shield, alpha: float, seed: int) -> float | None:
    grid = TESTED[::2] if isinstance(problem, ContactProblem) else TESTED
    return tested(problem, networks, shield, alpha, EPISODES, seed, grid)


_CALIBRATE: dict[str, Callable[..., float | None]] = dict(
    zip(CALIBRATIONS, (_tested, _conformal), strict=True)
)
