# SPDX-License-Identifier: Apache-2.0
"""What a run depends on by hash: what changes it, and what does not."""

import pytest

from reflexarc.core.errors import ModelError
from reflexarc.core.paths import models_dir
from reflexarc.report.manifest import digest, manifest, software
from reflexarc_sim.scenario import load_scenario, scenario_from_mapping


def scenario(name: str = "sidewalk_delivery", **overrides: str):
    return load_scenario(name, {key.replace("__", "."): value for key, value in overrides.items()})


def test_the_hashes_are_those_of_the_files():
    found, folder = manifest(scenario("sidewalk_supervised")), models_dir()
    for name in ("robot.yaml", "segway_e1.xml"):
        assert found[f"{name}_sha256"] == digest((folder / "segway_e1" / name).read_bytes())
    assert found["table_sha256"] == digest((folder / "cells" / "sidewalk.table.json").read_bytes())
    assert software().items() <= found.items() and len(found["software_sha256"]) == 64


def test_seed_length_and_description_are_not_what_was_run():
    same = scenario(seed="4", duration_s="7", description="other words")
    assert manifest(same) == manifest(scenario())


@pytest.mark.parametrize(
    "changed", [{"cargo__pieces": "0"}, {"sensors__odometry__twist_std": "0.01"}, {"arc__rate_hz": "100"}]
)
def test_what_was_run_changes_the_hash_of_the_scenario_alone(changed):
    a, b = manifest(scenario()), manifest(scenario(**changed))
    assert {key for key in a if a[key] != b[key]} == {"scenario_sha256"}


def test_weights_are_in_it_where_they_are_used():
    assert not any(key.startswith("weights") for key in manifest(scenario()))
    learned = manifest(scenario(arc__learned__enabled="true"))
    path = models_dir() / "barriers" / "segway_e1_crowd" / "barrier.safetensors"
    assert learned["weights_learned_sha256"] == digest(path.read_bytes())


def test_the_weights_of_a_folder_are_all_in_it():
    source = dict(scenario().source) | {
        "policy": {"name": "route_follower", "params": {"agent": "reflex/maze"}}
    }
    found = manifest(scenario_from_mapping(source))
    named = {file.name for file in (models_dir() / "reflex" / "maze").glob("*.safetensors")}
    assert named and {f"weights_policy_agent_{name}_sha256" for name in named} <= set(found)


def test_an_arm_has_a_manifest_too():
    found = manifest(scenario("maze_arm"))
    weights = digest((models_dir() / "reflex" / "maze" / "contact.safetensors").read_bytes())
    assert found["weights_contact_weights_sha256"] == found["weights_policy_weights_sha256"] == weights
    assert "arm.yaml_sha256" in found and "table_sha256" not in found


def test_a_barrier_that_is_missing_is_an_error():
    source = dict(scenario().source) | {"arc": {"learned": {"enabled": True, "file": "nowhere"}}}
    with pytest.raises(ModelError, match="nowhere"):
        manifest(scenario_from_mapping(source))
