# SPDX-License-Identifier: Apache-2.0
r"""How a budget is best shared: one point of each agent's front, the smallest sum of steps whose risks fit the budget.

This is a multiple-choice knapsack. Steps are whole numbers, so it is solved exactly by the smallest risk of the first i
agents with k steps more than their fewest,

    g_i(k) = min over points (c, r) of front i  of  g_{i-1}(k - (c - c_min,i)) + r,

and the smallest k with g_n(k) <= budget. Every plan that obeys the constraints behind the fronts costs at least that
much, so the value is a lower bound, and it is exact where the points' paths do not meet.
"""

from collections.abc import Sequence

import numba
import numpy as np

from reflexarc.core.types import Array
from reflexarc.fleet.graph import Ints

Front = tuple[Ints, Array]
"""Steps (rising) and risks (falling) of one agent's Pareto points, both shape (k,)."""


def share(fronts: Sequence[Front], budget: float, most: int | None = None) -> tuple[int, Ints, float]:
    """Return the cheapest choice within a budget.

    Args:
        fronts: of every agent, none empty.
        budget: on the sum of risks.
        most: sums of steps above this are of no interest.

    Returns:
        The sum of steps (-1 if no choice fits), the point of each agent, shape (n,), and the sum of risks.
    """
    first = np.concatenate(([0], np.cumsum([len(steps) for steps, _ in fronts]))).astype(np.int32)
    steps = np.concatenate([s for s, _ in fronts])
    risk = np.concatenate([r for _, r in fronts])
    fewest = int(steps[first[:-1]].sum())
    spread = int(steps[first[1:] - 1].sum()) - fewest
    if most is not None:
        spread = min(spread, most - fewest)
    if spread < 0:
        return -1, np.zeros(len(fronts), dtype=np.int32), 0.0
    extra, chosen, total = _share(first, steps, risk, float(budget), spread)
    return (-1 if extra < 0 else fewest + int(extra)), chosen, float(total)


@numba.njit(cache=True)
def _share(first, steps, risk, budget, spread):
    """Return extra steps (-1 if nothing fits), points and risk of the cheapest choice."""
    n = first.shape[0] - 1
    table = np.full((n + 1, spread + 1), np.inf)
    by = np.zeros((n, spread + 1), dtype=np.int32)
    table[0, 0] = 0.0
    reach = 0
    for i in range(n):
        low = steps[first[i]]
        width = min(reach, spread)
        for p in range(first[i], first[i + 1]):
            more = steps[p] - low
            for k in range(min(width, spread - more) + 1):
                total = table[i, k] + risk[p]
                if total < table[i + 1, k + more]:
                    table[i + 1, k + more] = total
                    by[i, k + more] = p - first[i]
        reach += steps[first[i + 1] - 1] - low
    chosen = np.zeros(n, dtype=np.int32)
    extra = -1
    for k in range(spread + 1):
        if table[n, k] <= budget:
            extra = k
            break
    if extra < 0:
        return extra, chosen, np.inf
    k = extra
    for i in range(n - 1, -1, -1):
        chosen[i] = by[i, k]
        k -= steps[first[i] + chosen[i]] - steps[first[i]]
    return extra, chosen, table[n, extra]


def price(fronts: Sequence[Front], budget: float) -> float:
    """Return the price of risk, in steps per unit, at which agents that minimise steps + price * risk fit the budget.

    It is 0 if the fewest steps fit and inf if nothing does; between, it is the multiplier of the Lagrangian dual.
    """

    def spent(at: float) -> float:
        return sum(float(r[np.argmin(s + at * r)]) for s, r in fronts)

    if sum(float(r[0]) for _, r in fronts) <= budget:
        return 0.0
    if sum(float(r[-1]) for _, r in fronts) > budget:
        return float("inf")
    low, high = 0.0, 1.0
    while spent(high) > budget and high < 1e12:
        low, high = high, 4.0 * high
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if spent(middle) <= budget else (middle, high)
    return high
