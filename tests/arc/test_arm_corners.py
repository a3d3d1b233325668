# SPDX-License-Identifier: Apache-2.0
"""What no other test of an arm's arc reaches: a barrier switched off, odd orders."""

import math

import numpy as np
import pytest

pytest.importorskip("pinocchio", reason="arms need pinocchio (pip install 'reflexarc[arms]')")

from reflexarc.arc import ArcConfig, build_arc
from reflexarc.arc.contact_motion import ContactMotion
from reflexarc.arc.contact_sanity import ContactSanityStage
from reflexarc.arc.reflex_stage import ReflexStage
from reflexarc.arc.sanity import SOUND
from reflexarc.arc.stage import Tick
from reflexarc.core.types import JointProposal, JointState, Mode, Spheres, Status
from reflexarc.robots.arm import load_arm
from tests.arc import contact_scene as scene


def test_an_arm_with_its_barrier_switched_off_passes_what_is_within_its_limits():

    arm = load_arm("panda")
    arc = build_arc(
        ArcConfig.from_dict(
            {"barrier": {"enabled": False}} | {"robot": "panda", "rate_hz": 500.0, "frame_id": "panda_link0"}
        )
    )
    ball = Spheres(
        0.0,
        "panda_link0",
        np.array([[0.55, 0.0, 0.5]]),
        np.zeros((1, 3)),
        np.array([0.08]),
        np.zeros(1),
        np.zeros(1),
    )
    now = JointState(0.0, "panda_link0", arm.joints, np.array(arm.home), np.zeros(arm.n), ball)
    wish = np.array([0.1, 0.2, 0.0, 0.1, 0.0, 0.0, 0.3])
    verdict = arc.tick(now, JointProposal(0.0, arm.joints, wish), Mode.NORMAL, 0.0)
    assert verdict.status is Status.PASSED
    assert verdict.command.tolist() == wish.tolist()
    assert math.isnan(verdict.margin), "nothing was measured"


def test_what_is_tracked_around_an_arm_in_contact_is_judged_as_for_every_arm():
    def around(count, speed, stamp=0.0):
        return Spheres(
            stamp,
            scene.FRAME,
            np.ones((count, 3)),
            np.full((count, 3), speed),
            np.ones(count),
            np.zeros(count),
            np.zeros(count),
        )

    config = ArcConfig.from_dict(scene.CONFIG)
    judge = ContactSanityStage(config, scene.ARM).judge_obstacles
    assert judge(around(0, 0.0)) == SOUND
    assert judge(around(0, 0.0, math.nan))[0] == "obstacles_not_finite"
    assert judge(around(1, 0.5)) == SOUND
    assert judge(around(1, 1e3))[0] == "obstacles_implausible"
    assert judge(around(1, math.nan))[0] == "obstacles_not_finite"
    assert judge(around(config.arm.obstacles + 1, 0.0))[0] == "obstacles_too_many"


@pytest.fixture
def refused():
    """Reflex stage of an action that the critic refuses, at a target given from the tip."""

    class Answer:
        threshold = 0.5

        def __init__(self):
            self.action = np.array([0.0, 0.0, 1.0, -1.0])

        def recovery(self, view):
            return self.action

    config, answer = ArcConfig.from_dict(scene.CONFIG), Answer()
    motion = ContactMotion(config, scene.ARM)
    stage = ReflexStage(config, motion, answer)

    def refuse(away, now=0.0, new=True):
        wish = None
        if new:
            motion.observe(scene.Bench().state(now))
            wish = scene.proposal(motion.tip.position + away, now)
            motion.take(wish, now)
        motion.see()
        motion.new, motion.trip, motion.risk = False, True, 0.9
        tick = Tick(now, None, wish, Mode.NORMAL, np.zeros(7), lambda _: np.zeros(7))
        stage.apply(tick)
        return motion, tick

    return refuse, answer


def test_a_recovery_that_is_refused_too_is_replaced_and_counts_as_the_same_reflex(refused):
    refuse, answer = refused
    answer.action = np.array([1.0, 0.0, 1.0, -1.0])
    motion, _ = refuse([0.03, 0.0, 0.0])
    assert (motion.reflexes, motion.who, motion.began) == (1, "recovery", 0.0)
    answer.action = np.array([-1.0, 0.0, -1.0, -1.0])
    motion, tick = refuse(None, 0.02, new=False)
    assert (motion.reflexes, motion.who, motion.began) == (1, "recovery", 0.02)
    assert tick.interventions[-1].reason.endswith("25 mm at 100 and 100 N/m")


@pytest.mark.parametrize(
    ("away", "axis"), [((0.0, 0.0, 0.0), 0), ((0.03, 0.0, 0.0), 0), ((0.0, 0.03, 0.0), 1)]
)
def test_a_recovery_on_the_spot_is_stiff_along_what_was_refused_and_along_x_where_nothing_was(
    refused, away, axis
):
    motion, _ = refused[0](away)
    assert motion.goal == pytest.approx(motion.tip.position)
    expected = np.full(2, 100.0)
    expected[axis] = 1500.0
    assert motion.stiffness[:2, :2] == pytest.approx(np.diag(expected), abs=0.2)


def test_where_nothing_was_sent_since_the_last_state_nothing_is_reckoned():
    arc = build_arc(ArcConfig.from_dict(scene.CONFIG))
    arc.reset()
    barrier = arc.stages[-2]
    seen = scene.Bench().state(0.0)
    wish = scene.proposal(scene.Bench().tip()[0])
    commands = []
    for _ in range(2):
        tick = Tick(0.0, seen, wish, Mode.NORMAL, np.zeros(7), barrier.halt)
        for stage in arc.stages[:-1]:  # without the last look, which notes what is sent
            if not tick.done:
                stage.apply(tick)
        assert not tick.done
        commands.append(tick.command.copy())
        assert barrier._reckoned == (seen.position, seen.velocity)
    assert np.isfinite(commands).all()
