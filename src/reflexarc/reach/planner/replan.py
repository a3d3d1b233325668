# SPDX-License-Identifier: Apache-2.0
r"""Planning a mission under a limit on its risk.

After the loop of Meng et al. (NFM 2022): check the next segments, perturb the first one whose risk is too large, plan
the rest anew from where it ends. Nothing is measured on the way: the belief about the error at any later time is the
initial one carried through the segments so far, so the loop can be run to the goal before the robot moves, and is. A
mission without an accepted plan is not driven; `Mission.brake` then holds how a robot that drove its accepted
segments would stop.

Nominal plans are tried in turn until one is followed to the goal: the one without a margin, then those of
`clearance.clear_plans` on up to three routes. The rest behind a perturbed segment is planned in that way too.
"""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from reflexarc.core.types import Array
from reflexarc.reach.planner import nominal
from reflexarc.reach.planner.candidates import Candidates, descent, lattice
from reflexarc.reach.planner.check import Checker, RiskLimits
from reflexarc.reach.planner.clearance import clear_plans
from reflexarc.reach.planner.contacts import Contacts
from reflexarc.reach.planner.plan import SEGMENT, Plan
from reflexarc.reach.planner.rollout import Rollouts, surroundings
from reflexarc.reach.planner.scene import Case, Scene

SCREENING = 1000
"""Particles that candidates are ranked with."""
FEW = 0.3
"""Share of the budget that a nominal plan may use up on the screening sample to be tried at once."""
ROUTES = 3
TRIED = 3
"""Most candidates of one segment that are checked."""
_RISK_WEIGHT = 100.0
"""Cost of a screened risk of 1, in the unit of the candidates' costs."""


class Perturbation(NamedTuple):
    """The candidates of one segment, for plots and logs."""

    plan: Plan
    """Up to and with the rejected segment."""
    candidates: Candidates
    risk: Array
    """Screened, shape (C,)."""


class Mission(NamedTuple):
    """The outcome of planning."""

    plan: Plan | None
    """Accepted, from start to goal; None if there is none."""
    bound: float
    """On the probability of any contact on the way; of the accepted stretch where there is no plan."""
    brake: Plan | None
    """Where there is no plan: the last attempt's accepted segments and a stop of 1 s."""
    checks: int
    perturbations: tuple[Perturbation, ...]
    reason: str
    seconds: float


class RiskPlanner:
    """Plans missions of one case.

    Args:
        case: its limits and dynamics.
        limits: on the risk.
    """

    def __init__(self, case: Case, limits: RiskLimits | None = None):
        self._limits = RiskLimits() if limits is None else limits
        self._rollouts = Rollouts(case)

    def plan(self, scene: Scene, rng: np.random.Generator) -> Mission:
        """Plan a mission; an answer is always returned, within `RiskLimits.checks` checks."""
        begin = time.perf_counter()
        attempt = _Attempt(scene, self._rollouts, self._limits, rng)
        plan, reason = None, "no nominal plan was found"
        for start in attempt.nominals():
            plan, reason = attempt.follow(start)
            if plan is not None or attempt.checker.exhausted:
                break
        return Mission(
            plan,
            attempt.checker.spent,
            attempt.brake if plan is None else None,
            attempt.checker.done,
            tuple(attempt.perturbations),
            reason,
            time.perf_counter() - begin,
        )


class _Attempt:
    """One mission in the making."""

    def __init__(self, scene: Scene, rollouts: Rollouts, limits: RiskLimits, rng: np.random.Generator):
        self._scene, self._rollouts = scene, rollouts
        self.checker = Checker(scene, rollouts, limits, rng)
        self._screen = scene.belief.sample(rng, SCREENING)
        self._contacts = Contacts(scene, SCREENING, rng)
        self.perturbations: list[Perturbation] = []
        self.brake: Plan | None = None

    def nominals(self) -> Iterator[Plan]:
        """Yield nominal plans in the order of trial."""
        for found in nominal.solve(self._scene, 0.0):
            yield found.plan
        yield from self._clear(self._screen, self._scene.start, routes=ROUTES)

    def _clear(self, x: Any, start: Array, **options: Any) -> Iterator[Plan]:
        few = FEW * self.checker.limits.epsilon * SCREENING
        return clear_plans(self._scene, self._rollouts, self._contacts, x, start=start, few=few, **options)

    def follow(self, plan: Plan) -> tuple[Plan | None, str]:
        """Check a plan, perturbing and planning anew; return the accepted plan or None, and the reason."""
        checker = self.checker
        checker.restart()
        done, queue = 0, None
        trial: Plan | None = plan
        while trial is not None:
            if checker.exhausted:
                return self._give_up(plan, done, "all checks are used up")
            found = checker.check(trial, done)
            done += found.accepted
            if done == trial.segments:
                return trial, f"accepted: risk at most {checker.spent:.2g}"
            if found.accepted or queue is None:
                plan, queue = trial, self._perturbed(trial, done)
            trial = next(queue, None)
        return self._give_up(plan, done, f"segment {done + 1}: no candidate was accepted")

    def _give_up(self, plan: Plan, done: int, reason: str) -> tuple[None, str]:
        self.brake = braking(plan, done)
        return None, f"{reason}; the robot would brake after {done * SEGMENT:g} s"

    def _perturbed(self, plan: Plan, s: int) -> Iterator[Plan]:
        """Yield plans whose segment s is a candidate and whose rest is planned anew, cheapest first."""
        x, pose, elapsed = self._rollouts.carry(self._screen, plan.controls[:s]), plan.pose(s), s * SEGMENT
        grid = lattice(self._scene.case, plan.controls[s])
        down, _ = descent(self._rollouts, x, pose, plan.controls[s], surroundings(self._scene, pose, elapsed))
        risk = np.concatenate([self._risk(x, pose, c.controls, elapsed) for c in (grid, down)])
        both = Candidates(*(np.concatenate(parts) for parts in zip(grid, down, strict=True)))
        self.perturbations.append(Perturbation(Plan(plan.start, plan.controls[: s + 1]), both, risk))
        order = np.argsort(both.cost + _RISK_WEIGHT * risk, kind="stable")
        for k in order[:TRIED]:
            rest = self._rest(Plan(plan.start, np.concatenate([plan.controls[:s], both.controls[k : k + 1]])))
            if rest is not None:
                yield rest

    def _risk(self, x: Any, pose: Array, controls: Array, elapsed: float) -> Array:
        return self._contacts.touched(self._rollouts.paths(x, pose, controls), elapsed).mean(axis=1)

    def _rest(self, head: Plan) -> Plan | None:
        pose, elapsed = head.pose(head.segments), head.segments * SEGMENT
        if np.linalg.norm(pose[:3] - self._scene.goal) <= 2.0 * nominal.AT_GOAL:
            return head
        x = self._rollouts.carry(self._screen, head.controls)
        for rest in self._clear(x, pose, previous=head.controls[-1, -1], elapsed=elapsed):
            if head.segments + rest.segments <= self.checker.limits.segments:
                return Plan(head.start, np.concatenate([head.controls, rest.controls]))
        return None


def braking(plan: Plan, done: int) -> Plan:
    """The first `done` segments of a plan and one in which the robot comes to a stop along the same path."""
    last = plan.controls[max(done - 1, 0), -1]
    stop = np.stack([last * (2.0 / 3.0), last / 3.0])[None]
    return Plan(plan.start, np.concatenate([plan.controls[:done], stop]))
