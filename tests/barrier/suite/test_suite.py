# SPDX-License-Identifier: Apache-2.0
"""Regression suite: every standard system with its filter, from starts in the filter's safe set.

Where a filter guarantees safety, no episode may have l < 0, looked at every 2 ms. The other figures are held to
wide bounds: a filter that always brakes, or that never finds an admissible input, is no filter.
"""

from typing import NamedTuple

import numpy as np
import pytest

from reflexarc.barrier.analytic.catalogue import NAMES, standard_filter
from reflexarc.robots.systems import SYSTEMS
from reflexarc.robots.systems.integrate import batched
from reflexarc.robots.systems.rollout import rollout


class Bounds(NamedTuple):
    """What a system's run must keep to."""

    steps: int
    intervention: float
    """Largest mean share of changed inputs."""
    infeasible: float
    """Largest mean share of steps without an input that satisfies all rows."""


BOUNDS = {
    "double_integrator": Bounds(300, 0.8, 0.0),
    "double_integrator_2d": Bounds(150, 0.6, 0.25),
    "dubins": Bounds(150, 0.4, 0.1),
    "unicycle": Bounds(100, 0.5, 0.2),
    "point_robot": Bounds(150, 0.9, 0.1),
    "adaptive_cruise": Bounds(200, 0.8, 0.0),
    "inverted_pendulum": Bounds(100, 0.95, 0.05),
    "cart_pole": Bounds(80, 1.0, 0.2),
    "planar_quadrotor_a": Bounds(100, 1.0, 0.2),
    "planar_quadrotor_b": Bounds(100, 0.8, 0.2),
    "segway": Bounds(100, 0.9, 0.4),
}
EPISODES = 6


def test_every_filter_of_the_catalogue_is_in_the_suite():
    assert set(BOUNDS) == set(NAMES)


@pytest.mark.parametrize("name", BOUNDS)
def test_filter_keeps_its_system_safe_from_its_safe_set(name):
    system, bounds = SYSTEMS[name], BOUNDS[name]
    standard = standard_filter(name)
    rng = np.random.default_rng(5)
    x = rng.uniform(system.low, system.high, (1500, system.n))
    value = batched(standard.safe)(x)
    assert (value >= 0.0).mean() > 0.1  # the set is worth having
    assert (batched(system.margin)(x[value >= 0.0]) >= 0.0).all()  # and lies within the allowed states
    border = np.argsort(np.where(value >= 0.0, value, np.inf))[:EPISODES]  # the hardest starts
    result = rollout(system, x[border], standard.filter, steps=bounds.steps, longest=0.002)
    assert standard.guaranteed or name == "point_robot"
    assert result.margin.min() >= 0.0, f"{result.violated.mean():.0%} of the episodes fail"
    assert result.intervened.mean() <= bounds.intervention
    assert result.infeasible.mean() <= bounds.infeasible
    assert result.intervened.mean() > 0.0  # starts on the border need the filter


def test_corner_of_a_box_is_not_cut_between_two_looks():
    # From this start the quadrotor once passed a box's corner within one step of the prediction, 5 mm deep.
    system, standard = SYSTEMS["planar_quadrotor_b"], standard_filter("planar_quadrotor_b")
    start = np.array([[-0.66799723, 0.90834578, -3.12215599, -0.2108965, 0.71105141, 1.61257935]])
    assert batched(standard.safe)(start)[0] >= 0.0
    assert rollout(system, start, standard.filter, steps=40, longest=0.001).margin.min() >= 0.0
