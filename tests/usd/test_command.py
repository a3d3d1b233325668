# SPDX-License-Identifier: Apache-2.0
"""The command: what it prints, what it refuses, and what it leaves of a file that was there."""

import json
import subprocess
import sys

import mujoco
import numpy as np
import pytest
from pxr import Sdf, Usd, UsdPhysics

from reflexarc.cli import EXIT_FAILED, EXIT_NOT_ACCEPTABLE, main
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc_sim.usd import compare as compare_module
from reflexarc_sim.usd.compare import Gap, Gaps
from reflexarc_sim.usd.export import export_stage, open_stage, target_file, write_stage
from reflexarc_sim.usd.source import bare_source, check_finite


def test_it_writes_a_stage_and_says_what_is_in_it(tmp_path, capsys):
    assert main(["export", "usd", "sidewalk_calm", "--out", str(tmp_path), "--seed", "2"]) == 0
    said = capsys.readouterr()
    assert "rigid bodies" in said.out
    assert "pedestrian (4)" in said.out
    assert "could not be expressed:\n  friction" in said.out
    assert "largest difference" in said.out
    assert "no findings" in said.out
    assert "wrote" in said.err
    stage = Usd.Stage.Open(str(tmp_path / "sidewalk_calm.usda"))
    assert stage.GetDefaultPrim().GetCustomData()["reflexarc"]["seed"] == 2
    assert [p.name for p in tmp_path.iterdir()] == ["sidewalk_calm.usda"]


def test_its_last_line_is_one_object(tmp_path, capsys):
    out = tmp_path / "maze.usdc"
    assert main(["export", "usd", "maze_arm", "--out", str(out), "--json", "--set", "cell.balls=1"]) == 0
    said = capsys.readouterr()
    content = json.loads(said.out.splitlines()[-1])
    assert content["file"] == str(out)
    assert content["counts"]["rigid bodies"] == 10
    assert content["equal"] is True
    assert max(content["differences"].values()) < 1e-6
    assert content["not_expressed"] == []
    assert said.err == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "unknown scenario 'nowhere'"),
        (["maze_arm", "--out", "{here}/missing/stage.usda"], "there is no folder"),
        (["maze_arm", "--out", "{here}/stage.obj"], "a stage ends in .usda, .usdc, .usd"),
        (["maze_arm", "--seed", "1-3"], "--seed '1-3': expected one whole number"),
        (["maze_arm", "--set", "cell.balls=many"], "cell.balls"),
        (["maze_arm", "--set", "no.such=1"], "unknown key"),
    ],
)
def test_a_request_that_is_not_acceptable_is_explained_and_writes_nothing(
    words, message, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(["export", "usd", *(w.format(here=tmp_path) for w in words)]) == EXIT_NOT_ACCEPTABLE
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_openusd_one_message_says_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pxr", None)
    assert main(["export", "usd", "maze_arm", "--out", str(tmp_path)]) == EXIT_NOT_ACCEPTABLE
    said = capsys.readouterr().err
    assert "pip install 'reflexarc[usd]'" in said
    assert len(said.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_stage_that_differs_from_its_model_is_a_failure(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(compare_module, "compare", lambda *_: Gaps({"mass [of itself]": Gap(0.5, "hand")}))
    assert main(["export", "usd", "maze_arm", "--out", str(tmp_path)]) == EXIT_FAILED
    assert "DIFFERS  mass [of itself]: 0.5 at hand" in capsys.readouterr().out


@pytest.fixture
def stage():
    model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='1'/></worldbody></mujoco>")
    return export_stage(bare_source(model)).stage


def test_a_file_is_as_before_when_the_new_one_cannot_be_written(stage, tmp_path, monkeypatch):
    path = tmp_path / "stage.usda"
    path.write_text("precious")
    monkeypatch.setattr(Sdf.Layer, "Export", lambda *_: False)
    with pytest.raises(ConfigError, match=r"cannot be written .*; what was there is as before"):
        write_stage(stage, path)
    assert path.read_text() == "precious"
    assert [p.name for p in tmp_path.iterdir()] == ["stage.usda"]


def test_a_folder_with_the_name_of_the_file_is_not_replaced(stage, tmp_path):
    (tmp_path / "stage.usda").mkdir()
    with pytest.raises(ConfigError, match="cannot be written"):
        write_stage(stage, tmp_path / "stage.usda")
    assert [p.name for p in tmp_path.iterdir()] == ["stage.usda"]


def test_the_file_goes_where_it_is_told(tmp_path):
    assert target_file(None, "walk").name == "walk.usda"
    assert target_file(tmp_path, "walk") == tmp_path / "walk.usda"
    assert target_file(tmp_path / "other.usdc", "walk") == tmp_path / "other.usdc"


@pytest.mark.parametrize("content", ["#usda 1.0\n(", "no stage at all"])
def test_what_is_no_stage_is_refused(content, tmp_path):
    path = tmp_path / "broken.usda"
    path.write_text(content)
    with pytest.raises(ConfigError, match="is no OpenUSD stage"):
        open_stage(path)
    with pytest.raises(ConfigError, match="is no OpenUSD stage"):
        open_stage(tmp_path / "absent.usda")


@pytest.mark.parametrize(
    ("field", "index"),
    [("body_mass", 1), ("body_inertia", (1, 2)), ("jnt_range", (0, 1)), ("geom_size", (0, 0)), ("qpos0", 0)],
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_model_with_a_number_that_is_not_finite_is_refused_and_the_number_named(field, index, value):
    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><body><joint range='-1 1'/><geom size='0.1'/></body></worldbody></mujoco>"
    )
    check_finite(model)
    getattr(model, field)[index] = value
    with pytest.raises(ModelError, match=f"{field}.* of the model is not finite"):
        bare_source(model)


def test_a_body_that_moves_without_mass_is_refused_and_named(stage_of):
    with pytest.raises(ModelError, match="body 'light' has joints and no mass of its own"):
        stage_of(
            """<body name="light"><joint/><body name="heavy"><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>
               <geom size="0.1"/></body></body>"""
        )


def test_units_axis_gravity_and_time_step(stage_of):
    _, made = stage_of(
        "<mujoco><option timestep='0.0025' gravity='3 0 -4'/><worldbody><geom size='1'/></worldbody></mujoco>"
    )
    scene = UsdPhysics.Scene(made.stage.GetPrimAtPath("/World/Physics/Scene"))
    assert scene.GetGravityMagnitudeAttr().Get() == 5.0
    assert np.allclose(scene.GetGravityDirectionAttr().Get(), (0.6, 0, -0.8))
    assert scene.GetPrim().GetAttribute("physxScene:timeStepsPerSecond").Get() == 400
    text = made.stage.GetRootLayer().ExportToString()
    for line in ('upAxis = "Z"', "metersPerUnit = 1", "kilogramsPerUnit = 1", 'defaultPrim = "World"'):
        assert line in text
    weightless, odd = (
        f"<mujoco><option {option}/><worldbody><geom size='1'/></worldbody></mujoco>"
        for option in ("gravity='0 0 0'", "timestep='0.003'")
    )
    _, made = stage_of(weightless)
    scene = UsdPhysics.Scene(made.stage.GetPrimAtPath("/World/Physics/Scene"))
    assert scene.GetGravityMagnitudeAttr().Get() == 0.0
    assert any("no whole number of steps per second: 333 Hz" in t for t in stage_of(odd)[1].lost)


def test_importing_the_room_and_the_library_needs_no_openusd():
    code = """import sys; sys.modules["pxr"] = None
import reflexarc.cli.export, reflexarc_sim.usd, reflexarc_sim.usd.source, reflexarc_sim.usd.needs"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
