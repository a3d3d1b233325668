# SPDX-License-Identifier: Apache-2.0
"""The energy tank: it never runs empty, and the arm never has more energy than it was given.

Oracle of the balance: pinocchio's forward dynamics with a fine midpoint rule and an outside force, whose work is
summed there; kinetic energy from pinocchio's own function.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("pinocchio", reason="arms need pinocchio (pip install 'reflexarc[arms]')")

import pinocchio

from reflexarc.core.errors import ConfigError
from reflexarc.reflex.impedance.law import ImpedanceLaw
from reflexarc.reflex.impedance.spring import Spring
from reflexarc.reflex.impedance.tank import EnergyTank
from reflexarc.reflex.impedance.tip import TipModel, with_tool
from reflexarc.robots.arm import load_arm

ARM = with_tool(load_arm("panda"), 0.10, 0.05)
DOWN = np.array([0.0, 0.2343, 0.0, -2.4009, 0.0, 2.6353, 0.7854])
PERIOD = 0.001
reals = st.floats(-1.0, 1.0)
matrices = st.lists(reals, min_size=9, max_size=9)


def positive(numbers, least=20.0, scale=1500.0):
    a = np.array(numbers).reshape(3, 3)
    return scale * a @ a.T + least * np.eye(3)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(matrices, st.lists(reals, min_size=3, max_size=3), st.lists(reals, min_size=3, max_size=3),
                       st.lists(reals, min_size=5, max_size=5), st.floats(0.0, 1.0)), min_size=1, max_size=12),
    st.floats(0.0, 0.4),
)  # fmt: skip
def test_no_sequence_of_changes_takes_more_than_there_is(changes, room):
    tank = EnergyTank(0.1 + room, 0.1, 1.0)
    spring = Spring(100.0 * np.eye(3), tank)
    spring.restart(np.zeros(3))
    held = spring.energy + tank.energy
    for numbers, goal, where, speeds, share in changes:
        tip = 0.05 * np.array(where)
        damping = 60.0 * np.eye(5)
        spring.measure(tip)
        moved = spring.energy  # the tip moved: work that is not the tank's
        spring.aim(0.1 * np.array(goal), positive(numbers), 0.1)
        before = tank.energy
        spring.stiffen()
        spring.advance(damping, np.array(speeds), PERIOD, math.inf)
        if before + moved < 0.9:
            # What the spring and the damper got is what the tank lost.
            got = spring.energy - moved + spring.dragged
            assert before - tank.energy == pytest.approx(got, abs=1e-9)
        cut_before = spring.energy + spring.dragged
        spring.cut(share, share, share, tip)
        assert spring.energy + spring.dragged <= cut_before + 1e-12
        assert tank.energy >= tank.least - 1e-12
        assert tank.energy <= tank.most
        assert np.linalg.eigvalsh(spring.stiffness)[0] > 0.0
    assert tank.underflows == 0
    assert held > 0.0


def test_an_empty_tank_lets_nothing_stiffen_and_no_reference_stretch():
    tank = EnergyTank(0.1, 0.1, 1.0)
    spring = Spring(100.0 * np.eye(3), tank)
    spring.restart(np.zeros(3))
    spring.measure(np.array([-0.02, 0.0, 0.0]))
    spring.aim(np.array([0.1, 0.0, 0.0]), 1000.0 * np.eye(3), 0.1)
    before = spring.energy
    spring.stiffen()
    assert spring.energy == before
    assert spring.advance(np.eye(5), np.zeros(5), PERIOD, math.inf) == 0.0
    assert spring.reference.tolist() == [0.0, 0.0, 0.0]
    # Where it costs nothing it is granted: less stiffness, and a reference that comes nearer.
    spring.aim(np.array([-0.02, 0.0, 0.0]), 50.0 * np.eye(3), 0.1)
    spring.stiffen()
    assert spring.stiffness[0, 0] == 50.0
    assert spring.advance(np.eye(5), np.zeros(5), PERIOD, math.inf) == 1.0
    assert tank.energy > 0.1


def test_stiffness_rises_exactly_as_far_as_the_tank_pays():
    tank = EnergyTank(0.2, 0.1, 1.0)
    spring = Spring(100.0 * np.eye(3), tank)
    spring.restart(np.zeros(3))
    spring.measure(np.array([-0.02, 0.0, 0.0]))
    spring.aim(np.zeros(3), 1100.0 * np.eye(3), 0.1)
    spring.stiffen()  # 1000 N/m more would cost 0.2 J, half of which is there
    assert spring.stiffness[0, 0] == pytest.approx(600.0)
    assert tank.energy == pytest.approx(0.1)


def test_stretch_that_a_reflex_drops_goes_back_to_the_tank():
    tank = EnergyTank(0.5, 0.1, 1.0)
    spring = Spring(1000.0 * np.eye(3), tank)
    spring.restart(np.array([0.02, 0.0, 0.0]))
    spring.drop(np.zeros(3))
    assert tank.energy == pytest.approx(0.5 + 0.5 * 1000.0 * 0.02**2)
    assert spring.energy == 0.0


def test_parts_of_a_coupled_spring_are_only_cut_together_where_one_alone_would_raise_its_energy():
    tank = EnergyTank(0.5, 0.1, 1.0)
    coupled = np.array([[500.0, 0.0, -480.0], [0.0, 500.0, 0.0], [-480.0, 0.0, 500.0]])
    spring = Spring(coupled, tank)
    spring.restart(np.array([0.02, 0.0, 0.02]))
    spring.measure(np.zeros(3))
    before = spring.energy
    spring.cut(1.0, 0.1, 1.0, np.zeros(3))
    assert spring.energy < before
    assert tank.energy == pytest.approx(0.5 + before - spring.energy)


@pytest.mark.parametrize(
    "bad",
    [{"least": 0.0}, {"energy": 5.0}, {"energy": 0.05}, {"most": math.inf}, {"share": 1.1}, {"refill": -1.0}],
)
def test_tanks_that_make_no_sense_are_refused(bad):
    with pytest.raises(ConfigError):
        EnergyTank(**bad)


class Balance:
    """An arm under impedance whose energy is summed."""

    def __init__(self, tank):
        self.tip = TipModel(ARM)
        self.law = ImpedanceLaw(self.tip, posture=DOWN)
        self.tank = tank
        self.spring = Spring(300.0 * np.eye(3), tank)
        self.q, self.dq = DOWN.copy(), np.zeros(7)
        self.data = ARM.model.createData()
        self.work = 0.0
        self.frame = ARM.model.getFrameId(ARM.end_effector)
        self.tip.update(self.q, self.dq)
        self.spring.restart(self.tip.position)
        self.begun = False

    def tick(self, force, braking=0.0, steps=4):
        self.tip.update(self.q, self.dq)
        self.spring.measure(self.tip.position)
        if self.begun:
            self.law.settle(self.spring, PERIOD, self.tank)
        self.spring.stiffen()
        self.law.shape(self.spring.stiffness)
        self.spring.advance(self.law.damping, self.tip.speeds, PERIOD, math.inf)
        torque = self.law.command(self.spring, braking, PERIOD, self.tank).copy()
        self.begun = True
        kinetic = pinocchio.computeKineticEnergy(ARM.model, self.data, self.q, self.dq)
        stored = kinetic + self.law.potential(self.spring) + self.tank.energy + self.law.paid - self.work
        h = PERIOD / steps
        for _ in range(steps):
            push = self.pushed(self.q, force)
            first = pinocchio.aba(ARM.model, self.data, self.q, self.dq, torque + push)
            q, dq = self.q + h / 2 * self.dq, self.dq + h / 2 * first
            push = self.pushed(q, force)
            second = pinocchio.aba(ARM.model, self.data, q, dq, torque + push)
            self.work += h * float(push @ dq)
            self.q, self.dq = self.q + h * dq, self.dq + h * second
        return stored

    def pushed(self, q, force):
        full = pinocchio.computeFrameJacobian(
            ARM.model, self.data, q, self.frame, pinocchio.LOCAL_WORLD_ALIGNED
        )
        return full[:3].T @ force


@pytest.mark.integration
@pytest.mark.parametrize("seed", range(4))
def test_energy_of_arm_spring_and_tank_grows_by_the_work_of_its_surroundings_only(seed):
    rng = np.random.default_rng(seed)
    arm = Balance(EnergyTank(1.0, 0.1, 1e3))
    stored, force = [], np.zeros(3)
    for k in range(700):
        if k % 100 == 0:
            goal = DOWN_TIP + 0.05 * rng.uniform(-1.0, 1.0, 3)
            stiffness = positive(rng.uniform(-1.0, 1.0, 9), 100.0, 500.0)
            arm.spring.aim(goal, stiffness, 0.1)
        if k % 150 == 0:
            force = rng.normal(0.0, 12.0, 3)
        stored.append(arm.tick(force, braking=float(rng.choice([0.0, 80.0]))))
    stored = np.array(stored)
    assert np.diff(stored).max() < 1e-6
    assert stored[-1] < stored[0]
    assert arm.tank.underflows == 0
    assert np.abs(arm.dq).max() > 0.02  # something did move


@pytest.mark.integration
def test_a_starved_arm_moves_on_what_it_dissipates_and_its_tank_stays_above_zero():
    rng = np.random.default_rng(0)
    arm = Balance(EnergyTank(0.11, 0.1, 4.0, share=0.5))
    lowest, moved = math.inf, 0.0
    for k in range(600):
        if k % 100 == 0:
            side = 0.04 * np.array([math.cos(k), math.sin(k), 0.0])
            arm.spring.aim(DOWN_TIP + side, np.diag([*rng.uniform(100.0, 1500.0, 2), 1000.0]), 0.1)
        arm.tick(np.zeros(3))
        lowest = min(lowest, arm.tank.energy)
        moved = max(moved, float(np.linalg.norm(arm.tip.position - DOWN_TIP)))
    assert arm.tank.underflows == 0
    assert 0.05 < lowest <= 0.11
    assert moved < 0.03  # it would go 0.04 m if everything were paid


DOWN_TIP = np.array(Balance(EnergyTank()).tip.position)
