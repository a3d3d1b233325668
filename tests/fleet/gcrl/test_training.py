# SPDX-License-Identifier: Apache-2.0
"""A short training of both stages, from recipe to files; stopped, gone on, and refused where files are damaged."""

import jax
import pytest
import yaml

from reflexarc.core.errors import ModelError
from reflexarc.fleet.gcrl.agent import load_agent
from reflexarc.fleet.gcrl.recipe import Recipe, train

SMALL = {
    "point": {"map": "Maze3x3", "factor": 2},
    "training": {
        "steps": 60, "environments": 16, "updates": 1, "batch": 16, "width": 8, "ring": 16, "refresh": 10,
        "groups": 2, "states": 4, "keep": 4, "tries": 2,
    },
    "constrained": {"limit": 2.0, "steps": 60},
}  # fmt: skip


@pytest.fixture(scope="module")
def compiled_once(tmp_path_factory):
    """Equal programmes are compiled once: trainings are repeated here."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = [getattr(jax.config, name) for name in names]
    jax.config.update(names[0], str(tmp_path_factory.mktemp("compiled")))
    jax.config.update(names[1], 0.5)
    yield
    for name, value in zip(names, before, strict=True):
        jax.config.update(name, value)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, compiled_once):
    folder = tmp_path_factory.mktemp("gcrl")
    recipe = folder / "small.yaml"
    recipe.write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    told = []
    train(recipe, folder / "one", lambda done, total, _: told.append((done, total)))
    return folder, recipe, told


def test_a_training_leaves_weights_recipe_and_log(trained):
    folder, _, told = trained
    assert told[-1] == (120, 120)
    names = {p.name for p in (folder / "one").iterdir()}
    assert names == {"unconstrained.safetensors", "constrained.safetensors", "recipe.yaml", "log.csv"}
    lines = (folder / "one" / "log.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("stage,step,")
    content = yaml.safe_load((folder / "one" / "recipe.yaml").read_text(encoding="utf-8"))
    assert Recipe.from_content(content, "again").content() == content


def test_a_stopped_training_ends_with_the_same_weights(trained):
    folder, recipe, _ = trained
    calls = 0

    def stop(done, total, figures):
        nonlocal calls
        calls += 1
        if calls == 3:  # in stage 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, folder / "two", stop)
    assert not (folder / "two" / "recipe.yaml").exists()
    train(recipe, folder / "two")
    for stage in ("unconstrained", "constrained"):
        one, two = (load_agent(folder / name / f"{stage}.safetensors") for name in ("one", "two"))
        assert one.digest == two.digest
    assert one.digest != load_agent(folder / "one" / "unconstrained.safetensors").digest


def test_damaged_weights_are_refused(trained, tmp_path):
    folder, *_ = trained
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes((folder / "one" / "constrained.safetensors").read_bytes()[:200])
    with pytest.raises(ModelError, match="not readable"):
        load_agent(bad)
    with pytest.raises(ModelError, match="not readable"):
        load_agent(tmp_path / "missing.safetensors")
