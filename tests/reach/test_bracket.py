# SPDX-License-Identifier: Apache-2.0
"""Brackets by interval cells: known volumes, the Van der Pol value, sound enclosures, and what is refused."""

import sys

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm
from scipy.special import ndtr, ndtri

from reflexarc.core.errors import ConfigError
from reflexarc.reach.bracket import bracket, sharpen
from reflexarc.reach.flow import Flow
from reflexarc.reach.inclusion import encloser
from reflexarc.reach.initial import Gaussian, Mixture, Uniform
from reflexarc.reach.system import ClosedLoop
from reflexarc.reach.systems import SYSTEMS
from reflexarc.robots.systems.system import Coordinate

pytest.importorskip("immrax", reason="immrax is an optional extra")

VDP = 0.06061
"""P(X_1 in [1.5, 2] x [-0.5, 0.5]), uniform start, by quadrature of the density on 200 x 200 points."""
QUERY = [1.5, -0.5], [2.0, 0.5]


def loop(field, n=2, dt=0.1, kind="flow", substeps=2, parameters=None):
    names = tuple(Coordinate(f"x{i}", "1") for i in range(n))
    return ClosedLoop(
        "tried", "none", names, field, np.full(n, -1.0), np.full(n, 1.0), dt, 10, substeps, kind, parameters
    )


def square(system):
    return Uniform(system.low, system.high)


def test_van_der_pol_is_bracketed_tighter_with_every_cell():
    system = SYSTEMS["vdp"]
    found = [
        bracket(system, square(system), *QUERY, steps=20, cells=cells) for cells in (2500, 10_000, 40_000)
    ]
    for b, cells in zip(found, (2500, 10_000, 40_000), strict=True):
        assert b.low <= VDP <= b.high
        assert b.cells <= cells
        assert b.high - b.low == pytest.approx(b.masses.sum())
    widths = [b.high - b.low for b in found]
    assert widths[0] > 2.0 * widths[1] > 4.0 * widths[2]
    assert found[2].low > 0.0477  # cells of equal size, as many, reach [0.0477, 0.0735]
    assert found[2].high < 0.0735
    assert "up to integrator error" in found[0].caveat


def test_sampling_what_is_undecided_narrows_the_bracket_beyond_crude_sampling():
    system = SYSTEMS["vdp"]
    density = square(system)
    bounds = bracket(system, density, *QUERY, steps=20, cells=10_000)
    risk = sharpen(bounds, Flow(system), density, np.random.default_rng(0), count=2000, steps=20)
    assert risk.ci_low - 5e-5 <= VDP <= risk.ci_high + 5e-5
    assert bounds.low <= risk.ci_low <= risk.ci_high <= bounds.high
    crude = 15.4 * VDP * (1.0 - VDP) / (risk.ci_high - risk.ci_low) ** 2
    assert crude > 50 * risk.n


def test_a_rare_event_of_a_known_model_costs_a_fiftieth_of_crude_sampling_at_any_width():
    a = np.array([[-0.2, 1.0], [-1.0, -0.2]])
    system = loop(lambda x, t, p: jnp.asarray(a, x.dtype) @ x)
    density = Gaussian(np.zeros(2), 0.04 * np.eye(2))
    limit = 0.2 * np.exp(-0.2) * -ndtri(1e-5)  # X_1 is N(0, 0.04 e^{-0.4} I)
    bounds = bracket(
        system, density, [limit, -np.inf], [np.inf, np.inf], cells=4000, domain=([-1.4] * 2, [1.4] * 2)
    )
    assert bounds.missing < 1e-11
    assert bounds.low <= 1e-5 <= bounds.high
    few = sharpen(bounds, Flow(system), density, np.random.default_rng(1), count=1000)
    assert few.ci_low <= 1e-5 <= few.ci_high
    assert 15.4 * 1e-5 / (few.ci_high - few.ci_low) ** 2 > 50 * 1000


def test_the_intervals_of_sharpened_brackets_cover_the_truth():
    """x' = -x, 1-D: P(x(1) > 0.2) of a uniform start is known."""
    system = loop(lambda x, t, p: -x, n=1)
    density = square(system)
    bounds = bracket(system, density, 0.2, np.inf, cells=8)
    truth = 0.5 * (1.0 - 0.2 * np.e)
    flow = Flow(system)
    ends = [sharpen(bounds, flow, density, np.random.default_rng(k), count=200) for k in range(1000)]
    assert np.mean([r.ci_low <= truth <= r.ci_high for r in ends]) >= 0.95


def test_an_affine_map_of_a_box_gives_the_ratio_of_the_volumes_to_rounding():
    matrix, shift = np.diag([2.0, -0.5]), np.array([0.25, 0.5])
    system = loop(lambda x, t, p: jnp.asarray(matrix, x.dtype) @ x + jnp.asarray(shift, x.dtype), kind="map")
    b = bracket(system, square(system), [0.25, 0.0], [2.25, 0.75], steps=1, cells=200)
    # x in [0, 1] and y in [-0.5, 1]: the cells' faces meet the set's, so nothing stays undecided but its surface
    assert b.low <= 0.375 <= b.high
    assert b.high - b.low < 0.1
    finer = bracket(system, square(system), [0.25, 0.0], [2.25, 0.75], steps=1, cells=20_000)
    assert finer.high - finer.low < 0.1 * (b.high - b.low)
    everything = bracket(system, square(system), -3.0, 3.0, steps=1)
    assert (everything.low, everything.high) == (1.0, 1.0)
    nothing = bracket(system, square(system), 5.0, 6.0, steps=1)
    assert (nothing.low, nothing.high) == (0.0, 0.0)


def test_mass_outside_the_domain_may_be_anywhere():
    system = loop(lambda x, t, p: 0.0 * x, n=1)
    density = Gaussian(np.zeros(1), np.eye(1))
    b = bracket(system, density, 0.0, 1.0, domain=(-2.0, 2.0), cells=300)
    outside = 2.0 * ndtr(-2.0)
    assert b.missing == pytest.approx(outside)
    assert b.high - b.low >= outside
    assert b.low <= ndtr(1.0) - 0.5 <= b.high


def test_masses_of_any_density_are_used():
    system = loop(lambda x, t, p: -0.3 * x)
    parts = [Uniform([-1.0, -1.0], [0.0, 0.0]), Uniform([0.0, 0.0], [1.0, 1.0])]
    density = Mixture(np.array([0.2, 0.8]), parts)
    b = bracket(system, density, 0.0, np.inf, cells=500)
    assert b.low <= 0.8 <= b.high
    risk = sharpen(b, Flow(system), density, np.random.default_rng(2), count=500)
    assert risk.ci_low <= 0.8 <= risk.ci_high


def test_a_parameter_and_the_time_reach_the_field():
    """x' = p t: x(1) = x0 + p / 2."""
    system = loop(lambda x, t, p: 0.0 * x + p["rate"] * t, n=1, parameters={"rate": np.array(1.0)})
    b = bracket(system, square(system), 1.0, np.inf, parameters={"rate": np.array(0.8)}, cells=200)
    assert b.low - 1e-12 <= 0.2 <= b.high + 1e-12  # x0 > 0.6, up to rounding
    assert b.high - b.low < 0.02
    later = bracket(system, square(system), 1.0, np.inf, start=1.0, cells=200)  # x0 + 1.5 > 1
    assert later.low - 1e-12 <= 0.75 <= later.high + 1e-12
    assert later.high - later.low < 0.02


@pytest.mark.parametrize("name", ["vdp", "kop", "pend"])
def test_an_enclosure_holds_every_trajectory_from_its_cell(name):
    system = SYSTEMS[name]
    rng = np.random.default_rng(3)
    cells, each, steps = 40, 200, 4
    low = rng.uniform(system.low, system.high, (cells, system.n))
    high = np.minimum(low + 0.05 * (system.high - system.low), system.high)
    reached = encloser(system, steps, 4)(np.stack([low, high]))
    x0 = low + (high - low) * rng.random((each, cells, system.n))
    x = Flow(system, dtype="float64", substeps=4).run(x0.reshape(-1, system.n), steps=steps).x[-1]
    x = x.reshape(x0.shape)
    finite = np.isfinite(reached).all(axis=(0, 2))
    assert finite.mean() > 0.9
    slack = 1e-6 * (1.0 + np.abs(x))
    assert (x >= reached[0] - slack).all()
    assert (x <= reached[1] + slack).all()


def test_a_linear_rotation_is_enclosed_by_what_the_embedding_allows():
    a = np.array([[0.0, 1.0], [-1.0, 0.0]])
    system = loop(lambda x, t, p: jnp.asarray(a, x.dtype) @ x)
    low, high = encloser(system, 10, 4)(np.array([[[-0.1, 0.2]], [[0.1, 0.3]]]))
    spread = expm(np.abs(a)) @ [0.1, 0.05]  # half widths of a linear embedding grow by the absolute matrix
    centre = expm(a) @ [0.0, 0.25]
    assert np.allclose([low[0], high[0]], [centre - spread, centre + spread], atol=1e-6)


def test_an_enclosure_that_bursts_decides_nothing():
    system = loop(lambda x, t, p: x**2, n=1)
    reached = encloser(system, 10, 2)(np.array([[[-0.5], [0.8]], [[-0.4], [2.5]]]))
    assert np.isfinite(reached[:, 0]).all()
    assert reached[:, 1, 0].tolist() == [-np.inf, np.inf]


@pytest.mark.parametrize(
    "field",
    [
        lambda x, t, p: jnp.where(x > 0.0, -x, x),
        lambda x, t, p: jnp.sign(x),
        lambda x, t, p: jnp.abs(x) * x,
    ],
)
def test_a_field_that_branches_on_the_state_is_refused(field):
    """immrax would take a comparison's two ends for its interval."""
    with pytest.raises(ConfigError, match="no sound inclusion"):
        bracket(loop(field), square(loop(field)), 0.0, 1.0)


def test_what_has_no_bracket_is_refused():
    system = loop(lambda x, t, p: -x)
    with pytest.raises(ConfigError, match="must not exceed"):
        bracket(system, square(system), [1.0, 0.0], [0.0, 1.0])
    with pytest.raises(ConfigError, match="no finite support"):
        bracket(system, Gaussian(np.zeros(2), np.eye(2)), 0.0, 1.0)


def test_without_immrax_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "immrax", None)
    system = loop(lambda x, t, p: -x)
    with pytest.raises(ConfigError, match="pip install 'immrax"):
        bracket(system, square(system), 0.0, 1.0)
