# SPDX-License-Identifier: Apache-2.0
"""The small launcher and ROS 2's own `launch` compute the same processes from the same files.

The other side is `ros_launch_processes.py`, which shares no code with ours. It needs the packages launch,
launch_xml and launch_ros, which are not on the package index; without a ROS 2 installation these tests skip
and say so.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from reflexarc.launcher import ProcessSpec, resolve
from reflexarc.launcher.grammar import ELEMENTS, SUBSTITUTIONS

HERE = Path(__file__).parent
FILES = HERE.parents[1] / "launch" / "launch"
FEATURES = HERE / "files" / "features.launch.xml"
MISSING = [
    name for name in ("launch", "launch_xml", "launch_ros", "rclpy") if importlib.util.find_spec(name) is None
]
if not MISSING and importlib.util.find_spec("launch").origin is None:
    MISSING = ["launch"]  # a mere folder of that name

needs_ros_launch = pytest.mark.skipif(
    bool(MISSING), reason=f"ROS 2's launch is not installed here (missing: {', '.join(MISSING)})"
)

CASES = [
    (FILES / "sim.launch.xml", {}),
    (FILES / "sim.launch.xml", {"arc": "false", "record": "false", "seed": "7"}),
    (
        FILES / "sim.launch.xml",
        {"overrides": "crowd.count=30,policy.name=route", "duration": "12.5", "log_level": "debug"},
    ),
    (
        FILES / "sim.launch.xml",
        {"autostart": "false", "use_sim_time": "false", "out_dir": "/tmp/with space", "scenario": "12"},
    ),
    (FILES / "robot.launch.xml", {"scenario": "yard"}),
    (
        FILES / "robot.launch.xml",
        {"scenario": "yard", "odom_topic": "/base/odom", "cmd_vel_topic": "base/cmd", "autostart": "true"},
    ),
    (
        FILES / "robot.launch.xml",
        {"scenario": "yard", "record": "false", "seed": "3", "overrides": "arc.rate_hz=100"},
    ),
    (FILES / "fleet.launch.xml", {}),
    (FILES / "fleet.launch.xml", {"robots": "1", "record": "false"}),
    (FILES / "fleet.launch.xml", {"robots": "5", "seed": "40", "kind": "robot", "scenario": "yard"}),
    (FILES / "arm.launch.xml", {}),
    (
        FILES / "arm.launch.xml",
        {"plant": "false", "judge": "false", "effort_topic": "arm/effort", "pace": "0.5"},
    ),
    (FILES / "quadruped.launch.xml", {}),
    (
        FILES / "quadruped.launch.xml",
        {"plant": "false", "judge": "false", "positions_topic": "legs/targets", "duration": "5.0"},
    ),
    (FILES / "fleet_delivery.launch.xml", {}),
    (
        FILES / "fleet_delivery.launch.xml",
        {"robots": "2", "tasks": "false", "record": "true", "duration": "30.0", "overrides": "crowd.count=0"},
    ),
    (FEATURES, {}),
    (FEATURES, {"word": "good day", "side": "right", "count": "6"}),
    (FEATURES, {"shout": "TRUE", "count": "1"}),
]


@needs_ros_launch
@pytest.mark.parametrize(
    ("path", "arguments"), CASES, ids=lambda value: value.name if isinstance(value, Path) else None
)
def test_both_launchers_compute_the_same_processes(path, arguments, prefix, tmp_path, monkeypatch):
    monkeypatch.setenv("FEATURE_INHERITED", "removed by the file")
    theirs = ros_launch(path, arguments)
    assert theirs["return_code"] == 0
    ours = [describe(spec, tmp_path / "params") for spec in resolve(path, arguments).processes]
    assert ours, "a comparison of nothing proves nothing"
    for mine, other in zip(ours, theirs["processes"], strict=True):
        other["words"] = merge(other["words"])
        assert mine == other


@needs_ros_launch
@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        (FILES / "sim.launch.xml", {"arc": "maybe"}),
        (FILES / "sim.launch.xml", {"seed": "many"}),
        (FILES / "robot.launch.xml", {}),
        (FILES / "fleet.launch.xml", {"robots": "9"}),
    ],
    ids=["choice", "type", "required", "range"],
)
def test_what_one_launcher_refuses_the_other_refuses_too(path, arguments, prefix):
    assert ros_launch(path, arguments)["return_code"] != 0
    with pytest.raises(Exception, match=next(iter(arguments), "scenario")):
        resolve(path, arguments)


def test_the_compared_file_uses_every_element_and_substitution():
    text = FEATURES.read_text(encoding="utf-8")
    assert [name for name in ELEMENTS if f"<{name}" not in text] == []
    assert [name for name in SUBSTITUTIONS if f"$({name}" not in text] == []
    attributes = {name for rule in ELEMENTS.values() for name in rule.attributes}
    assert [name for name in attributes if f' {name}="' not in text] == []


def ros_launch(path: Path, arguments: dict[str, str]) -> dict:
    words = [f"{name}:={value}" for name, value in arguments.items()]
    done = subprocess.run(
        [sys.executable, str(HERE / "ros_launch_processes.py"), str(path), *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def describe(spec: ProcessSpec, folder: Path) -> dict:
    return {
        "label": spec.label,
        "words": merge(with_parameters(spec.argv(folder), folder)),
        "cwd": spec.cwd,
        "environment": {k: v for k, v in spec.environment.items() if os.environ.get(k) != v},
        "removed": sorted(set(os.environ) - set(spec.environment)),
        "respawn": spec.respawn,
        "respawn_delay": spec.respawn_delay,
        "respawn_max_retries": spec.respawn_max_retries,
        "shuts_down": spec.required,
        "output": spec.output,
        "timeouts": [spec.sigterm_timeout, spec.sigkill_timeout],
    }


def with_parameters(words: list[str], folder: Path) -> list:
    """Replace the parameter files that our launcher wrote by their content."""
    found: list = []
    for word in words:
        if found and found[-1] == "--params-file" and Path(word).parent == folder:
            found[-1] = {"parameters": yaml.safe_load(Path(word).read_text(encoding="utf-8"))}
        else:
            found.append(os.path.normpath(word) if word.endswith(".yaml") else word)
    return found


def merge(words: list) -> list:
    """Join neighbouring parameter sets of one node: ROS 2 writes one file per `<param>`, we write one per
    run of them."""
    merged: list = []
    for word in words:
        if (
            isinstance(word, dict)
            and merged
            and isinstance(merged[-1], dict)
            and keys(merged[-1]) == keys(word)
        ):
            for key, content in word["parameters"].items():
                merged[-1]["parameters"][key]["ros__parameters"].update(content["ros__parameters"])
        else:
            merged.append(word)
    return merged


def keys(word: dict) -> list[str]:
    return list(word["parameters"])
