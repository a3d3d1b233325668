# SPDX-License-Identifier: Apache-2.0
"""`reflexarc run` with a scenario of a quadruped, in lock-step; `reflexarc train fall`."""

import json

import numpy as np
import pytest
import yaml
from safetensors import safe_open

from reflexarc.cli import main
from reflexarc.robots.quadruped import load_quadruped
from reflexarc.walking.fall import load_fall

COMMAND = ["run", "quadruped_push", "--lockstep", "--quiet", "--no-render", "--duration", "3.6"]


def test_a_run_leaves_figures_log_and_a_report(tmp_path, capsys):
    assert main([*COMMAND, "--json", "--compare", "--seeds", "0,1", "--out", str(tmp_path)]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])["columns"]
    assert list(figures) == ["with reflexes", "without reflexes"]
    first = figures["with reflexes"][0]
    assert first["outcome"] == "time" and first["success"] and first["pushes"] == 1 and not first["faults"]
    assert first["threshold"] is not None and figures["without reflexes"][0]["threshold"] is None
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "without reflexes" in page and page.count("<svg") == 1 + 4
    folder = tmp_path / "lockstep-0-reflexes"
    assert json.loads((folder / "summary.json").read_text(encoding="utf-8")) == first
    with np.load(folder / "log.npz") as log:
        assert len(log["time"]) == 900 and np.isfinite(log["risk"]).all() and len(log["pushes"]) >= 1
        assert np.linalg.norm(log["push"], axis=1).max() == pytest.approx(first["push_most_n"])


def test_a_run_alone_prints_its_summary(capsys):
    assert main([*COMMAND, "--json", "--seed", "2", "--set", "arc.walker.critic=false"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["seed"] == 2 and figures["reflexes"] == 0 and figures["risk_most"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--learned"], "--learned does not apply"),
        (["--no-arc"], "--no-arc does not apply"),
        (["--duration", "soon"], "--duration 'soon': expected a time"),
        (["--set", "walk.policy=missing.safetensors"], "not a readable file"),
        (["--set", "arc.walker.fall=''"], "arc.walker.fall"),
        (["--set", "arc.rate_hz=200"], "in lock-step they must agree"),
        (["--set", "walk.ground=ice"], "allowed: plane, tiles"),
    ],
)
def test_a_request_that_is_not_acceptable_says_why(words, message, tmp_path, capsys):
    assert main([*COMMAND, *words, "--out", str(tmp_path)]) != 0
    assert message in capsys.readouterr().err


RECIPE = {
    "robot": "go1", "policy": "go1/hinf/walk/hinf.safetensors", "recovery": "go1/hinf/walk/hinf.safetensors",
    "rollouts": {"episodes": 12, "length_s": 4.0, "sudden_n": 250.0, "continuous_n": 100.0, "calm_share": 0.0},
    "network": {"hidden": [8], "steps": 60, "batch": 64},
    "threshold": {"grid": [0.3, 0.6], "episodes": 6, "length_s": 6.0, "sudden_n": 120.0},
}  # fmt: skip


def content(path):
    """Return what is in a file of weights; the order of its header's words changes from writing to writing."""
    with safe_open(path, framework="numpy") as file:
        return file.metadata(), {name: file.get_tensor(name).tobytes() for name in file.keys()}


def test_a_recipe_becomes_a_critic_that_the_arc_takes_and_again_the_same(tmp_path, capsys):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE))
    out, again = tmp_path / "out", tmp_path / "again"
    assert main(["train", "fall", str(recipe), "--out", str(out), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "calibration error" in said and "without reflex" in said and "threshold" in said
    assert {p.name for p in out.iterdir()} == {"fall.safetensors", "recipe.yaml", "log.csv"}
    critic = load_fall(out / "fall.safetensors", load_quadruped("go1"))
    assert critic.threshold in (0.3, 0.6) and len(critic.recipe["figures"]["falls_by_threshold"]) == 2
    assert main(["train", "fall", str(out / "recipe.yaml"), "--out", str(again), "--quiet"]) == 0
    for name in ("recipe.yaml", "log.csv"):
        assert (out / name).read_bytes() == (again / name).read_bytes(), name
    first, second = (content(folder / "fall.safetensors") for folder in (out, again))
    assert first == second
    words = [*COMMAND[:-1], "0.5", "--json", "--set", f"arc.walker.fall={out / 'fall.safetensors'}"]
    assert main(words) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"robot": "aliengo"}, "policy of 'go1'; wanted: one of 'aliengo'"),
        ({"policy": "nowhere.safetensors"}, "not a readable file"),
        ({"rollouts": {"episodes": 2, "length_s": 3.0, "sudden_n": 0.0, "continuous_n": 0.0}}, "nobody fell"),
        ({"rollouts": {"randomisation": {"friction": [2.0, 1.0]}}}, "is no range"),
        ({"steps": 3}, "unknown key 'steps'"),
    ],
)
def test_a_training_that_cannot_be_says_why(tmp_path, capsys, change, message):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE | change))
    assert main(["train", "fall", str(recipe), "--out", str(tmp_path / "out"), "--quiet"]) != 0
    assert message in capsys.readouterr().err
