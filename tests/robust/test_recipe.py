# SPDX-License-Identifier: Apache-2.0
"""Trainings of actor and disturber by recipe: files, beginning with other weights, requests that are refused."""

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from reflexarc.cli import main
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.core.paths import models_dir
from reflexarc.robust.recipe import LOG, RECIPE, WEIGHTS, read_recipe, train
from reflexarc.robust.weights import load, load_tensors
from reflexarc_sim.quadruped.settings import make_walk
from reflexarc_sim.scenario import load_scenario

LINEAR = {
    "problem": "double_integrator",
    "episodes": 8,
    "linear": {"horizon": 20, "regulator": "lqr", "spread": 1.0},
    "training": {
        "iterations": 3, "steps": 10, "hidden": [], "disturber_hidden": [4], "critic_hidden": [8],
        "ppo": {"batches": 1, "epochs": 1},
    },
}  # fmt: skip
WALK = {
    "problem": "quadruped",
    "episodes": 4,
    "quadruped": {"robot": "go1", "randomisation": {"com": 0.01}},
    "training": LINEAR["training"] | {"hidden": [8], "steps": 5, "fall": 75.0, "limits": {"most": 20.0}},
}


def written(path, content):
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize("content", [LINEAR, WALK], ids=["linear", "quadruped"])
def test_a_recipe_becomes_a_folder_that_says_how_it_was_made(tmp_path, capsys, content):
    recipe = written(tmp_path / "recipe.yaml", content)
    out = tmp_path / "out"
    assert main(["train", "hinf", str(recipe), "--seed", "7", "--out", str(out), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "seed 7" in said and "cost per intensity" in said
    assert ("upright after 20 s" in said) == (content is WALK)
    assert sorted(p.name for p in out.iterdir()) == sorted((WEIGHTS, RECIPE, LOG, "curves.png"))
    policies, made_by = load(out / WEIGHTS)
    assert made_by["seed"] == 7 and policies["actor"].outputs == (12 if content is WALK else 1)
    assert len((out / LOG).read_text().splitlines()) == 4
    again = tmp_path / "again"
    assert main(["train", "hinf", str(out / RECIPE), "--out", str(again), "--quiet"]) == 0
    for name, tensor in load_file(out / WEIGHTS).items():
        np.testing.assert_array_equal(tensor, load_file(again / WEIGHTS)[name], err_msg=name)


def test_another_training_may_be_begun_with(tmp_path):
    first = written(tmp_path / "recipe.yaml", WALK)
    train(first, tmp_path / "calm", make_walk)
    second = WALK | {"start": "calm", "training": WALK["training"] | {"iterations": 0}}
    train(written(tmp_path / "next.yaml", second), tmp_path / "next", make_walk)
    before, after = (load_tensors(tmp_path / name / WEIGHTS)[0] for name in ("calm", "next"))
    for name, tensor in before.items():
        same = np.allclose(tensor, after[name], rtol=1e-4, atol=1e-6)
        assert same or name.startswith("disturber"), name
    frozen = WALK | {"start": "calm", "training": WALK["training"] | {"actor": False}}
    train(written(tmp_path / "frozen.yaml", frozen), tmp_path / "frozen", make_walk)
    after = load_tensors(tmp_path / "frozen" / WEIGHTS)[0]
    acts = [name for name in before if name.startswith(("actor", "observation"))]
    assert len(acts) == 7, "two layers, the deviation, the scale of what is seen"
    for name in acts:  # the actor that was taken is still the same after a training in which it is frozen
        np.testing.assert_allclose(after[name], before[name], rtol=1e-6, err_msg=name)
    assert not np.array_equal(after["critic.0.weight"], before["critic.0.weight"])
    other = WALK | {"start": "calm", "training": WALK["training"] | {"hidden": [16]}}
    with pytest.raises(ModelError, match=r"does not fit go1: actor\.0\.weight of shape \(8, 50\)"):
        train(written(tmp_path / "other.yaml", other), tmp_path / "other", make_walk)
    with pytest.raises(ModelError, match="not a readable"):
        train(
            written(tmp_path / "gone.yaml", WALK | {"start": "nowhere.safetensors"}),
            tmp_path / "gone",
            make_walk,
        )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"training": {"limits": {"most": 0.0}}}, "largest push of 0"),
        ({"training": {"limits": {"most": -1.0}}}, "most: -1.0 is out of bounds"),
        ({"training": {"limits": {"energy": -1.0}}}, "energy"),
        ({"problem": "moon"}, "moon"),
        ({"quadruped": {"robot": "go3"}}, "aliengo, go1"),
        ({"quadruped": {"pushed": "tail"}}, "tail"),
        ({"training": {"pushes": "sometimes"}}, "sometimes"),
        ({"speed": 3}, "speed"),
    ],
)
def test_requests_that_cannot_be_met_are_refused_before_anything_is_written(tmp_path, capsys, change, words):
    content = {**WALK, **change}
    if "training" in change:
        content["training"] = {**WALK["training"], **change["training"]}
    recipe = written(tmp_path / "recipe.yaml", content)
    assert main(["train", "hinf", str(recipe), "--out", str(tmp_path / "out"), "--quiet"]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_nobody_may_push_with_a_largest_push_of_zero(tmp_path):
    calm = WALK["training"] | {"limits": {"most": 0.0}, "pushes": "none"}
    assert read_recipe(written(tmp_path / "recipe.yaml", WALK | {"training": calm})).training.pushes == "none"
    with pytest.raises(ConfigError, match="no such file"):
        read_recipe(tmp_path / "nothing.yaml")


def test_a_half_written_checkpoint_loses_nothing(tmp_path, capsys):
    """A checkpoint is replaced in one go: what a killed write leaves is the `.partial` beside it, which is not read."""
    recipe, out = written(tmp_path / "recipe.yaml", LINEAR), tmp_path / "out"
    out.mkdir()
    (out / "checkpoint.partial").write_bytes(b"half")
    assert main(["train", "hinf", str(recipe), "--out", str(out), "--quiet"]) == 0
    (out / "checkpoint.safetensors").write_bytes(b"damaged")
    capsys.readouterr()
    assert main(["train", "hinf", str(recipe), "--out", str(out), "--quiet"]) == 1
    assert "not a readable checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["mass_spring_damper", "double_integrator", "cart_pole"])
def test_the_committed_recipes_ask_for_a_tenth_more_than_the_least_gain(name):
    from reflexarc.robust.linear.game import least_gain  # noqa: PLC0415
    from reflexarc.robust.linear.systems import system  # noqa: PLC0415

    recipe = read_recipe(models_dir() / "hinf" / name / "recipe.yaml")
    assert recipe.problem == name
    assert recipe.training.eta == pytest.approx(1.1 * least_gain(system(name)).gain, rel=2e-3)


def test_an_attack_on_a_policy_that_is_no_walkers_is_refused(tmp_path, capsys):
    train(written(tmp_path / "recipe.yaml", LINEAR), tmp_path / "out", make_walk)
    scenario = load_scenario("quadruped_push").source
    walk = {**scenario["walk"], "policy": str(tmp_path / "out" / WEIGHTS)}
    written(tmp_path / "walk.yaml", {**scenario, "walk": walk})
    asked = ["robust", "attack", str(tmp_path / "walk.yaml"), "--out", str(tmp_path / "x"), "--quiet"]
    assert main(asked) == 1
    assert "a policy of 'double_integrator'; wanted: one of a quadruped" in capsys.readouterr().err
