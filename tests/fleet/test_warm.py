# SPDX-License-Identifier: Apache-2.0
"""A time limit is a limit of the search: nothing is compiled once a solver's clock runs."""

import subprocess
import sys

import pytest

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.cbs import compile_kernels, solve
from reflexarc.fleet.cbs.warm import instances

from .problems import LINE_WITH_POCKET, make_instance

SCRIPT = """
import sys
import numpy as np
from numba.core.dispatcher import Dispatcher
from reflexarc.fleet.cbs import SOLVERS, compile_kernels, solve
from tests.fleet.problems import random_grid_instance, random_roadmap_instance

def compiled():
    modules = [m for name, m in sys.modules.items() if name.startswith("reflexarc.fleet")]
    kernels = {f"{d.__module__}.{d.__name__}": len(d.overloads)
               for m in modules for d in vars(m).values() if isinstance(d, Dispatcher)}
    return kernels

for solver in SOLVERS:
    compile_kernels(solver)
    before = compiled()
    assert sum(before.values()) > 3, before
    rng = np.random.default_rng(1)
    for k in range(12):
        grids = solver != "ccbs" and k % 2
        instance = random_grid_instance(rng, 8) if grids else random_roadmap_instance(rng, 4, 12, 0.2)
        solve(instance, solver, 0.1, first_only=k % 2 == 0)
    after = compiled()
    assert before == after, (solver, {n: c for n, c in after.items() if before.get(n) != c})
print("nothing compiled")
"""


def test_nothing_is_compiled_while_a_solvers_clock_runs():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "nothing compiled"


@pytest.mark.parametrize("solver", ["cbs", "eecbs", "lacam"])
def test_the_tiny_instances_have_plans(solver):
    for instance in instances():
        assert solve(instance, solver, 5.0, first_only=True).solved


def test_the_seconds_of_a_plan_are_those_of_the_clock_given():
    ticks = iter(range(1_000_000))
    ends = [LINE_WITH_POCKET.cells[0, 0], LINE_WITH_POCKET.cells[4, 0]]
    instance = make_instance(LINE_WITH_POCKET, ends, ends[::-1])
    plan = solve(instance, "cbs", 1e6, clock=lambda: float(next(ticks)))
    assert plan.solved and plan.seconds == next(ticks) - 1.0
    ticks = iter(range(1_000_000))
    plan = solve(instance, "cbs", 2.0, clock=lambda: float(next(ticks)))
    assert not plan.solved and plan.status == "no plan within 2 s"


def test_an_unknown_solver_is_not_compiled():
    with pytest.raises(ConfigError, match="unknown solver 'pbs'; allowed: cbs, ccbs, eecbs, lacam"):
        compile_kernels("pbs")
