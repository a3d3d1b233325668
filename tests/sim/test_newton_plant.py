# SPDX-License-Identifier: Apache-2.0
"""The Newton plant keeps the contract of plants; where Newton is missing, one message says what to install."""

from contextlib import contextmanager

import mujoco
import numpy as np
import pytest

pytest.importorskip("newton", reason="needs Newton (pip install 'reflexarc[newton]')")
pytest.importorskip("mujoco_warp", reason="needs MuJoCo Warp (pip install 'reflexarc[newton]')")
pytest.importorskip("newton_usd_schemas", reason="needs pip install 'reflexarc[newton]'")
pytest.importorskip("pxr", reason="needs OpenUSD (pip install 'reflexarc[newton]')")

from reflexarc_sim.newton_plant.engine import NewtonEngine
from reflexarc_sim.newton_plant.plant import NewtonPlant

from .plant_contract import PlantContract


class TestNewtonPlant(PlantContract):
    @staticmethod
    def make(scenario):
        return NewtonPlant(scenario)

    @staticmethod
    @contextmanager
    def nobody_braces(plant):
        dofs = plant._assembly.pedestrian_dof.ravel()
        before = plant._engine.limit_efforts(dofs, np.zeros(len(dofs)))
        yield
        plant._engine.limit_efforts(dofs, before)


def test_contacts_that_do_not_fit_and_states_that_are_no_number_are_told():
    data = mujoco.MjData(
        mujoco.MjModel.from_xml_string(
            "<mujoco><worldbody><body><freejoint/><geom size='1'/></body></worldbody></mujoco>"
        )
    )
    engine = NewtonEngine.__new__(NewtonEngine)
    engine._overflow = False
    assert engine.problem(data) is None
    data.qvel[2] = np.nan
    assert engine.problem(data) == "non-finite state"
    data.qvel[2] = 0.0
    engine._overflow = True
    assert engine.problem(data) == "Newton's buffers of contacts were too small"
