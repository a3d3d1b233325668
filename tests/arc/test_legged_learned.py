# SPDX-License-Identifier: Apache-2.0
"""The learned barrier of a legged robot in the arc: refused, stopped, or beside the disc barrier, to which it adds."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reflexarc.arc import ArcConfig, build_arc
from reflexarc.arc.legged_learned import LeggedLearnedRows
from reflexarc.barrier.encounter_rows import NORMAL_V, NORMAL_W, OFFSET, VALUE
from reflexarc.barrier.learned import LearnedBarrier, Mlp
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.core.paths import models_dir
from reflexarc.core.types import Mode, Proposal, Status
from reflexarc.robots import load_legged
from reflexarc.robots.legged import ENCOUNTER_STATE, PERSON_RADIUS
from tests.arc.scenes import PERSON, obstacles, state

ROBOT = load_legged("go2")
CONTACT = ROBOT.radius + PERSON_RADIUS
OWN = {"enabled": True, "file": "go2_encounter", "alpha": 2.0}
WIDE = np.array([6.0, 6.0, 3.0, 3.0, 3.0, 3.0])
SHARED_ARC = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
PEOPLE = st.lists(PERSON, max_size=8)


def linear(gradient, offset, region=WIDE, system="go2_encounter", names=ENCOUNTER_STATE, recipe=None):
    """V(x) = gradient . x + offset."""
    n = len(names)
    weight = np.array([gradient], dtype=float) * region[:n]
    member = Mlp((weight,), (np.array([offset], dtype=float),), "relu")
    return LearnedBarrier((member,), "min", np.zeros(n), region[:n], 0.0, system, tuple(names), recipe or {})


def random_barrier(seed, region=WIDE, unit=1.0):
    rng = np.random.default_rng(seed)
    pairs = [(6, 24), (24, 16), (16, 1)]

    def mlp():
        weights = tuple(rng.normal(size=(b, a)) / np.sqrt(a) for a, b in pairs)
        return Mlp(weights, tuple(0.3 * rng.normal(size=b) for _, b in pairs), "tanh")

    recipe = {"value_unit": unit}
    members = (mlp(), mlp(), mlp())
    return LearnedBarrier(members, "min", np.zeros(6), region, 0.1, "go2_encounter", ENCOUNTER_STATE, recipe)


def config_for(barrier, folder, arc=None, **learned):
    path = folder / "barrier.safetensors"
    barrier.save(path)
    data = {"enabled": True, "file": str(path), "allow_uncertified": True, **learned}
    return ArcConfig.from_dict({"robot": "go2", "learned": data, **(arc or {})})


def arc_with(barrier, folder, arc=None, **learned):
    return build_arc(config_for(barrier, folder, arc, **learned))


def proposal(vx=1.0, vy=0.0, omega=0.0, now=0.0):
    return Proposal(now, np.array([vx, vy, omega]))


def scene(people=(), now=0.0, twist=(0.0, 0.0, 0.0), walls=(), **replaced):
    return state(people, walls, now, twist=twist, **replaced)


@pytest.fixture(scope="module")
def plain():
    """An arc with the disc barrier alone."""
    return build_arc(ArcConfig(robot="go2"))


@pytest.fixture(scope="module")
def nonsense(tmp_path_factory):
    """An arc whose learned barrier is random, and knows less than the scenes hold."""
    region = np.array([4.0, 4.0, 1.6, 1.6, 2.0, 1.0])
    return arc_with(random_barrier(1, region), tmp_path_factory.mktemp("nonsense"))


@pytest.fixture(scope="module")
def own():
    """The arc with the barrier of `models/barriers`."""
    return build_arc(ArcConfig.from_dict({"robot": "go2", "learned": OWN}))


@pytest.mark.parametrize("latency", [0.0, 0.2])
def test_row_is_the_rate_of_the_barrier_along_the_motion(tmp_path, latency):
    """The oracle moves robot and person apart, each in the fixed frame, and differentiates V numerically."""
    barrier = random_barrier(2, unit=0.5)
    config = config_for(barrier, tmp_path, {"latency_s": latency}, horizon_s=0.3, alpha=2.0, sigmas=1.5)
    rows = LeggedLearnedRows(config, ROBOT)
    rng = np.random.default_rng(0)

    def value(place, w, p):
        return 0.5 * barrier.values(np.concatenate([place, w, p])[None])[0]

    for _ in range(30):
        yaw, omega = rng.uniform(-3, 3), rng.uniform(-1.5, 1.5)
        body, command = rng.uniform(-1, 1, 2), rng.uniform(-1, 1, 2)
        place, w = rng.uniform(1.2, 2.5) * unit(rng), rng.uniform(-1, 1, 2)
        fixed = turn(yaw)
        person = (*(fixed @ place), *(fixed @ w))
        now = scene([person], twist=(*body, omega), pose=(0.0, 0.0, yaw))
        assert rows.update(now, np.array([0.0, 0.0, yaw]), 0.0)
        row = rows._rows[0]

        def along(t, place=place, w=w, body=body, command=command, omega=omega):
            answer = (command - body) / 0.3
            start = place + latency * (w - body)
            # ground velocity in the axes at the start: the body velocity turns with the heading
            p = turn(omega * t) @ (body + t * answer)
            return value(start + t * (w - body), w, p)

        rate = (along(1e-5) - along(-1e-5)) / 2e-5
        x = np.concatenate([place + latency * (w - body), w, body])
        _, g = barrier.value_and_gradient(x)
        spread = 0.5 * 0.05 * ((1 + latency) * np.hypot(*g[:2]) + np.hypot(*g[2:4]))
        gap = np.hypot(*place) - CONTACT
        expected = min(value(x[:2], w, body) - 1.5 * spread, gap)
        assert row[VALUE] == pytest.approx(expected, abs=1e-9)
        left = row[OFFSET] - row[NORMAL_V] * command[0] - row[NORMAL_W] * command[1]
        assert left == pytest.approx(rate + 2.0 * expected, abs=1e-6)


def unit(rng):
    angle = rng.uniform(-math.pi, math.pi)
    return np.array([math.cos(angle), math.sin(angle)])


def turn(angle):
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def test_track_is_carried_to_the_time_of_the_tick(tmp_path):
    rows = LeggedLearnedRows(
        config_for(linear([1.0, 0, 0, 0, 0, 0], 0.0), tmp_path, {"latency_s": 0.0}, sigmas=0.0), ROBOT
    )
    old = scene([(3.0, 0.0, -1.0, 0.0)])
    assert rows.update(old, np.zeros(3), 0.2)
    assert rows.margin == pytest.approx(min(2.8, 2.8 - CONTACT))


def test_larger_person_costs_as_much_value_as_the_radius_is_more(tmp_path):
    rows = LeggedLearnedRows(
        config_for(linear([0.0] * 6, 0.5), tmp_path, {"latency_s": 0.0}, sigmas=0.0), ROBOT
    )
    values = []
    for radius in (0.2, 0.3, 0.5):
        tracks = obstacles([(3.0, 0.0, 0.0, 0.0)])
        tracks = type(tracks)(0.0, "odom", tracks.position, tracks.velocity, [radius], [0.05], [0.05])
        assert rows.update(scene(obstacles=tracks), np.zeros(3), 0.0)
        values.append(rows.margin)
    assert values == pytest.approx([0.5, 0.5, 0.3])


def test_more_restrictive_barrier_wins_and_both_are_logged(plain, tmp_path):
    """V = r_x - 2 - v_x allows D alpha V = 0.3 m/s at rest, by hand."""
    strict = arc_with(
        linear([1.0, 0, 0, 0, -1.0, 0], -2.0),
        tmp_path,
        {"latency_s": 0.0},
        alpha=2.0,
        horizon_s=0.25,
        sigmas=0.0,
    )
    ahead = scene([(2.6, 0.0, 0.0, 0.0)])
    assert plain.tick(ahead, proposal(1.0, 0.4), Mode.NORMAL, 0.0).status is Status.PASSED
    verdict = strict.tick(ahead, proposal(1.0, 0.4), Mode.NORMAL, 0.0)
    assert verdict.interventions[-1].stage == "learned_barrier"
    assert "learned barrier 0.60 m" in verdict.interventions[-1].reason
    assert "the disc barrier admits 100%" in verdict.interventions[-1].reason
    assert verdict.command[0] == pytest.approx(0.3, abs=1e-6)
    assert verdict.command[1] > 0.18  # it is not in the way of a side step
    assert verdict.margin > verdict.learned_margin == pytest.approx(0.6)


def test_disc_barrier_wins_where_it_admits_less(plain, tmp_path):
    both = arc_with(linear([0.0, 0, 0, 0, -1.0, 0], 0.2), tmp_path, horizon_s=0.3, sigmas=0.0)
    beside = scene([(0.0, 1.05, 0.0, 0.0)])
    alone, verdict = (a.tick(beside, proposal(1.0, 0.8), Mode.NORMAL, 0.0) for a in (plain, both))
    assert verdict.interventions[-1].stage == alone.interventions[-1].stage == "barrier"
    assert "obstacle 0 at 0.31 m" in verdict.interventions[-1].reason
    assert "the learned barrier admits 24%" in verdict.interventions[-1].reason
    assert verdict.command[0] <= 0.24


def test_generous_learned_barrier_changes_nothing(plain, tmp_path):
    both = arc_with(linear([0.0, 0, 0, 0, -0.01, 0], 100.0), tmp_path)
    for people in ([], [(1.3, 0.0, 0.0, 0.0)], [(1.8, 0.3, -0.5, 0.0), (3.0, -1.0, 0.0, 0.5)]):
        alone, beside = (a.tick(scene(people), proposal(1.5, 0.2), Mode.NORMAL, 0.0) for a in (plain, both))
        assert beside.command == pytest.approx(alone.command, abs=1e-9)
        assert beside.margin == pytest.approx(alone.margin, abs=1e-9)
        assert [i.stage for i in beside.interventions] == [i.stage for i in alone.interventions]


def test_person_who_comes_while_the_barrier_is_left_makes_the_robot_stand(tmp_path):
    arc = arc_with(linear([0.0, 0, 0, 0, 1.0, 1.0], -50.0), tmp_path)  # says that speeding up helps
    coming = scene([(3.0, 0.0, -0.5, 0.0)], twist=(1.0, 0.3, 0.0))
    verdict = arc.tick(coming, proposal(1.0, 0.3, 0.4), Mode.NORMAL, 0.0)
    assert verdict.interventions[0].stage == "learned_barrier"
    assert verdict.command[:2] == pytest.approx([0.0, 0.0], abs=1e-6)
    assert verdict.command[2] == pytest.approx(0.4)
    going = arc.tick(scene([(3.0, 0.0, 0.5, 0.0)]), proposal(0.2, -0.1), Mode.NORMAL, 0.0)
    assert going.command[:2] != pytest.approx([0.0, 0.0], abs=1e-3) or going.status is Status.PASSED


def test_speed_beyond_what_the_barrier_was_learned_from_is_not_safe(tmp_path):
    region = np.array([4.0, 4.0, 1.0, 1.0, 2.0, 1.0])
    arc = arc_with(linear([0.0] * 6, 100.0, region), tmp_path)
    runner = arc.tick(scene([(3.5, 0.0, -1.5, 0.0)]), proposal(0.2), Mode.NORMAL, 0.0)
    assert runner.learned_margin == -math.inf
    assert runner.interventions[0].stage == "learned_barrier"
    assert runner.command[0] == pytest.approx(0.0, abs=1e-6)
    leaving = arc.tick(scene([(3.0, 0.0, 1.5, 0.0)]), proposal(0.2), Mode.NORMAL, 0.0)
    assert leaving.status is Status.PASSED
    walker = arc.tick(scene([(3.5, 0.0, -1.05, 0.0)]), proposal(0.2), Mode.NORMAL, 0.0)
    assert math.isfinite(walker.learned_margin)  # what measuring adds is not held against it


def test_person_beyond_the_region_gets_no_row(tmp_path):
    region = np.array([3.0, 3.0, 2.0, 2.0, 2.0, 1.0])
    arc = arc_with(linear([0.0] * 6, -1.0, region), tmp_path, reach_m=6.0)
    for person in [
        (3.5, 0.0, -1.0, 0.0),
        (2.9, 0.0, 1.0, 0.0),
    ]:  # the second one leaves before a command acts
        assert arc.tick(scene([person]), proposal(0.2), Mode.NORMAL, 0.0).learned_margin == math.inf
    assert arc.tick(scene([(2.5, 0.0, 0.0, 0.0)]), proposal(0.2), Mode.NORMAL, 0.0).learned_margin == -1.0


@pytest.mark.filterwarnings("ignore:overflow")
def test_learned_barrier_that_is_not_finite_stops_the_robot(tmp_path):
    huge = Mlp((np.full((4, 6), 1e200), np.full((1, 4), 1e200)), (np.zeros(4), np.zeros(1)), "relu")
    barrier = LearnedBarrier(
        (huge,), "min", np.zeros(6), np.full(6, 5.0), 0.0, "go2_encounter", ENCOUNTER_STATE, {}
    )
    verdict = arc_with(barrier, tmp_path).tick(
        scene([(3.0, 1.0, 0.0, 0.0)]), proposal(1.0, 0.3), Mode.NORMAL, 0.0
    )
    assert verdict.status is Status.BACKUP
    assert verdict.faults == ("learned_failed",)
    assert not verdict.command.any()
    assert np.isnan(verdict.learned_margin)


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    with pytest.raises(ModelError, match="not finite"):
        arc_with(linear([math.nan] * 6, 0.0), tmp_path)


@SHARED_ARC
@given(
    PEOPLE, st.floats(-1, 2.5), st.floats(-0.8, 0.8), st.floats(-2, 2), st.floats(-1, 2.5), st.floats(-1, 1)
)
def test_nonsense_from_a_learned_barrier_never_makes_the_robot_less_safe(
    nonsense, people, vx, vy, omega, fast, aside
):
    nonsense.reset()
    verdict = nonsense.tick(
        scene(people, twist=(fast, aside, 0.0)), proposal(vx, vy, omega), Mode.NORMAL, 0.0
    )
    for sent, wanted in zip(verdict.command[:2], (vx, vy), strict=True):
        assert abs(sent) <= abs(wanted) + 1e-9
        assert sent * wanted >= 0.0
    assert verdict.faults == ()  # the post-check looks at the exact disc barrier
    barrier = next(s for s in nonsense.stages if s.name == "barrier")
    assert barrier.admissible(*verdict.command.tolist())
    assert (verdict.status is Status.PASSED) == (verdict.interventions == ())


@SHARED_ARC
@given(PEOPLE, st.floats(-1, 2.5), st.floats(-0.8, 0.8), st.floats(-1, 2.5), st.floats(-2, 2))
def test_standing_still_and_turning_on_the_spot_are_always_admitted(nonsense, people, vx, vy, fast, omega):
    nonsense.reset()
    now = scene(people, twist=(fast, 0.1, 0.2))
    verdict = nonsense.tick(now, proposal(0.0, 0.0, omega), Mode.NORMAL, 0.0)
    assert (verdict.status, verdict.command.tolist()) == (Status.PASSED, [0.0, 0.0, omega])
    learned = next(s for s in nonsense.stages if s.name == "barrier").learned
    normals, offsets = np.zeros((learned.most, 3)), np.zeros(learned.most)
    used = learned.write(vx, vy, 1.0, normals, offsets)
    assert (offsets[:used] >= 0.0).all()
    assert (normals[:used, 2] == 0.0).all()
    assert np.linalg.norm(normals[:used], axis=1) == pytest.approx(np.ones(used))


@SHARED_ARC
@given(PEOPLE, st.floats(-1, 2.5), st.floats(-0.8, 0.8), st.floats(-2, 2), st.floats(-1, 2.5))
def test_equal_ticks_give_equal_verdicts(nonsense, people, vx, vy, omega, fast):
    pair = []
    for _ in range(2):
        nonsense.reset()
        pair.append(
            nonsense.tick(scene(people, twist=(fast, 0.1, 0.1)), proposal(vx, vy, omega), Mode.NORMAL, 0.0)
        )
    first, second = pair
    assert first.command.tobytes() == second.command.tobytes()
    assert np.array_equal(first.learned_margin, second.learned_margin, equal_nan=True)
    assert (first.status, first.interventions, first.faults) == (
        second.status,
        second.interventions,
        second.faults,
    )


def test_failed_solver_sends_the_smaller_share(tmp_path, monkeypatch):
    arc = arc_with(
        linear([1.0, 0, 0, 0, -1.0, 0], -2.0),
        tmp_path,
        {"latency_s": 0.0},
        alpha=2.0,
        horizon_s=0.25,
        sigmas=0.0,
    )
    stage = next(s for s in arc.stages if s.name == "barrier")
    failed = type("Failed", (), {"found": False, "u": np.full(3, np.nan)})()
    monkeypatch.setattr(stage._solver, "solve", lambda _: failed)
    verdict = arc.tick(scene([(2.6, 0.0, 0.0, 0.0)]), proposal(1.0, 0.4), Mode.NORMAL, 0.0)
    assert (verdict.status, verdict.faults) == (Status.BACKUP, ("solver_failed",))
    assert verdict.command == pytest.approx([0.3, 0.12, 0.0])


def test_barrier_without_certificate_is_refused_unless_allowed_and_then_every_verdict_says_so(tmp_path):
    barrier = linear([0.0] * 6, 100.0)
    with pytest.raises(ModelError, match="allow_uncertified"):
        arc_with(barrier, tmp_path, allow_uncertified=False)
    arc = arc_with(barrier, tmp_path)
    for now in (scene(), scene([(1.2, 0, 0, 0)]), None):
        assert arc.tick(now, proposal(), Mode.NORMAL, 0.0).uncertified


def test_certificate_of_other_weights_is_refused(tmp_path):
    made = models_dir() / "barriers" / "go2_encounter" / "certificate.json"
    (tmp_path / "certificate.json").write_bytes(made.read_bytes())
    with pytest.raises(ModelError, match="certificate is for weights"):
        arc_with(linear([0.0] * 6, 100.0), tmp_path, allow_uncertified=False)


@pytest.mark.parametrize(
    ("arc", "learned"), [({}, {"alpha": 3.0}), ({"rate_hz": 20.0}, {})], ids=["gain", "period"]
)
def test_certificate_made_with_another_gain_or_a_shorter_period_is_refused(arc, learned):
    data = {"robot": "go2", "learned": {**OWN, **learned}, **arc}
    with pytest.raises(ModelError, match="certificate was made with alpha 2 1/s.*period of 0.04 s"):
        build_arc(ArcConfig.from_dict(data))
    data["learned"]["allow_uncertified"] = True
    assert build_arc(ArcConfig.from_dict(data)).uncertified


@pytest.mark.parametrize(
    ("learned", "text"),
    [({"residual_share": 0.5}, "residual_share is 0.5"), ({"alpha": 100.0}, "overshoots")],
)
def test_settings_that_cannot_be_honoured_are_refused(learned, text):
    data = {"robot": "go2", "rate_hz": 50.0, "learned": {**OWN, **learned}}
    with pytest.raises(ConfigError, match=text):
        build_arc(ArcConfig.from_dict(data))


@pytest.mark.parametrize(
    ("barrier", "text"),
    [
        (linear([1.0] * 5, 0.0, names=ENCOUNTER_STATE[:5]), "would be fed"),
        (linear([1.0] * 6, 0.0, system="go3_encounter"), "is for 'go3_encounter', this arc drives 'go2'"),
    ],
)
def test_barrier_for_something_else_is_refused(tmp_path, barrier, text):
    with pytest.raises(ModelError, match=text):
        arc_with(barrier, tmp_path)


def test_own_barrier_is_certified_and_slows_the_robot_before_the_disc_barrier_does(own, plain):
    head_on = scene([(3.0, 0.0, -0.9, 0.0)], twist=(1.2, 0.0, 0.0))
    alone, verdict = (a.tick(head_on, proposal(1.2), Mode.NORMAL, 0.0) for a in (plain, own))
    assert not verdict.uncertified
    assert math.isfinite(verdict.learned_margin)
    assert verdict.command[0] <= alone.command[0] + 1e-9
    aside = own.tick(scene([(0.0, 3.0, 0.0, 0.0)]), proposal(0.5), Mode.NORMAL, 0.0)
    assert aside.status is Status.PASSED


def test_own_barrier_leads_the_robot_through_a_crowd_without_a_touch_while_it_moves(own):
    """The plant is written here: dead time, then the guaranteed deceleration; people walk straight on."""
    rng = np.random.default_rng(4)
    dt = 0.02
    people = np.column_stack([rng.uniform(2.0, 12.0, 6), rng.uniform(-3, 3, 6), rng.normal(0.0, 0.5, (6, 2))])
    pose, twist, queue = np.zeros(2), np.zeros(2), [np.zeros(2)] * 10
    hits, before, by = [], np.full(6, np.inf), set()
    for k in range(1500):
        now = k * dt
        goal = np.array([16.0, 0.0]) - pose
        wanted = np.clip(1.2 * goal / max(1.0, float(np.linalg.norm(goal))), -0.8, 1.2)
        seen = scene(people, now, twist=(*twist, 0.0), pose=(*pose, 0.0))
        verdict = own.tick(seen, proposal(*wanted, now=now), Mode.NORMAL, now)
        by |= {i.stage for i in verdict.interventions}
        assert verdict.faults == ()
        queue.append(verdict.command[:2])
        change = queue.pop(0) - twist
        twist = twist + change * min(1.0, ROBOT.max_deceleration * dt / max(1e-9, np.linalg.norm(change)))
        pose = pose + dt * twist
        people[:, :2] += dt * people[:, 2:]
        gap = np.linalg.norm(people[:, :2] - pose, axis=1) - CONTACT
        hits += [float(np.linalg.norm(twist))] * int(((gap <= 0.0) & (before > 0.0)).sum())
        before = gap
    assert pose[0] > 4.0
    assert "learned_barrier" in by
    assert all(speed < 0.1 for speed in hits), hits


def test_arc_with_a_learned_barrier_needs_no_jax():
    code = (
        "import sys; from reflexarc.arc import ArcConfig, build_arc; "
        f"build_arc(ArcConfig.from_dict({{'robot': 'go2', 'learned': {OWN!r}}})); print('jax' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert answer.stdout.strip() == "False"
