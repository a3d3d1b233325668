# SPDX-License-Identifier: Apache-2.0
"""From initial density to risk through the compiled flow: regression value, weights, escapes, bad parameters."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtr

from reflexarc.core.errors import ConfigError
from reflexarc.reach.flow import Flow
from reflexarc.reach.initial import Gaussian, Uniform, particles
from reflexarc.reach.obstacles import Boxes, Discs, Footprint, HalfSpaces
from reflexarc.reach.risk import touch_risk
from reflexarc.reach.system import ClosedLoop
from reflexarc.reach.systems import SYSTEMS
from reflexarc.robots.systems.system import Coordinate

VDP = 0.06061
"""P(X_1 in [1.5, 2] x [-0.5, 0.5]), uniform start, by quadrature of the density on 200 x 200 points."""
BOX = Boxes([[1.5, -0.5]], [[2.0, 0.5]])


def drifting():
    """Return points that drift with the velocity p; x' = x^2 where p is None would escape, so p is always given."""
    names = (Coordinate("x", "m"), Coordinate("y", "m"))
    return ClosedLoop(
        "drifting", "none", names, lambda x, t, p: p["v"] + 0.0 * x, np.full(2, -1.0), np.full(2, 1.0), 0.1, 10,
        parameters={"v": np.array([1.0, 0.0])},
    )  # fmt: skip


def test_van_der_pol_at_one_second_is_the_known_value_and_the_way_there_only_adds():
    system = SYSTEMS["vdp"]
    flow, start = Flow(system), particles(Uniform(system.low, system.high), 100_000, np.random.default_rng(0))
    final = touch_risk(flow, start, BOX, rng=np.random.default_rng(1), steps=20, final=True)
    assert final.ci_low <= VDP <= final.ci_high
    assert final.n == final.ess == 100_000
    assert final.seconds > 0.0
    ever = touch_risk(flow, start, BOX, rng=np.random.default_rng(1), steps=20)
    assert ever.ci_low > final.ci_high
    assert len(ever.first_hit) == 21
    assert ever.first_hit[0] == pytest.approx(0.02, abs=0.002)  # in the box from the start


def test_weighted_particles_give_the_risk_of_the_density_they_stand_for():
    target = Gaussian(np.zeros(2), 0.04 * np.eye(2))
    truth = ndtr(-(1.5 - 1.0) / 0.2)  # touches x >= 1.5 within 1 s at 1 m/s
    start = particles(
        target, 20_000, np.random.default_rng(2), Gaussian(np.array([0.3, 0.0]), 0.06 * np.eye(2))
    )
    wall = HalfSpaces([[1.0, 0.0]], [1.5])
    risk = touch_risk(Flow(drifting()), start, wall, rng=np.random.default_rng(3))
    assert risk.ci_low <= truth <= risk.ci_high
    assert risk.p == pytest.approx(truth, rel=0.2)
    assert risk.ess < 20_000
    unbounded = particles(target, 2000, np.random.default_rng(2), Gaussian(np.zeros(2), 0.01 * np.eye(2)))
    unknown = touch_risk(Flow(drifting()), unbounded, wall, rng=np.random.default_rng(3))
    assert not unknown.known
    assert "no known bound" in unknown.reason


def test_mass_that_no_particle_can_reach_is_added_to_the_upper_end():
    target, half = Uniform([-1.0, -1.0], [1.0, 1.0]), Uniform([-1.0, -1.0], [0.8, 1.0])
    start = particles(target, 20_000, np.random.default_rng(4), half)
    risk = touch_risk(Flow(drifting()), start, HalfSpaces([[1.0, 0.0]], [1.9]), rng=np.random.default_rng(5))
    assert risk.p < 0.01
    assert risk.ci_low <= 0.05 <= risk.ci_high  # x0 > 0.9: entirely where nothing was drawn
    assert risk.ci_high >= 0.1


def test_the_plan_of_a_call_moves_the_robot_among_moving_discs():
    start = particles(Gaussian(np.zeros(2), 1e-4 * np.eye(2)), 2000, np.random.default_rng(6))
    meeting = Discs([[1.0, 1.0]], [0.2], [[0.0, -2.0]], [0.02], [0.02])  # at (1, 0) after half a second
    flow = Flow(drifting())

    def risk(velocity):
        plan = {"v": np.array([velocity, 0.0])}
        return touch_risk(
            flow, start, meeting, Footprint(radius=0.2), rng=np.random.default_rng(7), parameters=plan
        )

    assert risk(2.0).p == 1.0
    assert np.argmax(risk(2.0).first_hit) in (4, 5)
    assert risk(0.4).p == 0.0


def test_finite_escape_inside_the_horizon_is_counted_or_makes_the_risk_unknown():
    """x' = x^2 escapes at 1 / x0."""
    names = (Coordinate("x", "1"),)
    system = ClosedLoop("riccati", "none", names, lambda x, t, p: x**2, [-1.0], [1.0], 0.05, 20, substeps=4)
    nowhere = Boxes([[-9.0]], [[-8.0]], coordinates=(0,))
    rng = np.random.default_rng(8)
    few = touch_risk(Flow(system), particles(Uniform([-1.0], [1.01]), 20_000, rng), nowhere, rng=rng)
    assert few.known
    assert few.escaped == pytest.approx(20_000 * 0.01 / 2.01, rel=0.6)
    assert few.p == few.escaped / 20_000
    many = touch_risk(Flow(system), particles(Uniform([0.0], [2.0]), 2000, rng), nowhere, rng=rng)
    assert not many.known
    assert many.ci_high == 1.0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_plan_that_is_not_finite_is_refused(bad):
    start = particles(Gaussian(np.zeros(2), np.eye(2)), 100, np.random.default_rng(9))
    with pytest.raises(ConfigError, match="not a finite number"):
        touch_risk(
            Flow(drifting()),
            start,
            BOX,
            rng=np.random.default_rng(9),
            parameters={"v": jnp.array([bad, 0.0])},
        )
