# SPDX-License-Identifier: Apache-2.0
r"""The methods that planning under risk is compared with, on the same scenes, routes and nominal programme.

`original` takes the nominal plan as it is. `d=...` keeps a fixed distance. `reach` keeps the whole reachable set away:
its tube around the reference is the greatest distance of any error in the support of the belief,

    r(t) = max over (e_0, a) in the support of |p(t) - p_ref(t)|,

taken over the corners of the support and 2,000 samples, and the plan must not be touched from any of them. That is the
reachable set from inside: every sound tube is wider and admits fewer plans, the published radius sqrt(alpha^2 +
4 n / k2) after n segments (2.8 m after one with k2 = 0.5) admits none here. So the comparison favours the worst case.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from reflexarc.core.errors import UnknownNameError
from reflexarc.core.types import Array
from reflexarc.reach.planner import nominal
from reflexarc.reach.planner.clearance import along, spread, steps
from reflexarc.reach.planner.contacts import Contacts
from reflexarc.reach.planner.plan import Plan
from reflexarc.reach.planner.replan import ROUTES, RiskPlanner
from reflexarc.reach.planner.rollout import LONGEST, Rollouts
from reflexarc.reach.planner.scene import Case, Scene, TrackingBelief

MARGINS = (0.1, 0.2, 1.0)
"""[m]"""
METHODS = ("original", *(f"d={d:g}" for d in MARGINS), "reach", "ours")
EXTREMES = 2000
ROUNDS = 5
"""Plans are renewed where the tube around them is wider than the one that they keep away."""
WIDENING = 1.05


class Decision(NamedTuple):
    """What a method answers."""

    plan: Plan | None
    """None: no plan is accepted."""
    seconds: float


Method = Callable[[Scene, np.random.Generator], Decision]


def method(name: str, case: Case) -> Method:
    """Return a method by name.

    Raises:
        UnknownNameError: no such method.
    """
    if name not in METHODS:
        raise UnknownNameError("planning method", name, METHODS)
    if name == "ours":
        planner = RiskPlanner(case)

        def ours(scene: Scene, rng: np.random.Generator) -> Decision:
            mission = planner.plan(scene, rng)
            return Decision(mission.plan, mission.seconds)

        return ours
    if name == "reach":
        rollouts = Rollouts(case)
        return _timed(lambda scene, rng: _reach(scene, rollouts, rng))
    margin = 0.0 if name == "original" else float(name.removeprefix("d="))
    return _timed(lambda scene, _: _first(scene, margin))


def _timed(plan: Callable[[Scene, np.random.Generator], Plan | None]) -> Method:
    def timed(scene: Scene, rng: np.random.Generator) -> Decision:
        begin = time.perf_counter()
        return Decision(plan(scene, rng), time.perf_counter() - begin)

    return timed


def _first(scene: Scene, margin: float | Callable[[Array], Array]) -> Plan | None:
    found = next(nominal.solve(scene, margin, routes=ROUTES), None)
    return None if found is None else found.plan


def _reach(scene: Scene, rollouts: Rollouts, rng: np.random.Generator) -> Plan | None:
    belief = scene.belief
    assert isinstance(belief, TrackingBelief)
    extremes = np.concatenate([belief.corners(), belief.sample(rng, EXTREMES - 2**belief.n)])
    contacts = Contacts(scene, EXTREMES, rng)
    tube = spread(rollouts, extremes, LONGEST, 1.0)
    for _ in range(ROUNDS):
        plan = _first(scene, steps(tube, 0.0))
        if plan is None:
            return None
        hits, own = along(rollouts, contacts, extremes, plan, 1.0)
        if not hits.any():
            return plan
        # the tube around this curved plan is another one
        tube[: plan.segments] = np.maximum(tube[: plan.segments], WIDENING * own)
    return None
