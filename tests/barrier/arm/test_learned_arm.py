# SPDX-License-Identifier: Apache-2.0
"""A learned barrier beside the analytic rows of the velocity filter: refused, stopped, or the more restrictive wins."""

import json
import subprocess
import sys

import coal
import numpy as np
import pinocchio as pin
import pytest
from scipy.optimize import LinearConstraint, minimize

from reflexarc.barrier.arm.learned import LearnedArmRows
from reflexarc.barrier.arm.scene import Workspace, no_obstacles, table
from reflexarc.barrier.arm.torque_filter import TorqueFilter
from reflexarc.barrier.arm.velocity_filter import VelocityFilter
from reflexarc.barrier.arm.verdict import Status
from reflexarc.barrier.certify.certificate import digest_of
from reflexarc.barrier.certify.gate import barrier_path
from reflexarc.barrier.learned import LearnedBarrier, Mlp, load_barrier
from reflexarc.barrier.qp import Tier
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.robots.systems.panda_cell import BOXES, GOAL
from tests.barrier.arm.conftest import tabletop
from tests.barrier.arm.test_panda_cell import clearance

PERIOD = 0.005
TABLE = Workspace(planes=table(0.0))
FREE = Workspace(self_collision=False)
COMMITTED = barrier_path("panda_cell")


def affine(arm, gradient, offset, scale=10.0, system="panda_test", alpha=5.0, unit=1.0):
    """V(q) = (gradient . (q - home) + offset) / unit, learned about home."""
    weight = np.array([gradient], dtype=float) * scale / unit
    member = Mlp((weight,), (np.array([offset / unit], dtype=float),), "relu")
    centre, size = np.array(arm.home), np.full(7, scale)
    recipe = {"alpha": alpha, "value_unit": unit}
    return LearnedBarrier((member,), "min", centre, size, 0.0, system, arm.joints, recipe)


def random_barrier(arm, seed):
    rng = np.random.default_rng(seed)
    sizes = (7, 16, 16, 1)
    members = tuple(
        Mlp(
            tuple(rng.normal(size=(b, a)) / np.sqrt(a) for a, b in zip(sizes[:-1], sizes[1:], strict=True)),
            tuple(0.3 * rng.normal(size=b) for b in sizes[1:]),
            "tanh",
        )
        for _ in range(3)
    )
    centre, size = 0.5 * (arm.lower + arm.upper), 0.5 * (arm.upper - arm.lower)
    return LearnedBarrier(
        members, "margin_minus", centre, size, -0.5, "panda_test", arm.joints, {"alpha": 5.0}
    )


@pytest.fixture
def rows(panda, tmp_path):
    """Return a function that makes uncertified rows of a barrier."""

    def make(barrier, period=PERIOD, **more):
        path = tmp_path / "barrier.safetensors"
        barrier.save(path)
        return LearnedArmRows(str(path), panda, period, allow_uncertified=True, **more)

    return make


def filter_with(arm, learned, workspace=FREE, period=PERIOD, **more):
    return VelocityFilter(arm, workspace, period, learned=learned, **more)


@pytest.fixture(scope="module")
def guarded(panda):
    return filter_with(panda, LearnedArmRows("panda_cell", panda, PERIOD), TABLE)


@pytest.fixture
def copy(tmp_path):
    for name in ("barrier.safetensors", "certificate.json"):
        (tmp_path / name).write_bytes((COMMITTED.parent / name).read_bytes())
    return tmp_path / "barrier.safetensors"


def test_the_command_is_the_nearest_one_that_the_learned_row_admits(panda, rows):
    """The oracle is scipy on the equation of the row, whatever unit the file's V is in."""
    rng = np.random.default_rng(0)
    for unit in (1.0, 0.1):
        gradient = rng.normal(size=7)
        filtering = filter_with(panda, rows(affine(panda, gradient, 0.05, unit=unit)))
        for _ in range(5):
            q = panda.home + rng.uniform(-0.01, 0.01, 7)
            target = rng.uniform(-0.5, 0.5, 7) - gradient / np.linalg.norm(gradient)
            value = gradient @ (q - panda.home) + 0.05
            verdict = filtering.step(q, np.zeros(7), target, no_obstacles())
            best = minimize(
                lambda u, goal=target: ((u - goal) ** 2).sum(),
                np.zeros(7),
                jac=lambda u, goal=target: 2.0 * (u - goal),
                constraints=LinearConstraint(gradient[None], lb=-5.0 * value),
                method="SLSQP",
                options={"ftol": 1e-14},
            )
            assert verdict.status is Status.FILTERED and verdict.learned_binds
            assert verdict.command == pytest.approx(best.x, abs=1e-5)
            assert verdict.learned_margin == pytest.approx(value, abs=1e-9)


def test_a_proposal_that_both_admit_passes_unchanged(panda, guarded):
    target = np.full(7, 0.01)
    verdict = guarded.step(panda.home, np.zeros(7), target, no_obstacles())
    assert verdict.status is Status.PASSED and (verdict.command == target).all() and verdict.reason == ""
    assert verdict.learned_margin == pytest.approx(0.12, abs=0.02) and verdict.h > 0.1
    assert not verdict.learned_binds and not verdict.uncertified


def test_without_a_learned_barrier_or_beside_one_that_is_content_the_bits_are_the_same(panda, rows):
    plain = filter_with(panda, None, TABLE)
    content = filter_with(panda, rows(affine(panda, np.zeros(7), 1.0)), TABLE)
    rng, changed = np.random.default_rng(1), 0
    for seed in range(60):
        q, target = rng.uniform(panda.lower, panda.upper), rng.uniform(-1.0, 1.0, 7) * panda.max_velocity
        without = plain.step(q, np.zeros(7), target, tabletop(6, seed))
        beside = content.step(q, np.zeros(7), target, tabletop(6, seed))
        assert without.command.tobytes() == beside.command.tobytes()
        assert (without.status, without.h, without.rows) == (beside.status, beside.h, beside.rows)
        assert np.isnan(without.learned_margin) and beside.learned_margin == 1.0
        if without.status is Status.FILTERED:
            assert without.reason == ""
        changed += without.status is Status.FILTERED
    assert changed >= 20


def test_the_more_restrictive_of_both_wins_whatever_the_learned_barrier_says(panda, rows):
    """What it lets through, the filter without it passes unchanged, and its own row holds."""
    plain, seen = filter_with(panda, None, TABLE), {True: 0, False: 0}
    for seed in range(4):
        barrier = random_barrier(panda, seed)
        beside = filter_with(panda, rows(barrier), TABLE)
        rng = np.random.default_rng(seed)
        for k in range(60):
            q = rng.uniform(0.5 * panda.lower, 0.5 * panda.upper)
            target = rng.uniform(-1.0, 1.0, 7) * panda.max_velocity
            around = tabletop(5, k)
            verdict = beside.step(q, np.zeros(7), target, around)
            alone = plain.step(q, np.zeros(7), target, around)
            if verdict.status not in (Status.PASSED, Status.FILTERED) or alone.h < 0.0:
                continue
            again = plain.step(q, np.zeros(7), verdict.command, around)
            assert again.command == pytest.approx(verdict.command, abs=1e-6)
            value, gradient = barrier.value_and_gradient(q)
            assert gradient @ verdict.command >= min(-5.0 * value, 0.2) - 1e-6
            distance = np.linalg.norm(verdict.command - target)
            assert distance >= np.linalg.norm(alone.command - target) - 1e-9
            if verdict.status is Status.FILTERED and verdict.reason:
                seen[verdict.learned_binds] += 1
                assert ("the learned barrier binds" in verdict.reason) is verdict.learned_binds
    assert min(seen.values()) > 10


def test_the_reason_names_both_shares(panda, rows):
    gradient = np.array([1.0, 0, 0, 0, 0, 0, 0])
    filtering = filter_with(panda, rows(affine(panda, gradient, 0.05)), TABLE)
    target = np.array([-1.0, 0, 0, 0, 0, 0, 0])
    verdict = filtering.step(panda.home, np.zeros(7), target, no_obstacles())
    assert verdict.reason == (
        "learned barrier at 0.050 m admits 25% of the proposal, analytic rows 100%: the learned barrier binds"
    )
    down = np.array([0.0, 2.0, 0, 0, 0, 0, 0])
    low = panda.home + np.array([0.0, 1.2, 0, 0, 0, 0, 0])
    verdict = filtering.step(low, np.zeros(7), down, no_obstacles())
    assert verdict.reason.endswith("the analytic rows bind") and not verdict.learned_binds


def test_where_both_contradict_each_other_the_learned_barrier_gives_way(panda, rows):
    """It wants the hand into the table, 0.2 m/s straight down, where the analytic rows allow a fraction of that."""
    plain = filter_with(panda, None, TABLE)

    def height(q):
        return plain.step(q, np.zeros(7), np.zeros(7), no_obstacles()).h

    low = panda.home.copy()
    while height(low) > 0.035:
        low[1] += 0.005
    slope = np.array([(height(low + 1e-6 * e) - height(low - 1e-6 * e)) / 2e-6 for e in np.eye(7)])
    learned = rows(affine(panda, -slope, -2.0))
    verdict = filter_with(panda, learned, TABLE).step(low, np.zeros(7), np.zeros(7), no_obstacles())
    assert verdict.status is Status.RELAXED and verdict.tier == Tier.COMFORT
    assert 0.01 < verdict.slack < 0.2 and "the learned barrier binds" in verdict.reason
    again = plain.step(low, np.zeros(7), verdict.command, no_obstacles())
    assert again.command == pytest.approx(verdict.command, abs=1e-5)


def test_outside_its_safe_set_it_asks_for_at_most_two_decimetres_a_second(panda, rows):
    gradient = np.array([0.5, 0, 0, 0, 0, 0, 0])
    filtering = filter_with(panda, rows(affine(panda, gradient, -5.0)))
    verdict = filtering.step(panda.home, np.zeros(7), np.zeros(7), no_obstacles())
    assert verdict.learned_margin == pytest.approx(-5.0)
    assert verdict.command == pytest.approx([0.4, 0, 0, 0, 0, 0, 0], abs=1e-6)


def test_a_gradient_that_vanishes_is_content_above_zero_and_stops_the_arm_below(panda, rows):
    target, moving = np.full(7, 0.3), np.full(7, 0.2)
    above = filter_with(panda, rows(affine(panda, np.zeros(7), 0.1)))
    assert above.step(panda.home, moving, target, no_obstacles()).status is Status.PASSED
    below = filter_with(panda, rows(affine(panda, np.zeros(7), -0.1)))
    verdict = below.step(panda.home, moving, target, no_obstacles())
    assert verdict.status is Status.BACKUP and "gradient vanishes" in verdict.reason
    assert verdict.learned_margin == pytest.approx(-0.1)
    assert (np.abs(verdict.command) < np.abs(moving)).all()


def test_a_value_or_gradient_that_is_not_finite_stops_the_arm(panda, rows):
    """At home the value is 1e-100 and the gradient overflows; elsewhere both do. Every weight is finite."""
    huge = Mlp((np.full((1, 7), 1e200), np.full((1, 1), 1e200)), (np.full(1, 1e-300), np.zeros(1)), "relu")
    barrier = LearnedBarrier(
        (huge,), "min", np.array(panda.home), np.ones(7), 0.0, "panda_test", panda.joints, {}
    )
    with np.errstate(over="ignore"):  # the file tries single precision first
        filtering = filter_with(panda, rows(barrier))
    for q in (np.array(panda.home), panda.home + 0.1):
        verdict = filtering.step(q, np.zeros(7), np.full(7, 0.3), no_obstacles())
        assert verdict.status is Status.BACKUP and "not finite" in verdict.reason
        assert np.isnan(verdict.learned_margin) and (verdict.command == 0.0).all()


def test_the_arm_does_not_leave_the_region_and_may_come_back(panda, rows):
    filtering = filter_with(panda, rows(affine(panda, np.zeros(7), 1.0, scale=0.2)))
    q, out = panda.home.copy(), np.array([1.0, 0, 0, -1.0, 0, 0, 0])
    for _ in range(1000):
        verdict = filtering.step(q, np.zeros(7), out, no_obstacles())
        q = q + PERIOD * verdict.command
        assert (np.abs(q - panda.home) <= 0.2 + 1e-9).all()
    assert verdict.learned_binds and "panda_joint1 at 0.20 rad, high end of its region" in verdict.reason
    beyond = panda.home + np.array([0.5, 0, 0, 0, 0, 0, 0])
    verdict = filtering.step(beyond, np.zeros(7), out, no_obstacles())
    assert verdict.learned_margin == -np.inf and verdict.command[0] == pytest.approx(0.0, abs=1e-9)
    assert (filtering.step(beyond, np.zeros(7), np.zeros(7), no_obstacles()).command == 0.0).all()
    assert filtering.step(beyond, np.zeros(7), -out, no_obstacles()).command[0] == -1.0


def test_old_states_are_judged_where_the_arm_is_now(panda, rows):
    filtering = filter_with(panda, rows(affine(panda, np.array([1.0, 0, 0, 0, 0, 0, 0]), 0.1)))
    speed = np.array([-1.0, 0, 0, 0, 0, 0, 0])
    verdict = filtering.step(panda.home, speed, speed, no_obstacles(), age=0.04)
    assert verdict.learned_margin == pytest.approx(0.06)


def test_equal_inputs_give_equal_verdicts(panda, guarded):
    rng = np.random.default_rng(5)
    states = [(panda.home + rng.uniform(-0.3, 0.3, 7), rng.uniform(-2.0, 2.0, 7)) for _ in range(40)]
    first = [guarded.step(q, u, u, tabletop(3, 1)) for q, u in states]
    again = [guarded.step(q, u, u, tabletop(3, 1)) for q, u in reversed(states)][::-1]
    for a, b in zip(first, again, strict=True):
        assert a.command.tobytes() == b.command.tobytes()
        assert (a.learned_margin, a.reason, a.learned_binds) == (b.learned_margin, b.reason, b.learned_binds)


class Cell:
    """Smallest distance of the arm's own shapes from pillar, wall and table, by pinocchio and coal."""

    def __init__(self, arm):
        self.arm, self.shapes = arm, pin.GeometryModel(arm.geometry)
        self.shapes.removeAllCollisionPairs()
        own = self.shapes.ngeoms
        moving = [g for g in range(own) if self.shapes.geometryObjects[g].parentJoint > 1]
        things = [(c, 2.0 * np.array(half)) for c, half in BOXES] + [((0.0, 0.0, -0.5), (9.0, 9.0, 1.0))]
        for centre, edges in things:
            pose = pin.SE3(np.eye(3), np.array(centre))
            box = pin.GeometryObject(f"box{edges}", 0, pose, coal.Box(*[float(e) for e in edges]))
            added = self.shapes.addGeometryObject(box)
            for g in moving:
                self.shapes.addCollisionPair(pin.CollisionPair(g, added))
        self.data, self.results = arm.model.createData(), self.shapes.createData()

    def __call__(self, q):
        pin.computeDistances(self.arm.model, self.data, self.shapes, self.results, q)
        return min(r.min_distance for r in self.results.distanceResults)


def test_pillar_and_wall_that_only_the_learned_barrier_knows_are_not_touched(panda, guarded):
    """Without it the same filter drives through the pillar, which none of its rows stands for."""
    judge, plain, rng = Cell(panda), filter_with(panda, None, TABLE), np.random.default_rng(2)
    learned = LearnedArmRows("panda_cell", panda, PERIOD)
    low, high = learned.region
    hit, bound = 0, 0
    for _ in range(12):
        q = rng.uniform(low, high)
        while guarded.step(q, np.zeros(7), np.zeros(7), no_obstacles()).learned_margin < 0.02:
            q = rng.uniform(low, high)
        blind, goal = q.copy(), rng.uniform(low, high)
        least, blindly = np.inf, np.inf
        for step in range(500):
            aim = GOAL if step < 250 else goal
            verdict = guarded.step(q, np.zeros(7), 3.0 * (aim - q), no_obstacles())
            assert verdict.status in (Status.PASSED, Status.FILTERED), verdict.reason
            q = q + PERIOD * verdict.command
            bound += verdict.learned_binds
            blind = (
                blind + PERIOD * plain.step(blind, np.zeros(7), 3.0 * (aim - blind), no_obstacles()).command
            )
            if step % 10 == 0:
                least, blindly = min(least, judge(q)), min(blindly, judge(blind))
        assert least > 0.0
        hit += blindly < 0.0
    assert bound > 500
    assert hit > 6, "the filter without the learned barrier hits the pillar; otherwise the test says nothing"


def test_held_out_states_that_touch_something_are_not_called_safe(panda):
    learned = LearnedArmRows("panda_cell", panda, PERIOD)
    low, high = learned.region
    q = np.random.default_rng(123).uniform(low, high, (3000, 7))
    margin = np.array([clearance(panda, one) for one in q])
    value = learned.unit * learned.barrier.values(q)
    assert (margin < 0.0).sum() > 400
    assert ((value >= 0.0) & (margin < 0.0)).sum() <= 1
    assert ((value >= 0.0) & (margin >= 0.0)).sum() > 0.85 * (margin >= 0.0).sum()


def test_the_committed_barrier_is_certified_as_asked(panda):
    claim = json.loads((COMMITTED.parent / "certificate.json").read_text())["claims"]["scenario"]
    assert claim["holds"] and claim["epsilon"] <= 1e-2 and claim["beta"] <= 1e-6
    assert LearnedArmRows("panda_cell", panda, 0.01).alpha == claim["alpha"]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"alpha": 8.0}, r"made with alpha 5 1/s.*asked for are 8 1/s"),
        ({"period": 0.02}, r"a period of 0.01 s.*not 0.02 s"),
    ],
)
def test_a_certificate_for_another_gain_or_a_shorter_period_is_refused(panda, copy, more, text):
    asked = {"period": PERIOD, **more}
    with pytest.raises(ModelError, match=text + r".*allow_uncertified: true lets it pass"):
        LearnedArmRows(str(copy), panda, **asked)
    assert LearnedArmRows(str(copy), panda, **asked, allow_uncertified=True).uncertified


def test_without_a_matching_certificate_it_is_refused_or_every_verdict_says_so(panda, copy):
    load_barrier(copy).shifted(-1.0).save(copy)
    with pytest.raises(ModelError, match="certificate is for weights .* refused"):
        LearnedArmRows(str(copy), panda, PERIOD)
    filtering = filter_with(panda, LearnedArmRows(str(copy), panda, PERIOD, allow_uncertified=True))
    assert filtering.step(panda.home, np.zeros(7), np.zeros(7), no_obstacles()).uncertified
    assert filtering.step(panda.home, np.zeros(7), np.full(7, np.nan), no_obstacles()).uncertified
    (copy.parent / "certificate.json").unlink()
    with pytest.raises(ModelError, match="no such certificate"):
        LearnedArmRows(str(copy), panda, PERIOD)


def test_the_level_of_the_certificate_lowers_the_barrier(panda, copy):
    path = copy.parent / "certificate.json"
    content = json.loads(path.read_text())
    content["claims"]["scenario"]["delta"] = 0.25
    content.pop("digest")
    path.write_text(json.dumps({**content, "digest": digest_of(content)}))
    lowered, plain = LearnedArmRows(str(copy), panda, PERIOD), LearnedArmRows("panda_cell", panda, PERIOD)
    assert lowered.barrier.delta == pytest.approx(plain.barrier.delta + 0.25)


def test_a_barrier_for_something_else_is_refused(panda, rows):
    gradient = np.ones(7)
    with pytest.raises(ModelError, match="is for 'boat', this filter is for 'panda'"):
        rows(affine(panda, gradient, 0.1, system="boat"))
    with pytest.raises(ModelError, match="it would be fed"):
        LearnedArmRows("boat", panda, PERIOD)
    with pytest.raises(ModelError, match="no learned barrier 'cell'.*panda_cell"):
        LearnedArmRows("cell", panda, PERIOD)
    with pytest.raises(ConfigError, match="otherwise one period overshoots"):
        rows(affine(panda, gradient, 0.1), period=0.5)


def test_the_filter_asks_for_rows_of_its_own_period(panda, rows):
    with pytest.raises(ConfigError, match="a period of 0.005 s, the filter for panda at 0.002 s"):
        filter_with(panda, rows(affine(panda, np.ones(7), 0.1)), period=0.002)


def test_it_is_not_offered_for_torques(panda, rows):
    with pytest.raises(ConfigError, match="for joint-velocity commands only"):
        TorqueFilter(panda, FREE, learned=rows(affine(panda, np.ones(7), 0.1)))


def test_the_filter_with_a_learned_barrier_needs_no_jax():
    code = (
        "import sys; from reflexarc.robots.arm import load_arm\n"
        "from reflexarc.barrier.arm.scene import Workspace\n"
        "from reflexarc.barrier.arm.learned import LearnedArmRows\n"
        "from reflexarc.barrier.arm.velocity_filter import VelocityFilter\n"
        "arm = load_arm('panda')\n"
        "VelocityFilter(arm, Workspace(), 0.01, learned=LearnedArmRows('panda_cell', arm, 0.01))\n"
        "print('jax' in sys.modules)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True
    )
    assert run.stdout.strip() == "False"
