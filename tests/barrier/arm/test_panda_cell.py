# SPDX-License-Identifier: Apache-2.0
"""The Panda's cell as a system: its kinematics against pinocchio, its margin against distances made with numpy."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pinocchio as pin
import pytest

from reflexarc.barrier.certify.identity import system_hash
from reflexarc.core.errors import ModelError, UnknownNameError
from reflexarc.robots.systems import ARM_SYSTEMS, SYSTEMS, find_system
from reflexarc.robots.systems.integrate import batched, stepper
from reflexarc.robots.systems.panda_cell import BOXES, GOAL, Kinematics


@pytest.fixture(scope="module")
def cell():
    return find_system("panda_cell")


def centres(arm, q):
    """Return the spheres' centres by pinocchio, shape (s, 3)."""
    data = arm.model.createData()
    pin.framesForwardKinematics(arm.model, data, q)
    placed = [data.oMf[arm.model.getFrameId(link)] for link in arm.spheres.links]
    return np.array([p.act(np.array(c)) for p, c in zip(placed, arm.spheres.centre, strict=True)])


def box_gap(point, centre, half):
    """Return the distance of a point from a box, or minus its depth in it."""
    low, high = np.subtract(centre, half), np.add(centre, half)
    if (point > low).all() and (point < high).all():
        return -min(np.min(point - low), np.min(high - point))
    return float(np.linalg.norm(point - np.clip(point, low, high)))


def clearance(arm, q):
    """Return l(q), one distance after the other."""
    c, r, free = centres(arm, q), arm.spheres.radius, range(arm.spheres.moving)
    gaps = [c[i, 2] - r[i] for i in free]
    gaps += [box_gap(c[i], *box) - r[i] for box in BOXES for i in free]
    gaps += [float(np.linalg.norm(c[i] - c[j])) - r[i] - r[j] for i, j in arm.spheres.pairs]
    return min(gaps)


def test_kinematics_in_jax_are_pinocchios(panda):
    q = np.random.default_rng(0).uniform(panda.lower, panda.upper, (100, 7))
    expected = np.array([centres(panda, one) for one in q])
    assert np.abs(batched(Kinematics(panda).centres)(q) - expected).max() < 1e-9


def test_margin_is_the_smallest_distance(panda, cell):
    rng = np.random.default_rng(1)
    q = np.vstack(
        [rng.uniform(cell.low, cell.high, (150, 7)), rng.uniform(panda.lower, panda.upper, (150, 7))]
    )
    expected = np.array([clearance(panda, one) for one in q])
    assert batched(cell.margin)(q) == pytest.approx(expected, abs=1e-8)
    assert (expected < 0.0).any() and (expected > 0.1).any()


def test_the_system_is_the_arm_under_velocity_commands(panda, cell):
    assert tuple(c.name for c in cell.state) == panda.joints
    assert (cell.inputs.upper == panda.max_velocity).all() and (
        cell.inputs.lower == -panda.max_velocity
    ).all()
    assert (cell.low > panda.lower).all() and (cell.high < panda.upper).all()
    q = np.random.default_rng(2).uniform(cell.low, cell.high, (20, 7))
    u = np.random.default_rng(3).uniform(cell.inputs.lower, cell.inputs.upper, (20, 7))
    assert stepper(cell)(q, u)[-1] == pytest.approx(q + cell.period * u, abs=1e-12)
    nominal = batched(cell.nominal)(q)
    assert (np.abs(nominal) <= panda.max_velocity + 1e-12).all()
    assert ((np.array(GOAL) - q) * nominal >= 0.0).all()


def test_home_is_free_and_the_task_asks_for_a_place_that_is_not(panda, cell):
    assert batched(cell.margin)(np.array([panda.home, GOAL])).tolist() == pytest.approx(
        [0.1426, -0.0512], abs=1e-3
    )


def test_the_hash_of_the_system_depends_on_what_stands_in_the_cell(cell):
    assert system_hash(cell) == system_hash(replace(cell))
    assert system_hash(replace(cell, margin=lambda q: cell.margin(q) + 1e-3)) != system_hash(cell)


def test_systems_are_found_by_name_in_both_tables():
    assert find_system("boat") is SYSTEMS["boat"]
    assert find_system("panda_cell") is find_system("panda_cell")
    assert not set(SYSTEMS) & set(ARM_SYSTEMS)
    with pytest.raises(UnknownNameError, match=r"'panda_cel' in my file; allowed: .*boat.*panda_cell"):
        find_system("panda_cel", "my file")


def test_systems_can_be_imported_without_pinocchio():
    code = (
        "import sys; sys.modules['pinocchio'] = None\n"
        "from reflexarc.robots.systems import SYSTEMS, find_system\n"
        "from reflexarc.core.errors import ModelError\n"
        "find_system('boat')\n"
        "try:\n    find_system('panda_cell')\nexcept ModelError as error:\n    print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert "reflexarc[arms]" in run.stdout


def test_an_arm_that_is_no_chain_of_joints_about_z_is_refused(panda):
    model = pin.Model()
    model.addJoint(0, pin.JointModelRX(), pin.SE3.Identity(), "tilt")
    with pytest.raises(ModelError, match="only a chain of joints about z"):
        Kinematics(replace(panda, joints=("tilt",), model=model))
