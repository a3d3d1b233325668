# SPDX-License-Identifier: Apache-2.0
r"""Whether a plan's risk is proven small enough: fresh particles, exact binomial bounds, a budget.

The risk of a stretch of a plan is the probability that the robot touches anything at any time of it. A check draws N
independent particles that no choice has seen, rolls them through the plan, and counts those whose first contact lies
in each segment. With k contacts up to the end of segment j, the Clopper-Pearson bound

    P(contact before the end of j) <= u_j,    u_j = quantile of Beta(k + 1, N - k) at 1 - delta / (K S)

holds for every j of all of a mission's at most K checks of at most S segments at once, with confidence 1 - delta
(Bonferroni). A plan is accepted whole if u at its end is at most what is left of the mission's budget epsilon.
Otherwise its leading segments are, as long as u_j stays below their share of what is left; their bound is spent, and
the first segment above it is the one to change. Bounds of stretches add up to that of the mission (Boole).

With `per_segment`, as in the paper (1e-4), there is no budget: every segment's own bound must be at most that. It needs
N >= ln(delta / (K S)) / ln(1 - per_segment) particles: 29,956 for 1e-4 in a single check of 95 %.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.intervals import clopper_pearson_upper, required_samples
from reflexarc.reach.planner.clearance import walk
from reflexarc.reach.planner.contacts import Contacts
from reflexarc.reach.planner.plan import Plan
from reflexarc.reach.planner.rollout import LONGEST, Rollouts
from reflexarc.reach.planner.scene import Scene


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """How much risk is allowed, and how surely it must be known."""

    epsilon: float = 1e-2
    """Budget of a mission."""
    per_segment: float | None = None
    """Limit of every segment instead of a budget."""
    delta: float = 0.05
    """Probability that any accepted bound of a mission is wrong."""
    particles: int = 10_000
    """Per check."""
    checks: int = 16
    """Most checks of a mission, K."""
    segments: int = LONGEST
    """Most segments of a plan, S."""

    def __post_init__(self) -> None:
        limit = self.epsilon if self.per_segment is None else self.per_segment
        if self.checks < 1 or not 1 <= self.segments <= LONGEST:
            raise ConfigError(
                f"checks {self.checks} must be at least 1 and segments {self.segments} in 1 to {LONGEST}"
            )
        needed = required_samples(limit, self.level)
        if self.particles < needed:
            raise ConfigError(
                f"particles: {self.particles} cannot prove a risk below {limit:g} at level {self.level:.3g}, even "
                f"without a contact; at least {needed} are needed"
            )

    @property
    def level(self) -> float:
        """Allowed probability of error of one bound, delta / (K S)."""
        return self.delta / (self.checks * self.segments)


class PlanCheck(NamedTuple):
    """What a check found."""

    hits: np.ndarray
    """First contacts by segment from the first checked one, shape (S',)."""
    upper: np.ndarray
    """Bound of the stretch up to each segment's end, shape (S',)."""
    accepted: int
    """Leading segments that are accepted."""
    bound: float
    """Of the accepted stretch; 0 without one."""


class Checker:
    """Checks plans of one mission and counts the checks.

    Args:
        scene: what may be touched, and the belief.
        rollouts: of the scene's case.
        limits: allowed risk.
        rng: source of the particles.
    """

    def __init__(self, scene: Scene, rollouts: Rollouts, limits: RiskLimits, rng: np.random.Generator):
        self._scene, self._rollouts, self.limits, self._rng = scene, rollouts, limits, rng
        self.done = 0
        """Checks so far."""
        self.spent = 0.0
        """Of the budget."""

    @property
    def exhausted(self) -> bool:
        """Whether no check is left."""
        return self.done >= self.limits.checks

    def restart(self) -> None:
        """Give the budget back: the stretches accepted so far will not be driven."""
        self.spent = 0.0

    def check(self, plan: Plan, first: int = 0) -> PlanCheck:
        """Check a plan from segment `first` on; what is accepted is spent.

        Raises:
            ConfigError: no check is left, the plan has too many segments, or `first` is not one of them.
        """
        limits = self.limits
        if self.exhausted or plan.segments > limits.segments or not 0 <= first < plan.segments:
            raise ConfigError(
                f"check {self.done + 1} of {limits.checks}, segment {first} of {plan.segments}, at most "
                f"{limits.segments} allowed: not checked"
            )
        self.done += 1
        n = limits.particles
        x = self._rollouts.carry(self._scene.belief.sample(self._rng, n), plan.controls[:first])
        contacts = Contacts(self._scene, n, self._rng)
        hits = np.array([touched.sum() for touched, _ in walk(self._rollouts, contacts, x, plan, first)])
        if limits.per_segment is not None:
            own = np.array([clopper_pearson_upper(int(k), n, limits.level) for k in hits])
            accepted = _leading(own <= limits.per_segment)
            return PlanCheck(hits, own, accepted, float(own[:accepted].sum()))
        upper = np.array([clopper_pearson_upper(int(k), n, limits.level) for k in np.cumsum(hits)])
        left = limits.epsilon - self.spent
        share = np.maximum(
            left / len(hits) * np.arange(1, len(hits) + 1), clopper_pearson_upper(0, n, limits.level)
        )
        whole = upper[-1] <= left
        accepted = len(hits) if whole else _leading((upper <= share) & (upper <= left))
        bound = float(upper[accepted - 1]) if accepted else 0.0
        self.spent += bound
        return PlanCheck(hits, upper, accepted, bound)


def _leading(accepted: np.ndarray) -> int:
    return len(accepted) if accepted.all() else int(np.argmin(accepted))
