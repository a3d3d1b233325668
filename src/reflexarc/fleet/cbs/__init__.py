# SPDX-License-Identifier: Apache-2.0
"""Multi-agent path finding: optimal, bounded-suboptimal, for large fleets, and in continuous time.

Solvers are read only when asked for, because compiled kernels take a moment to load.
"""

import time
from collections.abc import Callable

from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.fleet.cbs.warm import make_ready
from reflexarc.fleet.instances import Instance
from reflexarc.fleet.plan import Clock, FleetPlan

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
    clock: Clock = time.perf_counter,
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
        clock: of the limit and of the plan's seconds; `time.process_time` where a busy machine shall not count.

    Raises:
        ConfigError: an unknown solver, or an argument out of its bounds.
    """
    _check_name(solver)
    if not 0.0 < time_limit < 1e7:
        raise ConfigError(f"time limit {time_limit} must be a time in seconds > 0")
    if not 1.0 <= weight < 1e3:
        raise ConfigError(f"weight {weight} must be >= 1 and < 1000")
    compile_kernels(solver)
    return _run(solver, instance, time_limit, weight, seed, first_only, progress, clock)


def compile_kernels(solver: str) -> None:
    """Compile what `solver` needs, or load it from the cache; `solve` does so before its clock starts.

    Compiling takes up to a minute, once after installation; loading some tenths of a second, once per process.

    Raises:
        UnknownNameError: an unknown solver.
    """
    _check_name(solver)

    def run(instance: Instance, time_limit: float, clock: Clock) -> None:
        for first_only in (True, False) if solver == "lacam" else (False,):
            _run(solver, instance, time_limit, 1.2, 0, first_only, None, clock)

    make_ready(solver, run)


def _check_name(solver: str) -> None:
    if solver not in SOLVERS:
        raise UnknownNameError("solver", solver, SOLVERS)


def _run(
    solver: str,
    instance: Instance,
    time_limit: float,
    weight: float,
    seed: int,
    first_only: bool,
    progress: Callable[[int, float], None] | None,
    clock: Clock,
) -> FleetPlan:
    if solver == "cbs":
        from reflexarc.fleet.cbs.optimal import solve_optimal  # noqa: PLC0415

        return solve_optimal(instance, time_limit, progress=progress, clock=clock)
    if solver == "eecbs":
        from reflexarc.fleet.cbs.bounded import solve_bounded  # noqa: PLC0415

        return solve_bounded(instance, weight, time_limit, progress, clock)
    if solver == "lacam":
        from reflexarc.fleet.cbs.lacam import solve_large  # noqa: PLC0415

        return solve_large(instance, time_limit, seed, first_only, progress, clock)
    from reflexarc.fleet.cbs.continuous import solve_continuous  # noqa: PLC0415

    return solve_continuous(instance, time_limit, progress, clock)
