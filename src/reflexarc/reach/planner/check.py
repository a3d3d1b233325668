# SPDX-License-Identifier: Apache-2.0
r"""Whether a plan's risk is proven small enough: fresh particles, exact binomial bounds, a budget.

The risk of a stretch of a plan is the probability that the robot touches anything at any time of it. A check draws N
independent particles that no choice has seen, rolls them through the plan, and counts those whose first contact lies
in each segment. With k contacts up to the end of segment j, the Clopper-Pearson bound

    P(contact before the end of j) <= u_j,    u_j = quantile of Beta(k + 1, N - k) at 1 - delta / (K S)

holds for every j of all of a mission's at most K checks of at most S segments at once, with confidence 1 - delta
(Bonferroni). A plan is accepted whole if u at its end is at most what is left of the mission's budget epsilon.
Otherwise its leading segments are, as long as u_j stays below their share of what is left (or no particle touches
anything); their bound is spent, and the segment behind them is the one to change. Bounds of stretches add up to that of
the mission (Boole).

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
    """First contacts by segment from the first checked one on, until the check was lost, shape (S',)."""
    upper: np.ndarray
    """Bound of the stretch up to each segment's end, or with `per_segment` of the segment, shape (S',)."""
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
        hits, upper, accepted = [], [], 0
        left, remaining = limits.epsilon - self.spent, plan.segments - first
        for touched, _ in walk(self._rollouts, contacts, x, plan, first):
            hits.append(int(touched.sum()))
            if limits.per_segment is not None:
                upper.append(self._bound(hits[-1]))
                if upper[-1] > limits.per_segment:
                    break
                accepted += 1
                continue
            upper.append(self._bound(sum(hits)))
            if upper[-1] > left:
                break
            share = max(left * len(hits) / remaining, self._bound(0))
            if accepted == len(hits) - 1 and upper[-1] <= share:
                accepted += 1
        else:
            accepted = remaining
        stretch = upper[:accepted]
        bound = sum(stretch) if limits.per_segment is not None else max(stretch, default=0.0)
        self.spent += bound
        return PlanCheck(np.array(hits), np.array(upper), accepted, bound)

    def _bound(self, hits: int) -> float:
        return clopper_pearson_upper(hits, self.limits.particles, self.limits.level)
