# SPDX-License-Identifier: Apache-2.0
"""The learned barrier in the arc: refused, stopped, or beside the stopping barrier, the more restrictive winning."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reflexarc.arc import ArcConfig, build_arc
from reflexarc.arc.learned import row_parameters
from reflexarc.barrier.certify.certificate import load_certificate
from reflexarc.barrier.compiled import pack, value_and_gradient
from reflexarc.barrier.encounter import STATE, gaps, rates, relative_states
from reflexarc.barrier.encounter_certificate import recheck, roll_parameters
from reflexarc.barrier.encounter_rollout import draw, load_encounters, roll
from reflexarc.barrier.learned import LearnedBarrier, Mlp, load_barrier
from reflexarc.core.errors import ModelError
from reflexarc.core.paths import models_dir
from reflexarc.core.types import Mode, Status
from reflexarc.robots import load_robot
from tests.arc.scenes import PERSON, proposal, state

CROWD = models_dir() / "barriers" / "segway_e1_crowd" / "barrier.safetensors"
RECIPE = {"residual_bound": [0.1, 0.1, 1.0, 1.0, 0.0, 0.0]}
SHARED_ARC = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
PEOPLE = st.lists(PERSON, max_size=8)


def linear(gradient, offset, system="segway_e1_test", names=STATE, recipe=RECIPE):
    """V(x) = gradient . x + offset."""
    n = len(names)
    member = Mlp((np.array([gradient], dtype=float),), (np.array([offset], dtype=float),), "relu")
    return LearnedBarrier((member,), "min", np.zeros(n), np.ones(n), 0.0, system, tuple(names), recipe)


def random_barrier(seed, form="min", activation="tanh", members=3, sizes=(6, 24, 16, 1)):
    rng = np.random.default_rng(seed)

    def mlp():
        pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
        return Mlp(
            tuple(rng.normal(size=(b, a)) / np.sqrt(a) for a, b in pairs),
            tuple(0.3 * rng.normal(size=b) for _, b in pairs),
            activation,  # pyright: ignore[reportArgumentType]
        )

    nets = tuple(mlp() for _ in range(members))
    centre, scale = rng.normal(size=6), rng.uniform(0.5, 2.0, 6)
    return LearnedBarrier(nets, form, centre, scale, 0.1, "segway_e1_test", STATE, RECIPE)  # pyright: ignore[reportArgumentType]


def arc_with(barrier, folder, **learned):
    path = folder / "barrier.safetensors"
    barrier.save(path)
    data = {"enabled": True, "file": str(path), "allow_uncertified": True, **learned}
    return build_arc(ArcConfig.from_dict({"learned": data}))


@pytest.fixture(scope="module")
def nonsense(tmp_path_factory):
    """An arc whose learned barrier is random."""
    return arc_with(random_barrier(1), tmp_path_factory.mktemp("nonsense"))


@pytest.mark.parametrize("form", ["min", "margin_minus"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "softplus"])
def test_compiled_barrier_agrees_with_its_reference(form, activation):
    barrier = random_barrier(3, form, activation)
    packed, gradient = pack(barrier), np.zeros(6)
    for x in np.random.default_rng(0).normal(0.0, 3.0, (50, 6)):
        value = value_and_gradient(x, packed, gradient)
        expected, slope = barrier.value_and_gradient(x)
        assert value == pytest.approx(expected, abs=1e-11)
        assert gradient == pytest.approx(slope, abs=1e-11)


def test_relative_state_moves_as_its_equations_say():
    """The oracle is a robot and a person moved apart, each in the fixed frame."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        pose, twist = rng.normal(size=3), rng.normal(size=2)
        position, velocity, accel = rng.normal(size=(1, 2)), rng.normal(size=(1, 2)), rng.normal(size=2)
        step = 1e-6
        heading = np.array([np.cos(pose[2]), np.sin(pose[2])])
        moved = pose + step * np.array([*(twist[0] * heading), twist[1]])
        x = relative_states(pose, twist, position, velocity)
        after = relative_states(moved, twist + step * accel, position + step * velocity, velocity)
        assert (after - x) / step == pytest.approx(rates(x, accel[None]), abs=1e-4)


def test_gap_is_that_between_rectangle_and_disc():
    x = np.array([[2.0, 0, 0, 0, 0, 0], [0, 1.0, 0, 0, 0, 0], [1.3, 1.6, 0, 0, 0, 0], [0.0, 0, 0, 0, 0, 0]])
    assert gaps(x, 1.0, 0.4, 0.25) == pytest.approx([0.75, 0.35, np.hypot(0.3, 1.2) - 0.25, -0.65])


def test_barrier_that_is_missing_is_named_with_those_that_exist():
    with pytest.raises(ModelError, match="no learned barrier 'nobody'.*those that exist"):
        build_arc(ArcConfig.from_dict({"learned": {"enabled": True, "file": "nobody"}}))


@pytest.mark.parametrize(
    ("barrier", "text"),
    [
        (linear([1.0, 0, 0, 0, 0], 0.0, names=STATE[:5]), "would be fed"),
        (linear([1.0, 0, 0, 0, 0, 0], 0.0, system="boat"), "is for 'boat', this arc drives 'segway_e1'"),
        (linear([1.0, 0, 0, 0, 0, 0], 0.0, recipe={}), "residual_bound"),
        (linear([1.0, 0, 0, 0, 0, 0], 0.0, recipe={"residual_bound": [-1.0] * 6}), "residual_bound"),
    ],
)
def test_barrier_for_something_else_is_refused(tmp_path, barrier, text):
    with pytest.raises(ModelError, match=text):
        arc_with(barrier, tmp_path)


def test_barrier_without_certificate_is_refused_unless_the_scenario_allows_it(tmp_path):
    barrier = linear([0.0] * 6, 100.0)
    with pytest.raises(ModelError, match="allow_uncertified"):
        arc_with(barrier, tmp_path, allow_uncertified=False)
    arc = arc_with(barrier, tmp_path)
    for scene in (state(), state([(0.9, 0, 0, 0)]), None):
        assert arc.tick(scene, proposal(), Mode.NORMAL, 0.0).uncertified


def test_without_a_learned_barrier_nothing_is_uncertified(arc):
    verdict = arc.tick(state([(2.0, 0, 0, 0)]), proposal(), Mode.NORMAL, 0.0)
    assert not verdict.uncertified
    assert np.isnan(verdict.learned_margin)


def test_certificate_of_other_weights_is_refused(tmp_path):
    (tmp_path / "certificate.json").write_bytes((CROWD.parent / "certificate.json").read_bytes())
    with pytest.raises(ModelError, match="certificate is for weights"):
        arc_with(linear([0.0] * 6, 100.0), tmp_path, allow_uncertified=False)


@pytest.mark.parametrize("change", [{"alpha": 5.0}, {"residual_share": 0.5}, {"sigmas": 0.0}])
def test_certificate_made_with_other_rows_is_refused(change):
    config = ArcConfig.from_dict({"learned": {"enabled": True, **change}})
    with pytest.raises(ModelError, match="certificate was made with"):
        build_arc(config)


def test_delivery_robots_own_barrier_is_certified():
    arc = build_arc(ArcConfig.from_dict({"learned": {"enabled": True}}))
    verdict = arc.tick(state([(2.5, 0.0, -1.0, 0.0)]), proposal(1.5), Mode.NORMAL, 0.0)
    assert not verdict.uncertified
    assert np.isfinite(verdict.learned_margin)


@pytest.mark.filterwarnings("ignore:overflow")
def test_learned_barrier_that_is_not_finite_stops_the_robot(tmp_path):
    huge = Mlp((np.full((4, 6), 1e200), np.full((1, 4), 1e200)), (np.zeros(4), np.zeros(1)), "relu")
    barrier = LearnedBarrier((huge,), "min", np.zeros(6), np.ones(6), 0.0, "segway_e1_test", STATE, RECIPE)
    verdict = arc_with(barrier, tmp_path).tick(state([(4.0, 1.0, 0.0, 0.0)]), proposal(1.5), Mode.NORMAL, 0.0)
    assert verdict.status is Status.BACKUP
    assert verdict.faults == ("learned_failed",)
    assert not verdict.command.any()
    assert np.isnan(verdict.learned_margin)


def test_generous_learned_barrier_changes_nothing(arc, tmp_path):
    both = arc_with(linear([0.0, 0, 0, 0, -0.01, 0], 100.0), tmp_path)
    for people in ([], [(0.9, 0.0, 0.0, 0.0)], [(1.8, 0.3, -0.5, 0.0), (3.0, -1.0, 0.0, 0.5)]):
        alone, beside = (a.tick(state(people), proposal(1.5, 0.2), Mode.NORMAL, 0.0) for a in (arc, both))
        assert beside.command == pytest.approx(alone.command, abs=1e-9)
        assert beside.margin == pytest.approx(alone.margin, abs=1e-9)
        assert [i.stage for i in beside.interventions] == [i.stage for i in alone.interventions]


def test_more_restrictive_barrier_wins_and_both_are_logged(arc, tmp_path):
    """V = x - 3.4 - v allows 0.3 m/s here by hand: alpha (x - 3.4 - v) - v >= (u - v) / D at v = 0."""
    strict = arc_with(linear([1.0, 0, 0, 0, -1.0, 0], -3.4), tmp_path, alpha=2.0, horizon_s=0.25, sigmas=0.0)
    scene = state([(4.0, 0.0, 0.0, 0.0)])
    alone = arc.tick(scene, proposal(1.5), Mode.NORMAL, 0.0)
    verdict = strict.tick(scene, proposal(1.5), Mode.NORMAL, 0.0)
    assert alone.status is Status.PASSED
    # the drive reaches 0.25 m/s within the horizon, for which 2.0 * 0.6 >= 0.25 / 0.25 holds: it passes as well
    assert verdict.status is Status.PASSED
    assert verdict.learned_margin == pytest.approx(0.6)
    near = strict.tick(state([(3.5, 0.0, 0.0, 0.0)]), proposal(1.5), Mode.NORMAL, 0.0)
    assert near.interventions[0].stage == "learned_barrier"
    assert "learned barrier 0.10 m" in near.interventions[0].reason
    assert "the stopping barrier admits 100%" in near.interventions[0].reason
    assert near.command[0] == pytest.approx(0.25 * 2.0 * 0.1, abs=1e-6)
    assert near.margin > near.learned_margin == pytest.approx(0.1)
    close = strict.tick(state([(0.9, 0.0, 0.0, 0.0)]), proposal(1.5), Mode.NORMAL, 0.0)
    assert close.command[0] == pytest.approx(0.0, abs=1e-6)


def test_person_who_comes_while_the_barrier_is_left_makes_the_robot_stand(tmp_path):
    arc = arc_with(linear([0.0, 0, 0, 0, 1.0, 0], -50.0), tmp_path)  # says that speeding up helps
    coming = state([(3.0, 0.0, -0.5, 0.0)], twist=(1.0, 0.0))
    verdict = arc.tick(coming, proposal(1.0, 0.3), Mode.NORMAL, 0.0)
    assert verdict.interventions[0].stage == "learned_barrier"
    assert verdict.command[0] == pytest.approx(0.0, abs=1e-6)


@SHARED_ARC
@given(PEOPLE, st.floats(-4, 4), st.floats(-2, 2), st.floats(-1, 3))
def test_nonsense_from_a_learned_barrier_never_makes_the_robot_less_safe(nonsense, people, v, omega, speed):
    nonsense.reset()
    verdict = nonsense.tick(state(people, twist=(speed, 0.0)), proposal(v, omega), Mode.NORMAL, 0.0)
    assert abs(verdict.command[0]) <= abs(v) + 1e-9
    assert verdict.command[0] * v >= 0.0
    assert "postcheck_failed" not in verdict.faults  # which looks at the exact stopping barrier
    barrier = next(s for s in nonsense.stages if s.name == "barrier")
    assert barrier.admissible(*verdict.command.tolist())
    assert (verdict.status is Status.PASSED) == (verdict.interventions == ())


@SHARED_ARC
@given(PEOPLE, st.floats(-4, 4), st.floats(-2, 2), st.floats(-1, 3))
def test_equal_ticks_give_equal_verdicts_with_a_learned_barrier(nonsense, people, v, omega, speed):
    first, second = (
        (
            nonsense.reset(),
            nonsense.tick(state(people, twist=(speed, 0.1)), proposal(v, omega), Mode.NORMAL, 0.0),
        )[1]
        for _ in range(2)
    )
    assert first.command.tobytes() == second.command.tobytes()
    assert np.array_equal(first.learned_margin, second.learned_margin, equal_nan=True)
    assert (first.status, first.interventions, first.faults) == (
        second.status,
        second.interventions,
        second.faults,
    )


def test_arc_with_a_learned_barrier_needs_no_jax():
    code = (
        "import sys; from reflexarc.arc import ArcConfig, build_arc; "
        "build_arc(ArcConfig.from_dict({'learned': {'enabled': True}})); print('jax' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert answer.stdout.strip() == "False"


@pytest.fixture(scope="module")
def certified():
    """Claim, rows and robot of the delivery robot's certificate."""
    config = ArcConfig.from_dict({"learned": {"enabled": True}})
    robot = load_robot(config.robot)
    rows = row_parameters(config.learned, robot, load_barrier(CROWD), CROWD)
    return load_certificate(CROWD.parent / "certificate.json").claims["scenario"], rows, robot


def test_certificate_of_the_delivery_robot_is_recomputed_on_a_subsample(certified):
    claim, rows, robot = certified
    assert claim["holds"]
    assert claim["epsilon"] <= 0.01
    assert claim["beta"] <= 1e-6
    assert recheck(CROWD, claim, rows, robot, most=200) == []


def test_certificate_with_other_margins_is_found_out(certified):
    claim, rows, robot = certified
    spot = [claim["spot"][0] + 0.01, *claim["spot"][1:]]
    problems = recheck(CROWD, {**claim, "spot": spot, "violating": [3]}, rows, robot, most=40)
    assert len(problems) == 2


def test_without_the_barrier_the_same_encounters_end_in_contact(certified):
    """The replays bite: what the certificate says is not true of an unfiltered robot."""
    _, rows, robot = certified
    encounters = load_encounters(CROWD.parent / "encounters.npz").part(np.arange(300))
    episodes = draw(encounters, np.random.default_rng(0))
    free = roll(None, rows, roll_parameters(robot), episodes)
    assert (free.least < 0.0).mean() > 0.05
