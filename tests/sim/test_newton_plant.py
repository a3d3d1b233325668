# SPDX-License-Identifier: Apache-2.0
"""The Newton plant keeps the contract of plants; where Newton is missing, one message says what to install."""

from contextlib import contextmanager

import numpy as np
import pytest

pytest.importorskip("newton", reason="needs Newton (pip install 'reflexarc[newton]')")
pytest.importorskip("mujoco_warp", reason="needs MuJoCo Warp (pip install 'reflexarc[newton]')")
pytest.importorskip("newton_usd_schemas", reason="needs pip install 'reflexarc[newton]'")
pytest.importorskip("pxr", reason="needs OpenUSD (pip install 'reflexarc[newton]')")

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
