# SPDX-License-Identifier: Apache-2.0
"""The barrier stages of bases beside a learned barrier: who is named, whose rows come first, what a failure does."""

import math

import numpy as np
import pytest

from reflexarc.barrier.qp import Tier
from reflexarc.core.types import Status
from tests.arc.barrier_bench import Base, Learned, Solver

LEARNED = "learned_barrier"


@pytest.fixture(params=[False, True], ids=["wheeled", "legged"])
def legged(request):
    return request.param


@pytest.mark.parametrize("learned", [1.0, 0.99, 0.6, 0.1])
def test_the_more_restrictive_barrier_is_named_and_both_shares_are_told(legged, learned):
    made = Learned(learned)
    base = Base(legged, made)
    base.stage._solver = solver = Solver()
    command = base.vector(1.5, 0.3, 0.1)
    tick = base.tick(command)
    share, _ = base.stage.share(*command)
    assert 0.1 < share < 0.95
    (found,) = tick.interventions
    disc = "disc" if legged else "stopping"
    if learned < share:
        assert found.stage == LEARNED
        assert found.reason.startswith(f"somebody 2: {learned:.0%} of the proposal is admissible")
        assert found.reason.endswith(f"the {disc} barrier admits {share:.0%}")
    else:
        assert found.stage == "barrier"
        assert found.reason.startswith("obstacle 0 at ")
        assert found.reason.endswith(f"the learned barrier admits {learned:.0%}") == (learned < 1.0)
    near = base.vector(0.75, 0.3 if legged else 0.15, 0.05) if learned < 1.0 else command
    assert solver.problem.target == pytest.approx(np.array(near) / base.scale)
    assert made.shared == ((1.5, 0.1) if legged else (1.5, 0.3))
    assert hasattr(made, "asked") == (learned < 1.0)


def test_the_same_share_of_both_is_the_exact_barriers(legged):
    base = Base(legged, made := Learned(0.5))
    base.stage._solver = Solver()
    made.says = (
        Base(legged).tick(base.vector(1.5, 0.0))
        and base.tick(base.vector(1.5, 0.0))
        and base.stage.share(*base.vector(1.5, 0.0))[0]
    )
    assert base.tick(base.vector(1.5, 0.0)).interventions[0].stage == "barrier"


def test_a_learned_barrier_acts_where_the_exact_one_would_not(legged):
    base = Base(legged, Learned(0.7))
    base.stage._solver = Solver()
    tick = base.tick(base.vector(0.5, 0.1), [(7.0, 0.0, 0.0, 0.0)])
    assert tick.interventions[0].stage == LEARNED
    assert tick.command == pytest.approx(base.vector(0.25, 0.1 if legged else 0.05))
    assert tick.learned_margin == 0.7


def test_learned_rows_come_first_and_give_way_first(legged):
    base = Base(legged, Learned(0.5), barrier={"rows": 4})
    base.stage._solver = solver = Solver()
    crowd = [(1.9, 0.2 * k, -0.3, 0.0) for k in range(-4, 5)]
    base.tick(base.vector(1.5, 0.3), crowd)
    rows, tiers = solver.problem.rows, solver.problem.tiers
    assert 3 <= len(rows) <= 4 + Learned.most
    assert (rows[:2] == 7.0).all() and (solver.problem.offsets[:2] == 9.0).all()
    assert not (rows[2:] == 7.0).any()
    assert tiers.tolist() == [Tier.COMFORT] * 2 + [Tier.COLLISION] * (len(rows) - 2)
    made = base.stage.learned
    reached = base.vector(0.75, 0.3 if legged else 0.15)
    scale = 2.0 if legged else (2.0, 0.5)
    assert made.given == [*reached[:2], scale]
    alone = Base(legged, barrier={"rows": 4})
    alone.stage._solver = other = Solver()
    alone.tick(alone.vector(1.5, 0.3), crowd)
    assert 0 < len(other.problem.rows) <= 4


def test_with_the_real_solver_a_full_programme_is_answered(legged):
    base = Base(legged, Learned(0.5), barrier={"rows": 4})
    crowd = [(1.9, 0.2 * k, -0.3, 0.0) for k in range(-6, 7)]
    tick = base.tick(base.vector(1.5, 0.3), crowd)
    assert tick.faults == []
    assert base.stage.admissible(*tick.command)


@pytest.mark.parametrize("speed", [0.0, 1.0])
def test_a_learned_barrier_that_fails_stops_the_robot_with_what_is_left_of_the_margin(legged, speed):
    base = Base(legged, Learned(sound=False))
    base.stage._solver = None
    tick = base.tick(base.vector(1.5, 0.3), speed=speed)
    assert (tick.done, tick.status, tick.faults) == (True, Status.BACKUP, ["learned_failed"])
    assert not tick.command.any()
    assert math.isfinite(tick.margin) and tick.learned_margin == 0.7
    assert tick.interventions[0].stage == LEARNED
