# SPDX-License-Identifier: Apache-2.0
"""Stages of small models for the tests of the USD export."""

import os
from pathlib import Path

import mujoco
import numpy as np
import pytest

pytest.importorskip("pxr", reason="stages need OpenUSD (pip install 'reflexarc[usd]')")

from reflexarc_sim.scenario import load_scenario
from reflexarc_sim.usd.export import export_stage
from reflexarc_sim.usd.source import Source, bare_source, scenario_source


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


@pytest.fixture
def shipped(monkeypatch):
    """Function (name, start) -> source of a shipped scenario; skips where its data are missing."""

    def make(name, start=True):
        configured = os.environ.get("REFLEXARC_DATA")
        folder = Path(configured) if configured else Path(__file__).resolve().parents[3] / "shared" / "data"
        if name == "recorded_eth":
            if not (folder / "pedestrians/biwi_eth.txt").is_file():
                pytest.skip(f"no pedestrians/biwi_eth.txt under {folder}; set REFLEXARC_DATA")
            monkeypatch.setenv("REFLEXARC_DATA", str(folder))
        return scenario_source(load_scenario(name), seed=0, start=start)

    return make
