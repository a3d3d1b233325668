# SPDX-License-Identifier: Apache-2.0
"""`reflexarc train barrier`: what it writes, and what it refuses."""

import numpy as np
import pytest
import yaml

from reflexarc.barrier.learn.dataset import data_hash, load_dataset
from reflexarc.barrier.learned import load_barrier
from reflexarc.cli import main

SMALL = {"steps": 200, "hidden": [8, 8], "members": 1, "margin_steps": 200, "support_steps": 100, "batch": 64}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(SMALL))
    return path


def test_a_training_writes_barrier_recipe_log_and_data_and_can_be_repeated_from_them(
    tmp_path, config, capsys
):
    out, data = tmp_path / "out", tmp_path / "data"
    words = [
        "train",
        "barrier",
        "boat",
        "--transitions",
        "2000",
        "--config",
        str(config),
        "--seed",
        "3",
        "--quiet",
    ]
    assert main([*words, "--out", str(out), "--save-data", str(data)]) == 0
    barrier = load_barrier(out / "barrier.safetensors", state=("x", "y"))
    recipe = yaml.safe_load((out / "recipe.yaml").read_text())
    assert recipe["seed"] == 3 and recipe["system"] == "boat" and recipe["parameters"] == SMALL
    digest = data_hash(load_dataset(data))
    assert barrier.recipe["data_sha256"] == recipe["data_sha256"] == digest
    assert barrier.recipe["seed"] == 3 and barrier.recipe["steps"] == 200
    assert not (out / "checkpoint.safetensors").exists()
    header, *rows = (out / "log.csv").read_text().splitlines()
    assert header.startswith("step,loss") and rows[-1].startswith("200,")
    assert "sha256" in capsys.readouterr().out

    again = tmp_path / "again"
    recorded = [
        "train",
        "barrier",
        str(data),
        "--config",
        str(config),
        "--seed",
        "3",
        "--quiet",
        "--out",
        str(again),
    ]
    assert main(recorded) == 0
    x = np.random.default_rng(0).uniform(-2.0, 2.0, (100, 2))
    assert (load_barrier(again / "barrier.safetensors").values(x) == barrier.values(x)).all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nosuch"], "unknown system or data set 'nosuch'"),
        (["boat", "--learner", "nosuch"], "unknown learner 'nosuch'"),
        (["{tmp}/data.hdf5"], "give --period"),
        (["{tmp}/bad.yaml"], "unknown keys sistem"),
        (["boat", "--config", "{tmp}/missing.yaml"], "not a readable YAML file"),
        (["boat", "--transitions", "0"], "0 transitions"),
    ],
)
def test_an_unacceptable_request_is_refused_with_the_reason(tmp_path, capsys, words, said):
    (tmp_path / "data.hdf5").write_bytes(b"")
    (tmp_path / "bad.yaml").write_text("sistem: boat\n")
    arguments = [word.format(tmp=tmp_path) for word in words]
    assert main(["train", "barrier", *arguments, "--quiet", "--out", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err
