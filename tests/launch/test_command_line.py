# SPDX-License-Identifier: Apache-2.0
"""`reflexarc launch`, and that the documentation says what the code understands."""

import re
from pathlib import Path

import pytest

from reflexarc.cli import main
from reflexarc.cli.launch import features
from reflexarc.launcher import declared_arguments
from reflexarc.launcher.shelf import launch_files

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENT = REPOSITORY / "docs" / "launch.md"


def test_arguments_are_shown(write, capsys):
    path = write('<arg name="a" description="The A" default="1"><choice value="1"/></arg><arg name="b"/>')
    assert main(["launch", str(path), "--show-args"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"a:=\s+The A\s+one of: 1\s+default: '1'", text)
    assert re.search(r"b:=\s+must be given", text)


def test_the_processes_are_printed_and_nothing_is_started(prefix, capsys):
    assert main(["launch", "sim", "arc:=false", "seed:=5", "overrides:=crowd.count=3", "--print"]) == 0
    text = capsys.readouterr().out
    assert [line.split()[0] for line in text.splitlines() if not line.startswith(" ")] == [
        "plant_node-1",
        "task_policy_node-2",
        "mission_node-3",
        "recorder_node-4",
    ]
    assert "remap       proposal -> cmd_vel" in text
    assert "parameter   overrides = ['crowd.count=3']" in text


def test_a_run_prints_the_table_and_returns_the_exit_code(write, tmp_path, capsys):
    path = write(
        '<executable cmd="echo hello" output="screen"/><executable cmd="sh -c \'exit 4\'" name="bad"/>'
    )
    assert main(["launch", str(path), "--out", str(tmp_path / "out")]) == 4
    printed = capsys.readouterr()
    assert "[echo-1] hello" in printed.out
    assert re.search(r"bad-2\s+\d+\s+exit code 4\s+0\s+no", printed.err)
    assert (tmp_path / "out" / "log" / "launch.log").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["launch", "nothing"],
            "unknown launch file 'nothing'; allowed: arm.launch.xml, fleet.launch.xml, fleet_delivery.launch.xml, "
            "quadruped.launch.xml, robot.launch.xml, sim.launch.xml",
        ),
        (["launch"], "no launch file given"),
        (["launch", "sim", "seed"], "'seed' is not of the form name:=value"),
        (["launch", "sim", "sed:=1"], "unknown argument 'sed' of"),
        (["launch", "sim", "arc:=maybe"], "argument 'arc' is 'maybe'; allowed: true, false"),
        (["launch", "sim", "seed:=x"], "parameter 'seed': 'x' is not of type int"),
        (["launch", "robot"], "argument 'scenario'"),
        (["launch", "fleet", "robots:=9"], "allowed: 1, 2, 3, 4, 5, 6, 7, 8"),
        (["launch", "fleet_delivery", "robots:=0"], "allowed: 1, 2, 3, 4, 5, 6, 7, 8"),
    ],
)
def test_a_request_that_is_not_acceptable_gives_2_and_says_what_is_allowed(prefix, capsys, words, message):
    assert main(words) == 2
    assert message in capsys.readouterr().err


def test_the_documentation_has_the_generated_tables():
    text = DOCUMENT.read_text(encoding="utf-8")
    found = re.search(r"<!-- features:.*?-->\n(.*?)\n<!-- end of features -->", text, re.DOTALL)
    assert found is not None
    assert found[1] == features(), "write the output of `reflexarc launch --features` between the two marks"


def test_the_documentation_names_every_launch_file_and_only_those():
    named = set(re.findall(r"`(\w+\.launch\.xml)`", DOCUMENT.read_text(encoding="utf-8")))
    assert (
        named
        == {path.name for path in launch_files()}
        == {
            "arm.launch.xml",
            "quadruped.launch.xml",
            "sim.launch.xml",
            "robot.launch.xml",
            "fleet.launch.xml",
            "fleet_delivery.launch.xml",
        }
    )


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "launch" / "launch").glob("*.xml")), ids=lambda path: path.name
)
def test_every_argument_is_described_and_truth_values_have_choices(path):
    for argument in declared_arguments(path).values():
        assert len(argument.description) > 10, argument.name
        if argument.default in ("true", "false"):
            assert argument.choices == ("true", "false"), argument.name


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "launch" / "launch").glob("*.xml")), ids=lambda path: path.name
)
def test_the_head_of_each_file_shows_commands_with_arguments_that_exist(path):
    head = path.read_text(encoding="utf-8").partition("<launch>")[0]
    used = set(re.findall(r"(\w+):=", head))
    assert used and used <= set(declared_arguments(path))
    assert f"ros2 launch reflexarc_bringup {path.name}" in head
