# SPDX-License-Identifier: Apache-2.0
"""Multi-agent path finding: optimal, bounded-suboptimal, for large fleets, and in continuous time.

Solvers are read only when asked for, because compiled kernels take a moment to load.
"""

from collections.abc import Callable

from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.fleet.instances import Instance
from reflexarc.fleet.plan import FleetPlan

SOLVERS = {
    "cbs": "optimal sum of costs, in steps",
    "eecbs": "at most WEIGHT times the optimum, in steps",
    "lacam": "large fleets: a first plan soon, then cheaper ones until time is up, in steps",
    "ccbs": "optimal sum of arrival times in continuous time, discs, real durations",
}
"""Name to what it promises."""


def solve(
    instance: Instance,
    solver: str = "cbs",
    time_limit: float = 60.0,
    weight: float = 1.2,
    seed: int = 0,
    first_only: bool = False,
    progress: Callable[[int, float], None] | None = None,
) -> FleetPlan:
    """Plan with one of `SOLVERS`; the plan has no paths if none was found in time.

    Args:
        instance: what is to be planned.
        solver: a name in `SOLVERS`.
        time_limit: [s]
        weight: bound of `eecbs`, >= 1.
        seed: of `lacam`.
        first_only: let `lacam` return its first plan.
        progress: told two figures of the search now and then.

    Raises:
        ConfigError: an unknown solver, or an argument out of its bounds.
    """
    if solver not in SOLVERS:
        raise UnknownNameError("solver", solver, SOLVERS)
    if not 0.0 < time_limit < 1e7:
        raise ConfigError(f"time limit {time_limit} must be a time in seconds > 0")
    if not 1.0 <= weight < 1e3:
        raise ConfigError(f"weight {weight} must be >= 1 and < 1000")
    if solver == "cbs":
        from reflexarc.fleet.cbs.optimal import solve_optimal  # noqa: PLC0415

        return solve_optimal(instance, time_limit, progress=progress)
    if solver == "eecbs":
        from reflexarc.fleet.cbs.bounded import solve_bounded  # noqa: PLC0415

        return solve_bounded(instance, weight, time_limit, progress)
    if solver == "lacam":
        from reflexarc.fleet.cbs.lacam import solve_large  # noqa: PLC0415

        return solve_large(instance, time_limit, seed, first_only, progress)
    from reflexarc.fleet.cbs.continuous import solve_continuous  # noqa: PLC0415

    return solve_continuous(instance, time_limit, progress)
