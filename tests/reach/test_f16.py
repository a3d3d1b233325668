# SPDX-License-Identifier: Apache-2.0
"""The F-16 against numbers of AeroBench (github.com/stanleybak/AeroBenchVVPython, commit afa9f0a, table aerodynamics).

The first state is the book's own test case (Stevens & Lewis, table 3.5-2), at the reference centre of gravity.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import simpson

from reflexarc.reach.systems import SYSTEMS, f16, gcas

OPEN = [
    # state; throttle, elevator, aileron, rudder; 13 rates, Nz, Ny
    (
        [500, 0.5, -0.2, -1, 1, -1, 0.7, -0.8, 0.9, 1000, 900, 10000, 90],
        [0.9, 20, -15, -20],
        [-75.23723191, -0.88134908, -0.4759989942, 2.505734616, 0.3250820416, 2.14592618, 12.81777678]
        + [-0.1457558572, 0.4759668214, 342.4439031, -266.7706815, 248.1241156, -58.69]
        + [4.276448778, 0.8095617053],
    ),
    (
        [580, 0.0875, 0.005, -0.09, -0.75, 0.01, 0.02, 0.05, -0.01, 0, 0, 1175, 0.5],
        [0.1395, -5, 1, -2],
        [15.10881558, -0.03562254786, 0.004605093523, 0.03346478732, 0.04889885116, -0.01975355292]
        + [-1.614739227, 0.9483891625, 0.1792116984, 388.4257407, 11.32847118, -430.5776466, 8.55913]
        + [1.665909934, 0.02358746219],
    ),
    (
        [720, 0.2, -0.3, 0.8, 0.4, 2.1, -0.4, 0.3, 0.25, 50, -80, 32000, 45],
        [0.6, 12, 18, 25],
        [-35.83525401, 0.09264237244, -0.244742954, -0.2353712948, 0.02967299008, 0.4227553953, 2.742296459]
        + [-1.872556541, -3.295758367, -89.59394108, 641.0047763, 315.4137006, -6.036]
        + [1.001211795, -0.1632718408],
    ),
    (
        [410, 0.62, 0.4, -0.5, -0.3, 0.3, 1.1, -0.2, -0.6, 0, 0, 37000, 60],
        [0.2, -22, -10, 14],
        [-3.274888928, -0.4932152193, 1.060964589, 1.233220119, -0.4631718355, -0.4507986812, -2.901235332]
        + [0.1384521267, 0.04320127152, 175.2602367, 310.9943849, -201.6589745, -100]
        + [0.3589247236, -0.3421255947],
    ),
]
CLOSED = {
    # state; 16 rates; elevator, aileron, rudder [deg]
    "roll": (
        [580, 0.0875, 0.005, -0.12, -0.75, 0.005, 0.002, 0.004, -0.006, 0.003, -0.002, 1175, 0.5]
        + [0.002, -0.004, 0.006],
        [12.79701711, -0.1057777854, -0.0004336624904, 0.007995475937, 0.0032529613, -0.008795679309]
        + [1.208038581, -1.813836503, 0.0540942001, 388.6376082, 10.8900183, -430.3977428, 8.55913]
        + [0.8173497206, -0.4742938467, -0.009925965577],
        [7.076383022, -1.40795149, 0.76650821],
    ),
    "pull": (
        [560, 0.15, -0.004, -0.03, -0.4, 0.02, 0.03, 0.2, 0.01, 900, 10, 800, 9, -2.0, 0.05, -0.01],
        [0.4808525901, 0.09387046781, -0.003490712253, 0.02831034906, 0.2002099618, 0.0043389095]
        + [-15.36195273, 4.532503229, -0.3481040016, 477.2975121, 9.818455356, -292.7297096, 0.05913]
        + [-1.139385651, 0.03092375807, -0.0914283749],
        [-25, 17.45452552, -4.15866192],
    ),
    "standby": (
        [540, 0.09, 0.002, -0.05, 0.2, 0.01, -0.01, 0.1, 0.005, 1500, 5, 620, 9.1, -3.0, 0.02, 0.01],
        [-14.53722545, 0.08117437692, -0.007521034974, -0.01000084441, 0.1001249219, -4.250349096e-06]
        + [-5.560766812, 4.1052606, -0.1955694591, 536.6505671, 8.871214318, 59.3925116, -0.04087]
        + [2.248665605, -0.00973155797, -0.06568002987],
        [-25, 6.53362684, -0.19328469],
    ),
}
START = [580, 0.0875, 0, -0.095, -0.6, 0, 0, 0, 0, 0, 0, 1175, 0.5, 0, 0, 0]
LATER = {"airspeed": 548.506, "alpha": 0.2632, "theta": 0.1769, "altitude": 584.12, "north": 1274.62}
"""AeroBench's closed loop 2.5 s after START; its autopilot looks at the state 30 times a second."""


@pytest.mark.parametrize(("state", "controls", "expected"), OPEN)
def test_the_aircraft_moves_as_in_aerobench(state, controls, expected):
    with jax.enable_x64(True):
        motion = f16.derivatives(jnp.asarray(state, float), *jnp.asarray(controls, float))
        got = np.concatenate([motion.rates, [motion.normal, motion.side]])
    assert got == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("mode", CLOSED)
def test_the_closed_loop_moves_as_in_aerobench_in_each_mode(mode):
    state, rates, surfaces = CLOSED[mode]
    with jax.enable_x64(True):
        x = jnp.asarray(state, float)
        assert np.asarray(gcas.surfaces(x)) == pytest.approx(surfaces, rel=1e-8)
        assert np.asarray(SYSTEMS["gcas"].field(x, 0.0, None)) == pytest.approx(rates, rel=1e-6, abs=1e-6)


def test_tables_are_met_at_their_nodes_and_halfway_and_continue_straight_beyond():
    with jax.enable_x64(True):
        _, still = f16.coefficients(*map(jnp.asarray, (500.0, 20.0, 0.0)), jnp.zeros(3), 12.0, 0.0, 0.0)
        between = f16.coefficients(*map(jnp.asarray, (500.0, 22.5, -2.5)), jnp.zeros(3), -24.0, 0.0, 0.0)[1]
        outside = f16.coefficients(*map(jnp.asarray, (500.0, 50.0, 0.0)), jnp.zeros(3), 0.0, 0.0, 0.0)[0]
    assert still[1] == pytest.approx(-0.097)
    assert between == (
        pytest.approx(0.25 * (0.022 + 0.021)),
        pytest.approx(0.5 * (0.245 + 0.238)),
        pytest.approx(-0.25 * (0.013 + 0.007)),
    )
    assert outside[0] == pytest.approx(2 * 0.138 - 0.155)


@pytest.fixture(scope="module")
def recovery():
    """RK4 over the horizon, four substeps an output: states and traces (425, 97, ..).

    One start is START, 32 are START with one coordinate moved by +-1e-6, 64 are random in the box.
    """
    system = SYSTEMS["gcas"]
    width = system.dt / system.substeps

    def field(x):
        return system.field(x, 0.0, None)

    def step(x, _):
        a = field(x)
        b = field(x + 0.5 * width * a)
        c = field(x + 0.5 * width * b)
        d = field(x + width * c)
        return x + width / 6.0 * (a + 2.0 * b + 2.0 * c + d), (x, jnp.trace(jax.jacfwd(field)(x)))

    def path(x):
        return jax.lax.scan(step, x, None, length=system.steps * system.substeps + 1)[1]

    nudges = 1e-6 * np.eye(16)
    random = np.random.default_rng(0).uniform(system.low, system.high, (64, 16))
    with jax.enable_x64(True):
        starts = jnp.asarray(np.concatenate([[START], START + nudges, START - nudges, random]))
        states, traces = jax.jit(jax.vmap(path, out_axes=1))(starts)
        return np.asarray(states), np.asarray(traces)


def test_the_recovery_goes_where_aerobench_s_goes(recovery):
    named = dict(zip((c.name for c in SYSTEMS["gcas"].state), recovery[0][4 * 75, 0], strict=True))
    # a mode may begin up to 1/30 s earlier here: 15 ft of fall
    assert named["altitude"] == pytest.approx(LATER["altitude"], abs=15.0)
    assert named["north"] == pytest.approx(LATER["north"], abs=5.0)
    assert named["airspeed"] == pytest.approx(LATER["airspeed"], abs=2.0)
    assert named["alpha"] == pytest.approx(LATER["alpha"], abs=0.01)
    assert named["theta"] == pytest.approx(LATER["theta"], abs=0.01)


def test_the_trace_carries_the_density_through_the_change_of_mode(recovery):
    """The flow's Jacobian by differences, over a start that rolls first and then pulls."""
    states, traces = recovery
    last = 48  # 0.4 s; the pull begins at 0.13 s
    load = [float(gcas.references(state)[0]) for state in states[[0, last], 0]]
    assert load == pytest.approx([0.0, 5.0], abs=0.01)
    sign, logdet = np.linalg.slogdet((states[last, 1:17] - states[last, 17:33]) / 2e-6)
    assert sign == 1.0
    assert simpson(traces[: last + 1, 0], dx=1.0 / 120.0) == pytest.approx(logdet, abs=0.03)
    assert -40.0 < logdet < -5.0


def test_the_divergence_is_finite_all_the_way_from_everywhere_in_the_box(recovery):
    states, traces = recovery
    assert np.isfinite(states).all()
    assert np.isfinite(traces).all()
    assert -80.0 < traces.min() and traces.max() < 5.0
    assert states[-1, 33:, 4].min() > -0.1  # every nose has come up from -0.5..-1 rad
