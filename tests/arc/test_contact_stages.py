# SPDX-License-Identifier: Apache-2.0
"""The stages of an arm in contact one by one, at the edges of what they decide by; no arc is built for them."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("pinocchio", reason="arms need pinocchio (pip install 'reflexarc[arms]')")

from reflexarc.arc import ArcConfig
from reflexarc.arc.contact_motion import NONE, RECOVERY, TASK, ContactMotion
from reflexarc.arc.critic_stage import CriticStage
from reflexarc.arc.energy_stage import EnergyStage
from reflexarc.arc.force_stage import ForceStage, force_limits
from reflexarc.arc.stage import Tick
from reflexarc.barrier.contact import Bound
from reflexarc.core.types import Mode, Wrench
from reflexarc.reflex.contact.glance import entries
from tests.arc import contact_scene as scene

START = 10.0
"""Times are far from zero, so that their difference is not their sum. [s]"""


def config(rate_hz=1000.0, **contact):
    return ArcConfig.from_dict(scene.CONFIG | {"rate_hz": rate_hz, "contact": contact})


def made(**contact):
    return ContactMotion(config(**contact), scene.ARM)


def passing(now, state=None, wish=None):
    return Tick(now, state, wish, Mode.NORMAL, np.zeros(7), lambda _: [0.0] * 7)


def felt(now=START, force=(0.0, 0.0, 0.0), dq=None):
    """A state with this force on the tip."""
    speed = np.zeros(7) if dq is None else dq
    return scene.Bench().state(now, dq=speed, wrench=Wrench(now, scene.FRAME, np.array(force), np.zeros(3)))


# What the stages share.


def test_the_way_by_which_the_tip_came_is_that_of_its_last_motion_without_contact():
    motion = made(touching_n=2.0)
    jacobian = motion.tip

    def move(x, y, force=(0.0, 0.0, 0.0)):
        dq = np.linalg.pinv(jacobian.jacobian[:3]) @ [x, y, 0.0]
        motion.observe(felt(force=force, dq=dq))
        assert motion.tip.velocity == pytest.approx([x, y, 0.0], abs=1e-9)
        return motion.came.tolist()

    motion.observe(felt())
    assert move(0.0, 0.008) == [0.0, 0.0], "too slow to have a direction"
    assert move(0.0, -0.015) == pytest.approx([0.0, -1.0])
    assert move(0.03, 0.04) == pytest.approx([0.6, 0.8])
    assert move(0.1, 0.0, (1.2, 1.6, 50.0)) == pytest.approx([0.6, 0.8]), "2 N across are contact"
    assert move(0.1, 0.0, (0.0, -2.5, 0.0)) == pytest.approx([0.6, 0.8])
    assert move(0.1, 0.0, (1.1, 1.6, 50.0)) == pytest.approx([1.0, 0.0]), "less is not"
    motion.reset()
    assert motion.came.tolist() == [0.0, 0.0]


def test_an_action_is_what_was_proposed_and_what_is_left_of_it():
    motion = made()
    motion.observe(felt())
    tip = motion.tip.position.copy()
    stiffness = np.diag([200.0, 900.0, 1000.0])
    motion.take(scene.proposal(tip + [0.03, 0.04, 0.5], START, stiffness), START)
    assert (motion.kind, motion.began, motion.answered, motion.new) == (TASK, START, START, True)
    assert motion.left == pytest.approx([0.03, 0.04])
    assert motion.k == pytest.approx(entries(stiffness, 0.6, 0.8))
    assert motion.goal == pytest.approx(tip + [0.03, 0.04, 0.5])
    assert motion.stiffness.tolist() == stiffness.tolist()
    seen = motion.see()
    assert seen.shape == (9,)
    assert seen[6] == pytest.approx(2.0, rel=1e-3), "0.05 m in steps of 0.025 m"


def test_what_is_left_is_measured_from_the_tip_wherever_it_is():
    motion, turned = made(), scene.DOWN + np.array([0.7, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    motion.observe(scene.Bench().state(START, q=turned))
    tip = motion.tip.position
    assert min(abs(tip[0]), abs(tip[1])) > 0.2
    motion.take(scene.proposal(tip + [-0.02, 0.01, 0.1], START), START)
    assert motion.left == pytest.approx([-0.02, 0.01])


@pytest.mark.parametrize(("away", "along"), [(0.0, 0), (0.7e-6, 0), (1.5e-6, 1), (0.01, 1)])
def test_an_action_of_less_than_a_micrometre_has_no_direction_and_counts_as_along_x(away, along):
    motion = made()
    motion.observe(felt())
    stiffness = np.diag([200.0, 900.0, 1000.0])
    motion.take(scene.proposal(motion.tip.position + [0.0, away, 0.0], START, stiffness), START)
    direction = (1.0, 0.0) if along == 0 else (0.0, 1.0)
    assert motion.k == pytest.approx(entries(stiffness, *direction))


def test_after_torques_that_were_not_sent_the_next_impedance_begins_at_the_measured_tip():
    motion = made()
    motion.observe(felt())
    motion.take(scene.proposal(motion.tip.position + [0.03, 0.0, 0.0], START), START)
    motion.spring.reference[:] = motion.tip.position + [0.01, 0.0, 0.0]
    motion.live = True
    motion.observe(felt(START + 0.001))
    assert motion.spring.stretch == pytest.approx([0.01, 0.0, 0.0])
    assert motion.kind == TASK
    motion.observe(felt(START + 0.002))  # nothing was sent in between
    assert not motion.spring.stretch.any()
    assert motion.kind == NONE
    assert motion.answered == -math.inf, "the same proposal is an action again"


def test_energy_is_settled_only_for_torques_that_left_unchanged():
    energies = []
    for credit in (False, True):
        motion = made(tank_refill_w=50.0)
        motion.observe(felt())
        motion.law.shape(motion.spring.stiffness)
        motion.law.command(motion.spring, 0.0, motion.period, motion.tank)
        motion.live, motion.credit = True, credit
        motion.observe(felt(START + 0.001))
        assert not motion.live and not motion.credit
        energies.append(motion.tank.energy)
    assert energies[1] - energies[0] == pytest.approx(0.05), "the refill of a millisecond"


def test_the_posture_returns_at_its_configured_rate():
    def torque(rate):
        motion = made(posture_rad_s=rate)
        bent = scene.DOWN + np.array([0.3, 0.0, -0.3, 0.0, 0.2, 0.0, 0.0])
        motion.tip.update(bent, np.zeros(7))
        motion.spring.restart(motion.tip.position)
        motion.law.shape(motion.spring.stiffness)
        motion.tank.energy = 1e9
        return motion.law.command(motion.spring, 0.0, motion.period, motion.tank).copy()

    still, slow, fast = torque(0.0), torque(2.0), torque(4.0)
    assert np.abs(slow - still).max() > 0.1
    assert fast - still == pytest.approx(4.0 * (slow - still))
    assert np.abs(fast - still).max() < 100.0


# The critic's look.


class Scripted:
    """Critic that says what the test wants, and counts how often it is asked."""

    threshold, every_s, dwell_s, release, force = 0.5, 0.005, 0.02, 0.5, 12.0

    def __init__(self):
        self.says, self.asked = 0.0, 0

    def risk(self, view):
        self.asked += 1
        return self.says


class Looking:
    """A critic's stage with its motion, one tick after the other."""

    def __init__(self, **contact):
        self.reflexes, self.motion = Scripted(), made(**contact)
        self.stage = CriticStage(config(**contact), self.motion, self.reflexes)
        self.motion.observe(felt())

    def look(self, now, stamp, force=(0.0, 0.0, 0.0)):
        """Return whether the critic was asked."""
        before = self.reflexes.asked
        self.motion.force[:] = force
        wish = scene.proposal(self.motion.tip.position + [0.03, 0.0, 0.0], stamp)
        self.tick = passing(now, None, wish)
        self.stage.apply(self.tick)
        return self.reflexes.asked > before

    def recover(self, now):
        """Go on as if a recovery had begun and been looked at."""
        self.motion.kind, self.motion.began, self.motion.looked = RECOVERY, now, now


@pytest.mark.parametrize(("contact", "every"), [({}, 0.005), ({"every_s": 0.003}, 0.003)])
def test_the_critic_looks_at_what_is_new_and_then_as_often_as_it_should(contact, every):
    at = Looking(**contact)
    assert at.look(0.0, START)
    assert at.motion.new
    assert not at.look(every - 1e-4, START), "the same proposal is no new action"
    assert not at.motion.new
    assert at.look(every, START), "to the bit"
    assert not at.look(2.0 * every - 1e-4, START)
    assert at.look(2.0 * every + 1e-12, START - 1.0), "an older proposal is none"
    assert not at.motion.new
    assert at.look(2.0 * every + 1e-3, START + 1.0), "a new one does not wait"
    assert at.motion.answered == START + 1.0


def test_without_a_proposal_that_counts_there_is_nothing_to_look_at():
    at = Looking()
    assert not at.look(START, math.nan)
    assert at.motion.kind == NONE
    assert math.isnan(at.tick.risk)


def test_a_critic_that_is_switched_off_is_not_asked():
    at = Looking(critic=False)
    assert not at.look(START, START)
    assert at.motion.new and not at.motion.trip
    assert math.isnan(at.tick.risk)


@pytest.mark.parametrize(
    ("risk", "force", "trips"),
    [
        (0.5, (0.0, 0.0), False),
        (0.5001, (0.0, 0.0), True),
        (math.nan, (0.0, 0.0), True),
        (0.0, (0.0, -12.0), False),
        (0.0, (-8.0, 9.0), True),
        (0.0, (math.nan, 0.0), True),
    ],
)
def test_an_action_is_refused_above_the_threshold_of_risk_or_force(risk, force, trips):
    at = Looking()
    at.reflexes.says = risk
    assert at.look(START, START, (*force, 50.0))
    assert at.motion.trip is trips
    assert at.tick.risk == pytest.approx(risk, nan_ok=True)
    at.look(START + 0.001, START)
    assert not at.motion.trip, "refused once, until the next look"


def test_a_recovery_is_not_looked_at_before_its_dwell():
    at = Looking()
    at.look(0.0, START)
    at.recover(0.0)
    assert not at.look(0.005, START)
    assert not at.look(0.0199, START)
    assert at.look(0.02, START), "to the bit"
    at.recover(START)
    assert not at.look(START + 0.0199, START)
    assert at.look(START + 0.0201, START)


def test_a_recovery_is_not_replaced_before_the_time_of_an_action_and_then_only_by_a_lower_risk():
    at = Looking()
    at.look(0.0, START)
    at.recover(0.0)
    at.look(0.0999, START + 1.0)
    assert (at.motion.kind, at.motion.new) == (RECOVERY, False)
    for risk, trips in ((0.25, False), (0.26, True)):
        at.recover(0.0)
        at.reflexes.says = risk
        assert at.look(0.1, START + 2.0 + risk), "to the bit"
        assert (at.motion.kind, at.motion.new, at.motion.trip) == (TASK, True, trips)
    at.reflexes.says = 0.4
    assert at.look(1.0, START + 3.0)
    assert not at.motion.trip, "a task's action after a task's has the whole threshold"


# Energy and force.


class Spring:
    """A spring whose tank pays for a share of the step."""

    def __init__(self, share):
        self.share, self.done, self.stiffness = share, [], np.eye(3)

    def measure(self, tip):
        self.done.append("measure")

    def stiffen(self):
        self.done.append("stiffen")

    def advance(self, *given):
        self.given = given
        return self.share


@pytest.mark.parametrize(
    ("share", "noted"), [(1.0, False), (0.9991, False), (0.99, True), (0.6, True), (0.0, True)]
)
def test_a_step_that_the_tank_does_not_pay_for_is_noted_with_what_is_missing(share, noted):
    shaped = []
    motion = SimpleNamespace(
        spring=Spring(share),
        law=SimpleNamespace(shape=shaped.append, damping="damping"),
        tip=SimpleNamespace(position=None, speeds="speeds"),
        tank=SimpleNamespace(energy=0.3, least=0.1),
        period=0.001,
    )
    tick = passing(START)
    EnergyStage(motion, SimpleNamespace(speed_limit=0.25)).apply(tick)
    assert motion.spring.done == ["measure", "stiffen"]
    assert motion.spring.given == ("damping", "speeds", 0.001, 0.25)
    assert shaped == [motion.spring.stiffness]
    assert [i.change for i in tick.interventions] == ([pytest.approx(1.0 - share)] if noted else [])
    if noted:
        reason = tick.interventions[0].reason
        assert reason.startswith("the tank holds 0.30 J, of which 0.10 J stay")
        assert f"goes {100 * share:.0f} %" in reason


def test_limits_of_a_region_count_where_they_are_lower():
    surface = force_limits(config(surface_n_m=5e3).contact)
    assert (surface.peak, surface.sustained, surface.stiffness, surface.body) == (40.0, 25.0, 5e3, math.inf)
    leg = force_limits(config(region="lower_leg", peak_n=500.0, sustained_n=100.0).contact)
    assert (leg.peak, leg.sustained, leg.stiffness, leg.body) == (260.0, 100.0, 60e3, 75.0)


def pushing(barrier=True):
    """A force stage whose spring is stretched and whose reference moves."""
    motion = made(barrier=barrier)
    motion.observe(felt())
    stage = ForceStage(config(barrier=barrier), motion, SimpleNamespace(speed_limit=1.0))
    motion.law.shape(motion.spring.stiffness)
    motion.spring.reference[:] = motion.tip.position + [0.02, 0.01, 0.0]
    motion.spring.measure(motion.tip.position)
    motion.spring.pace[:] = [0.02, 0.03, 0.01]
    return motion, stage


def test_without_the_barrier_the_push_is_that_of_spring_and_damper():
    motion, stage = pushing(barrier=False)
    tick = passing(START)
    stage.apply(tick)
    spring, damper = 100.0 * np.array([0.02, 0.01, 0.0]), motion.law.damping[:3, :3] @ [0.02, 0.03, 0.01]
    assert motion.push == pytest.approx(math.sqrt(((spring + damper) ** 2).sum()))
    assert (motion.braking, math.isnan(motion.peak)) == (0.0, True)
    assert tick.interventions == []


@pytest.mark.parametrize(
    ("binding", "braking", "change"), [(0, 0.0, None), (1, 0.0, 12.0), (4, 50.0, 12.0), (0, 50.0, 50.0 * 0.3)]
)
def test_what_the_barrier_cuts_or_brakes_is_noted_with_its_size(binding, braking, change):
    motion, stage = pushing()
    motion.tip.velocity[:] = [0.1, -0.2, 0.2]
    bound = Bound(0.5, 0.25, 0.5, 30.0, 18.0, braking, 21.0, binding)
    stage.barrier = SimpleNamespace(bound=lambda *_: bound)
    tick = passing(START)
    stage.apply(tick)
    assert (motion.push, motion.braking, motion.peak) == (18.0, braking, 21.0)
    assert [i.change for i in tick.interventions] == ([] if change is None else [pytest.approx(change)])
    left = [0.005, 0.0025, 0.0] if binding else [0.02, 0.01, 0.0]
    assert motion.spring.stretch == pytest.approx(left)
    if binding:
        assert "a push of 30.0 N" in tick.interventions[0].reason
    elif change is not None:
        assert "at 0.300 m/s: braking with 50 N s/m" in tick.interventions[0].reason


def test_the_barrier_of_the_stage_keeps_the_configured_limit():
    motion, stage = pushing()
    motion.spring.stiffness[:] = 2000.0 * np.eye(3)
    motion.law.shape(motion.spring.stiffness)
    tick = passing(START)
    stage.apply(tick)
    assert 0.0 < motion.push <= 0.9 * 25.0 + 1e-9
    assert tick.interventions[0].stage == "force_barrier"
