# SPDX-License-Identifier: Apache-2.0
"""Five textbook cases in MuJoCo and, from the exported stage, in Newton, each against its analytic value.

All cases stand in one model, far from each other, and run at once for 2.2 s with steps h = 2 ms (semi-implicit Euler in
both engines). `pytest -s tests/sim/test_physics_cases.py` prints the table of docs/newton.md. Each tolerance on the
analytic value follows from the step or from the regularised contact and stands beside it in `CASES`; the engines must
agree within it too. The colliding balls meet in the middle of a step, so that rounding does not decide in which step.
"""

import math

import mujoco
import numpy as np
import pytest
from scipy.special import ellipk

pytest.importorskip("newton", reason="needs Newton (pip install 'reflexarc[newton]')")
pytest.importorskip("mujoco_warp", reason="needs MuJoCo Warp (pip install 'reflexarc[newton]')")
pytest.importorskip("newton_usd_schemas", reason="needs pip install 'reflexarc[newton]'")
pytest.importorskip("pxr", reason="needs OpenUSD (pip install 'reflexarc[newton]')")

from reflexarc.core.plant import ContactClass
from reflexarc_sim.mujoco_plant.engine import MujocoEngine
from reflexarc_sim.mujoco_plant.model import Assembly
from reflexarc_sim.newton_plant.engine import NewtonEngine
from reflexarc_sim.usd.export import export_stage
from reflexarc_sim.usd.source import Source

H, G, DURATION = 0.002, 9.81, 2.2  # [s], [m/s^2], [s]
DROP_M, DROP_R, DROP_H = 2.0, 0.1, 0.5  # [kg], [m], [m] gap below the ball
STIFF, RATIO = 4000.0, 0.2  # [1/s^2] and 1: the contact's spring per reduced mass, and its damping ratio
DAMP = 2 * RATIO * math.sqrt(STIFF)  # [1/s]
ARM, BOB_M, BOB_I = 0.5, 1.0, 4e-4  # [m], [kg], [kg m^2]
SMALL, LARGE = 0.05, 1.5  # [rad] amplitudes
WHEEL_R, ROLLING, SPEED = 0.1, 0.002, 1.0  # [m], [m] arm of the rolling resistance, [m/s]
SLOPE, SLIDES, STICKS = math.radians(20.0), 0.3, 0.5  # [rad]; friction below and above tan(SLOPE) = 0.364
LIGHT, HEAVY, TOWARDS = 1.0, 3.0, 1.0  # [kg], [kg], [m/s]

SPRING = f'solref="{-STIFF} {-DAMP}" solimp="0.9 0.9 0.001"'
HINGE = f"""<body name="{{0}}" pos="{{1}} 20 5"><joint name="{{0}}" axis="0 1 0"/>
  <inertial pos="0 0 -{ARM}" mass="{BOB_M}" diaginertia="{BOB_I} {BOB_I} {BOB_I}"/></body>"""
BOX = """<body name="{0}" pos="{1} {2} {3}" quat="{4} 0 {5} 0"><freejoint name="{0}"/>
  <geom name="{0}" type="box" size="0.1 0.1 0.05" mass="1" friction="{6} 0 0"/></body>"""
BALL = (
    """<body name="{0}" pos="{1} 30 5"><joint name="{0}" type="slide" axis="1 0 0"/>
  <geom name="{0}" type="sphere" size="0.1" mass="{2}" """
    + SPRING
    + "/></body>"
)


def _on_slope(along, across):
    """Centre of a box of half height 0.05 m that lies on the slope, whose top passes through (0, ., 2)."""
    c, s = math.cos(SLOPE), math.sin(SLOPE)
    return along * c + 0.05 * s, across, 2.0 - along * s + 0.05 * c


def _model():
    half = math.cos(SLOPE / 2), math.sin(SLOPE / 2)
    c, s = math.cos(SLOPE), math.sin(SLOPE)
    boxes = [
        BOX.format(name, *_on_slope(-1.0, y), *half, mu)
        for name, y, mu in (("slides", 9.0, SLIDES), ("sticks", 11.0, STICKS))
    ]
    return mujoco.MjModel.from_xml_string(f"""<mujoco><compiler angle="radian"/>
      <option timestep="{H}" gravity="0 0 {-G}" integrator="Euler" cone="elliptic" iterations="30"/>
      <worldbody>
      <geom name="floor" type="plane" size="0 0 1" friction="0.1 0 0"/>
      <geom name="slope" type="box" size="3 3 0.1" pos="{-0.1 * s} 10 {2.0 - 0.1 * c}" quat="{half[0]} 0 {half[1]} 0"
            friction="0.1 0 0"/>
      <body name="drop" pos="0 0 {DROP_R + DROP_H}"><freejoint name="drop"/>
        <geom name="drop" type="sphere" size="{DROP_R}" mass="{DROP_M}" priority="1" condim="1" {SPRING}/></body>
      <body name="wheel" pos="0 -5 {WHEEL_R}"><freejoint name="wheel"/>
        <geom name="wheel" type="sphere" size="{WHEEL_R}" mass="1" condim="6" priority="1"
              friction="0.9 0.005 {ROLLING}"/></body>
      {HINGE.format("small", 0)}{HINGE.format("large", 3)}{"".join(boxes)}
      {BALL.format("light", 0, LIGHT)}{BALL.format("heavy", 0.3 + TOWARDS * H / 2, HEAVY)}
      </worldbody></mujoco>""")


def _run(engine, model):
    """Return qpos, qvel before each step and after the last, and the impulse of the floor on the drop. [SI]"""
    data = mujoco.MjData(model)
    data.qpos[model.joint("small").qposadr[0]] = SMALL
    data.qpos[model.joint("large").qposadr[0]] = LARGE
    data.qvel[model.joint("light").dofadr[0]] = TOWARDS
    wheel = model.joint("wheel").dofadr[0]
    data.qvel[wheel], data.qvel[wheel + 4] = SPEED, SPEED / WHEEL_R
    engine.take_over(data)
    places, speeds, impulse = [data.qpos.copy()], [data.qvel.copy()], 0.0
    touched = []
    for k in range(round(DURATION / H)):
        engine.step(data)
        assert engine.problem(data) is None
        places.append(data.qpos.copy())
        speeds.append(data.qvel.copy())
        force = sum(float(touch.normal) for touch in engine.touches(data))
        if force > 0.0 and (not touched or k - touched[-1] == 1):
            touched.append(k)
            impulse += force * H
    return np.array(places), np.array(speeds), impulse, touched


def _measure(engine, model):
    """Return quantity -> (measured, analytic)."""
    q, v, impulse, touched = _run(engine, model)
    time = H * np.arange(len(q))
    found = {}

    z = model.joint("drop").dofadr[0] + 2
    hit = touched[0]
    found["drop: time to impact [s]"] = time[hit], math.sqrt(2 * DROP_H / G)
    found["drop: speed at impact [m/s]"] = -v[hit, z], math.sqrt(2 * G * DROP_H)
    bounce = v[touched[-1] + 1, z] / -v[hit, z]
    weight = DROP_M * G * H * len(touched)
    found["drop: impulse [N s]"] = impulse, DROP_M * -v[hit, z] * (1 + bounce) + weight

    root = math.sqrt((BOB_M * ARM**2 + BOB_I) / (BOB_M * G * ARM))
    for name, amplitude in (("small", SMALL), ("large", LARGE)):
        angle = q[:, model.joint(name).qposadr[0]]
        crossings = np.flatnonzero(np.sign(angle[:-1]) != np.sign(angle[1:]))
        at = time[crossings] + H * angle[crossings] / (angle[crossings] - angle[crossings + 1])
        exact = 4 * root * ellipk(math.sin(amplitude / 2) ** 2)
        # A whole period, so that a rest position off by rounding does not count.
        found[f"pendulum: period at {amplitude:g} rad [s]"] = at[2] - at[0], exact

    late = slice(round(0.3 / H), round(1.3 / H))
    rolling = v[:, model.joint("wheel").dofadr[0]]
    found["rolling: deceleration [m/s^2]"] = -_rate(time, rolling, late), ROLLING * G / (1.4 * WHEEL_R)

    down = np.array([math.cos(SLOPE), 0.0, -math.sin(SLOPE)])
    for name in ("slides", "sticks"):
        at = model.joint(name).dofadr[0]
        along = v[:, at : at + 3] @ down
        if name == "slides":
            analytic = G * (math.sin(SLOPE) - SLIDES * math.cos(SLOPE))
            found["incline: acceleration above atan(mu) [m/s^2]"] = _rate(time, along, late), analytic
        else:
            found["incline: path below atan(mu) [m]"] = H * along.sum(), 0.0

    light, heavy = (v[:, model.joint(name).dofadr[0]] for name in ("light", "heavy"))
    momentum = LIGHT * light[-1] + HEAVY * heavy[-1]
    found["collision: momentum [kg m/s]"] = momentum, LIGHT * TOWARDS
    e, total = _restitution(RATIO), LIGHT + HEAVY
    found["collision: speed of the light one [m/s]"] = light[-1], (LIGHT - e * HEAVY) / total * TOWARDS
    found["collision: speed of the heavy one [m/s]"] = heavy[-1], (1 + e) * LIGHT / total * TOWARDS
    return found


def _rate(time, values, window):
    return float(np.polyfit(time[window], values[window], 1)[0])


def _restitution(ratio):
    """Coefficient e of a spring with damping ratio zeta that does not pull (Schwager and Poeschel, 2007):

    e = exp(-b/w (pi - atan(2 b w / (w^2 - b^2)))), b = zeta w0, w = w0 sqrt(1 - zeta^2), for zeta < 1 / sqrt(2)
    """
    b, w = ratio, math.sqrt(1 - ratio**2)
    return math.exp(-b / w * (math.pi - math.atan(2 * b * w / (w**2 - b**2))))


LATE = 1.5 * H
"""[s] Euler lags by half a step, and a contact begins at a step."""
COARSE = math.sqrt(STIFF) * H / 2
"""Half a step in units of the contact's own time, 6 %: Euler is of first order in it."""
CASES = {
    "drop: time to impact [s]": (LATE, "1.5 h: half a step of Euler's lag, one of detection"),
    "drop: speed at impact [m/s]": (G * LATE, "g times that"),
    "drop: impulse [N s]": (
        0.01 * DROP_M * math.sqrt(2 * G * DROP_H),
        "1 % of m v: rounding of the contact's ends",
    ),
    "pendulum: period at 0.05 rad [s]": (
        H / 10,
        "h / 10: interpolated zeros; Euler's own error is (w h)^2 / 24",
    ),
    "pendulum: period at 1.5 rad [s]": (H / 10, "as above"),
    "rolling: deceleration [m/s^2]": (
        0.01 * ROLLING * G / (1.4 * WHEEL_R),
        "1 %: the cone shares slip and roll",
    ),
    "incline: acceleration above atan(mu) [m/s^2]": (
        0.01 * G * math.sin(SLOPE),
        "1 % of g sin: regularised friction",
    ),
    "incline: path below atan(mu) [m]": (
        0.01 * G * math.sin(SLOPE) * DURATION**2 / 2,
        "1 % of the path without friction: regularised friction creeps",
    ),
    "collision: momentum [kg m/s]": (1e-4, "single precision over 25 steps of contact"),
    "collision: speed of the light one [m/s]": (
        COARSE * TOWARDS,
        "w0 h / 2, first order of Euler in the contact",
    ),
    "collision: speed of the heavy one [m/s]": (COARSE * TOWARDS, "as above"),
}
"""Quantity -> tolerance on the analytic value, in its unit, and why."""


@pytest.fixture(scope="module")
def measured():
    """Quantity -> (MuJoCo, Newton, analytic value for each)."""
    model = _model()
    floor, drop = model.geom("floor").id, model.geom("drop").id
    none = np.zeros((0, 2), int)
    partner = {floor: (ContactClass.KERB, "floor", -1)}
    assembly = Assembly(model, drop, partner, none, none, none, np.zeros(0, int))
    source = Source(
        "cases", model, np.array(model.qpos0), np.zeros(0), labels={floor: str(ContactClass.KERB)}
    )
    newton = NewtonEngine(export_stage(source).stage, source, hull="drop", base="drop")
    first, second = _measure(MujocoEngine(assembly), model), _measure(newton, model)
    print()
    for name, (tolerance, why) in CASES.items():
        (a, exact), (b, own) = first[name], second[name]
        print(f"| {name} | {exact:.5g} | {a:.5g} | {b:.5g} | {tolerance:.2g} | {why} |  {own - exact:.1e}")
    return first, second


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("engine", ["mujoco", "newton"])
def test_the_engine_gives_the_analytic_value(measured, engine, name):
    value, analytic = measured[engine == "newton"][name]
    assert value == pytest.approx(analytic, abs=CASES[name][0])


@pytest.mark.parametrize("name", CASES)
def test_the_engines_agree_within_the_same_tolerance(measured, name):
    (one, _), (other, _) = (found[name] for found in measured)
    assert other == pytest.approx(one, abs=CASES[name][0])


def test_every_case_is_measured(measured):
    assert set(measured[0]) == set(measured[1]) == set(CASES)
