# SPDX-License-Identifier: Apache-2.0
"""How an arm in contact is stopped: as measured, or by reckoning where nothing new is measured; whose work counts."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("pinocchio", reason="arms need pinocchio (pip install 'reflexarc[arms]')")

import pinocchio

from reflexarc.arc import arm_barrier
from reflexarc.arc.config import ArcConfig
from reflexarc.arc.contact_motion import ContactMotion
from reflexarc.arc.impedance_stage import ContactBarrierStage
from reflexarc.barrier.arm.verdict import Status as Outcome
from tests.arc import contact_scene as scene
from tests.arc.arm_bench import ARM, SPEED, START, USELESS, Filter, around, passing, seen


@pytest.fixture(autouse=True)
def told(monkeypatch):
    monkeypatch.setattr(arm_barrier, "TorqueFilter", Filter)


class Contact:
    """The stage of an arm in contact."""

    def __init__(self):
        chosen = ArcConfig.from_dict(scene.CONFIG)
        self.motion = ContactMotion(chosen, ARM)
        self.motion.observe(scene.Bench().state(0.0))
        self.stage = ContactBarrierStage(chosen, ARM, SimpleNamespace(speed_share=1.0), self.motion)
        self.filter = self.stage._filter

    def halt(self, state, now=START):
        self.motion.live = self.motion.credit = True
        command = self.stage.halt(passing(state, now))
        assert not self.motion.live and not self.motion.credit
        return command

    def braked(self):
        """Position and velocity that were braked last."""
        return self.filter.braked[-1]


def moved(q, dq, torque, seconds=0.001, steps=2000):
    """Where the arm is under a torque, in many small steps."""
    data, q, dq = ARM.model.createData(), q.copy(), dq.copy()
    for _ in range(steps):
        acceleration = pinocchio.aba(ARM.model, data, q, dq, torque)
        q += seconds / steps * (dq + 0.5 * seconds / steps * acceleration)
        dq += seconds / steps * acceleration
    return q, dq


def test_a_new_state_is_braked_as_it_is_measured():
    contact = Contact()
    for stamp in (START, START + 0.001):
        state = seen(stamp)
        assert contact.halt(state, stamp) == [1.0] * 7
        assert contact.braked() == (state.position, state.velocity)


USELESS_AND_NEW = [
    seen(START + 0.01, joints=ARM.joints[::-1]),
    seen(START + 0.01, position=np.full(7, np.nan)),
    seen(START + 0.01, velocity=np.full(7, np.inf)),
]


@pytest.mark.parametrize(
    "state", [seen(), seen(START - 0.001), *USELESS, seen(START + 0.2), *USELESS_AND_NEW]
)
def test_without_a_new_state_the_arm_is_where_its_torques_have_brought_it(state):
    contact = Contact()
    contact.halt(seen())
    torque = np.array([5.0, -20.0, 3.0, 12.0, -1.0, 2.0, 0.5])
    contact.stage.sent(torque)
    assert contact.halt(state, START + 0.002) == [1.0] * 7
    q, dq = moved(scene.DOWN, SPEED, torque)
    assert contact.braked()[0] == pytest.approx(q, abs=3e-8)
    assert contact.braked()[1] == pytest.approx(dq, abs=1e-5)
    assert np.abs(dq - SPEED).max() > 0.01
    contact.halt(state, START + 0.003)
    q, dq = moved(q, dq, np.full(7, 1.0))
    assert contact.braked()[0] == pytest.approx(q, abs=1e-7)
    assert contact.braked()[1] == pytest.approx(dq, abs=3e-5)


@pytest.mark.parametrize(("late", "taken"), [(0.0999, True), (0.1001, False)])
def test_a_new_state_that_is_old_is_not_taken(late, taken):
    contact = Contact()
    contact.halt(seen(START - 0.5), START - 0.5)
    state = seen(START - late)
    contact.halt(state, START)
    assert (contact.braked()[0] is state.position) is taken


def test_what_is_reckoned_stays_within_the_speeds_of_the_joints():
    contact = Contact()
    contact.halt(seen(velocity=0.99 * ARM.max_velocity))
    contact.stage.sent(np.full(7, 1e4))
    contact.halt(None)
    assert (np.abs(contact.braked()[1]) <= ARM.max_velocity).all()
    assert np.abs(contact.braked()[1]).max() == pytest.approx(ARM.max_velocity.max(), rel=0.3)
    assert len(set(contact.braked()[1].tolist())) > 2


def test_before_anything_is_known_nothing_is_reckoned():
    contact = Contact()
    assert contact.halt(None) == [0.0] * 7
    contact.stage.reset()
    contact.stage.apply(passing(seen(), command=contact.motion.law.torque))
    assert contact.halt(None) == [2.0] * 7, "a state was seen, but nothing was sent since"
    contact.stage.reset()
    contact.stage.sent(np.full(7, 3.0))
    assert contact.halt(None) == [0.0] * 7
    assert contact.filter.braked == []


def test_while_it_drives_the_arm_is_reckoned_where_a_state_repeats():
    contact = Contact()
    state, torque = seen(), np.array([5.0, -20.0, 3.0, 12.0, -1.0, 2.0, 0.5])
    for _ in range(2):
        contact.stage.apply(passing(state))
        assert contact.stage._reckoned == (state.position, state.velocity), "nothing was sent yet"
    contact.stage.sent(torque)
    contact.stage.apply(passing(state))
    assert contact.stage._reckoned[0] == pytest.approx(moved(scene.DOWN, SPEED, torque)[0], abs=3e-8)
    new = seen(START + 0.001)
    contact.stage.apply(passing(new))
    assert contact.stage._reckoned == (new.position, new.velocity)


@pytest.mark.parametrize("changed", [None, 0, 6])
def test_energy_is_credited_only_where_the_torques_leave_as_the_impedance_made_them(changed):
    contact = Contact()
    torque = contact.motion.law.torque
    torque[:] = np.arange(7.0)
    contact.motion.credit = True
    command = torque.copy()
    if changed is not None:
        contact.filter.answer = {"status": Outcome.FILTERED, "command": torque + 0.1 * np.eye(7)[changed]}
    contact.stage.apply(passing(seen(), command=command))
    assert contact.motion.credit is (changed is None)


def test_the_filter_is_told_what_presses_on_the_joints_and_what_is_around():
    contact = Contact()
    contact.motion.force[:] = [1.0, -2.0, 3.0]
    contact.stage.apply(passing(seen()))
    expected = contact.motion.tip.jacobian[:3].T @ [1.0, -2.0, 3.0]
    assert contact.filter.given[5] == pytest.approx(expected)
    assert len(contact.filter.given[3]) == 0
    contact.stage.apply(passing(seen(START + 0.001, balls=around(START + 0.001, 2))))
    assert len(contact.filter.given[3]) == 2
    assert dataclasses.is_dataclass(contact.filter.given[3])
