# SPDX-License-Identifier: Apache-2.0
"""What the reflex makes of a refused action: where it goes, how stiff, and in whose frame; no arc is built for it."""

import math

import numpy as np
import pytest

pytest.importorskip("pinocchio", reason="arms need pinocchio (pip install 'reflexarc[arms]')")

from reflexarc.arc import ArcConfig
from reflexarc.arc.contact_motion import RECOVERY, TASK, ContactMotion
from reflexarc.arc.reflex_stage import ReflexStage
from reflexarc.arc.stage import Tick
from reflexarc.core.types import Mode, Status
from reflexarc.reflex.contact.glance import entries
from reflexarc.reflex.contact.view import DECISION_S, STEP
from tests.arc import contact_scene as scene

LOW, HIGH = 100.0, 1500.0
COUPLED = np.array([[500.0, 50.0, 60.0], [50.0, 400.0, 70.0], [60.0, 70.0, 1000.0]])
"""A stiffness of the task with everything coupled. [N/m]"""
NO_ANSWER = np.full(4, math.nan)


class Refusing:
    """The stage of an arm whose recovery answers `answer`."""

    threshold = 0.5

    def __init__(self, answer, rule="soften"):
        self.answer = np.array(answer, dtype=float)
        config = ArcConfig.from_dict(scene.CONFIG | {"contact": {"rule": rule}})
        self.motion = ContactMotion(config, scene.ARM)
        self.stage = ReflexStage(config, self.motion, self)
        self.motion.observe(scene.Bench().state(0.0))
        self.tip = self.motion.tip.position.copy()

    def recovery(self, view):
        return self.answer

    def begin(self, away, stiffness=COUPLED):
        """Make a proposal that leads so far away the action."""
        self.motion.take(scene.proposal(self.tip + np.array(away), 0.0, stiffness), 0.0)

    def apply(self, now=1.0, trip=True, new=False):
        motion = self.motion
        motion.see()
        motion.new, motion.trip, motion.risk = new, trip, 0.9
        tick = Tick(now, None, None, Mode.NORMAL, np.zeros(7), lambda _: [0.0] * 7)
        self.stage.apply(tick)
        return tick

    def refuse(self, away, **given):
        self.begin(away, **given)
        return self.apply()

    @property
    def went(self):
        """Displacement of the recovery in the plane. [m]"""
        assert self.motion.goal[2] == self.tip[2]
        return (self.motion.goal - self.tip)[:2]

    def stiff_along(self, x, y):
        """Stiffness along and across a direction. [N/m]"""
        e, n = np.array([x, y]) / math.hypot(x, y), np.array([-y, x]) / math.hypot(x, y)
        planar = self.motion.stiffness[:2, :2]
        assert e @ planar @ n == pytest.approx(0.0, abs=1e-6)
        return e @ planar @ e, n @ planar @ n


def test_an_action_that_is_not_refused_is_handed_on_to_the_spring():
    arm = Refusing(NO_ANSWER)
    arm.begin([0.03, 0.0, 0.04])
    tick = arm.apply(trip=False)
    assert not arm.motion.spring.goal.tolist() == arm.motion.goal.tolist(), "it is not new"
    tick = arm.apply(trip=False, new=True)
    spring = arm.motion.spring
    assert (spring.goal.tolist(), spring.wanted.tolist()) == (arm.motion.goal.tolist(), COUPLED.tolist())
    assert (tick.status, tick.interventions, arm.motion.kind) == (Status.PASSED, [], TASK)
    spring.advance(np.zeros((3, 3)), np.zeros(3), 0.001, 9.0)
    assert np.linalg.norm(spring.pace) == pytest.approx(0.05 / DECISION_S), (
        "at its goal in the time of an action"
    )


@pytest.mark.parametrize("angle", [0.0, 1.0, 2.5, -2.0])
def test_a_recovery_is_carried_out_in_the_frame_of_what_was_refused(angle):
    arm = Refusing([-0.6, 0.8, 1.0, -1.0])
    forward = np.exp(1j * angle)
    tick = arm.refuse([0.03 * forward.real, 0.03 * forward.imag, 0.0])
    expected = STEP * (-0.6 + 0.8j) * forward
    assert arm.went == pytest.approx([expected.real, expected.imag], abs=1e-5)
    assert arm.stiff_along(expected.real, expected.imag) == pytest.approx((HIGH, LOW))
    motion = arm.motion
    assert motion.k.tolist() == [1.0, -1.0]
    assert (motion.kind, motion.began, motion.who, motion.reflexes) == (RECOVERY, 1.0, "recovery", 1)
    assert motion.left == pytest.approx(arm.went)
    assert [i.change for i in tick.interventions] == [pytest.approx(STEP, rel=1e-3)]
    motion.spring.advance(np.zeros((3, 3)), np.zeros(3), 0.001, 9.0)
    assert np.linalg.norm(motion.spring.pace) == pytest.approx(STEP / DECISION_S, rel=1e-3)


def test_a_recovery_is_stiff_in_the_plane_only_where_it_says_and_the_height_keeps_its_own():
    arm = Refusing([0.0, 0.5, 0.2, -0.4])
    arm.refuse([0.03, 0.0, 0.0])
    stiffness = arm.motion.stiffness
    assert stiffness[2, 2] == 1000.0
    assert not stiffness[2, :2].any() and not stiffness[:2, 2].any(), "what coupled it to the height is gone"
    along, across = LOW * 15.0**0.6, LOW * 15.0**0.3
    assert arm.stiff_along(0.0, 1.0) == pytest.approx((along, across))
    assert arm.motion.spring.wanted.tolist() == stiffness.tolist()


@pytest.mark.parametrize("k", range(4))
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_an_answer_beyond_its_box_is_cut_to_it(k, sign):
    answer = np.array([0.5, 0.25, 0.5, -0.5])
    answer[k] = sign * 1e6
    arm = Refusing(answer)
    arm.refuse([0.03, 0.0, 0.0])
    answer[k] = sign
    assert arm.went == pytest.approx(STEP * answer[:2], abs=1e-5)
    assert arm.motion.k.tolist() == answer[2:].tolist()
    along, across = LOW * 15.0 ** ((answer[2:] + 1.0) / 2.0)
    assert arm.stiff_along(*arm.went) == pytest.approx((along, across))


@pytest.mark.parametrize(("across", "axis"), [(0.0, 0), (3.2e-5, 0), (6e-5, 1), (0.01, 1)])
def test_a_recovery_of_a_micrometre_has_the_direction_of_what_was_refused(across, axis):
    arm = Refusing([0.0, across, 1.0, -1.0])
    arm.refuse([0.03, 0.0, 0.0])
    assert arm.stiff_along(*np.eye(2)[axis]) == pytest.approx((HIGH, LOW), rel=1e-3)


@pytest.mark.parametrize(("away", "axis"), [(0.0, 0), (7e-6, 0), (1.5e-5, 1), (0.03, 1)])
def test_on_the_spot_a_recovery_is_stiff_along_x_where_nothing_was_left_of_the_action(away, axis):
    arm = Refusing([0.0, 0.0, 1.0, -1.0])
    arm.refuse([0.0, away, 0.0])
    direction = away / (away + 1e-6) if axis else 1.0
    assert arm.motion.stiffness[axis, axis] == pytest.approx(LOW + (HIGH - LOW) * direction**2, rel=0.01)
    assert arm.motion.stiffness[1 - axis, 1 - axis] == pytest.approx(LOW, abs=1.0)


@pytest.mark.parametrize("away", [1e-6, 2e-6, 3e-6, 1e-5])
def test_a_recovery_of_an_action_that_was_nearly_over_is_no_longer_than_its_box(away):
    arm = Refusing([1.0, 0.0, -1.0, -1.0])
    arm.refuse([away, 0.0, 0.0])
    assert np.isfinite(arm.went).all()
    assert np.linalg.norm(arm.went) <= STEP * (1.0 + 1e-9)


def test_the_reference_is_dropped_to_the_tip_before_it_recovers():
    arm = Refusing([0.0, 0.0, -1.0, -1.0])
    arm.begin([0.03, 0.0, 0.0])
    spring = arm.motion.spring
    spring.reference[:] = arm.tip + [0.02, 0.01, -0.01]
    arm.apply()
    assert spring.reference == pytest.approx(arm.tip)
    assert not spring.stretch.any()


RETREAT = 0.02
"""Length of the retreat by rule. [m]"""


@pytest.mark.parametrize("came", [(1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (0.6, -0.8), (-0.8, -0.6)])
@pytest.mark.parametrize("away", [(0.03, 0.0), (0.0, 0.03), (-0.02, 0.02)])
def test_a_retreat_goes_back_by_the_way_that_the_tip_came(came, away):
    arm = Refusing(NO_ANSWER, "retreat")
    arm.motion.came[:] = came
    arm.refuse([*away, 0.0])
    assert arm.motion.who == "retreat"
    assert arm.went == pytest.approx(-RETREAT * np.array(came), abs=1e-5)
    assert arm.stiff_along(*came) == pytest.approx((LOW, LOW))


@pytest.mark.parametrize("away", [(0.03, 0.0), (0.0, 0.03), (-0.02, 0.02)])
def test_a_retreat_goes_back_along_the_action_where_nobody_knows_how_the_tip_came(away):
    arm = Refusing(NO_ANSWER, "retreat")
    arm.refuse([*away, 0.0])
    assert arm.went == pytest.approx(-RETREAT * np.array(away) / math.hypot(*away), abs=1e-5)


def test_a_hold_keeps_the_stiffness_of_the_action_along_and_across_it():
    arm = Refusing(NO_ANSWER, "hold")
    stiffness = np.diag([700.0, 300.0, 1000.0])
    arm.refuse([0.0, 0.03, 0.0], stiffness=stiffness)
    assert arm.motion.k == pytest.approx(entries(stiffness, 0.0, 1.0))
    assert arm.motion.stiffness == pytest.approx(stiffness, abs=0.1)


def test_a_recovery_that_goes_on_is_noted_and_one_that_is_refused_is_replaced_by_another():
    arm = Refusing([0.4, 0.0, 1.0, -1.0])
    arm.refuse([0.03, 0.0, 0.0])
    tick = arm.apply(now=1.01, trip=False)
    assert [i.change for i in tick.interventions] == [pytest.approx(0.4 * STEP, rel=1e-3)]
    assert (arm.motion.began, arm.motion.reflexes) == (1.0, 1)
    arm.answer = np.array([-1.0, 0.0, -1.0, -1.0])
    tick = arm.apply(now=1.02)
    assert (arm.motion.began, arm.motion.reflexes) == (1.02, 1), "it is the same reflex"
    assert "25 mm at 100 and 100 N/m" in tick.interventions[0].reason
    arm.refuse([0.03, 0.0, 0.0])
    assert arm.motion.reflexes == 2
