# SPDX-License-Identifier: Apache-2.0
"""Stages of small models for the tests of the USD export."""

import mujoco
import numpy as np
import pytest

pytest.importorskip("pxr", reason="stages need OpenUSD (pip install 'reflexarc[usd]')")

from reflexarc_sim.usd.export import export_stage
from reflexarc_sim.usd.source import Source, bare_source


@pytest.fixture
def stage_of():
    """Function MJCF text -> (source, export); `body` alone is put into a world with its compiler in radians."""

    def make(text, qpos=None, ctrl=None, **more):
        if not text.lstrip().startswith("<mujoco"):
            text = f"<mujoco><compiler angle='radian'/><worldbody>{text}</worldbody></mujoco>"
        model = mujoco.MjModel.from_xml_string(text)
        bare = bare_source(model)
        source = Source(
            "test",
            model,
            bare.qpos if qpos is None else np.asarray(qpos, dtype=float),
            bare.ctrl if ctrl is None else np.asarray(ctrl, dtype=float),
            **more,
        )
        return source, export_stage(source)

    return make
