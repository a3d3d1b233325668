# SPDX-License-Identifier: Apache-2.0
"""Exit codes, messages that list what is allowed, and a quick `--help`."""

import re
import subprocess
import sys
import time

import pytest

from reflexarc.cli import VERBS, build_parser, main

HELP_SECONDS = 0.3
"""`reflexarc --help` must feel immediate; the best of a few tries is compared, other work may slow one down.
"""


def test_help_names_every_verb_and_imports_none_of_them():
    code = (
        "import sys; from reflexarc.cli import main; main(['--help']); "
        "print(sorted({'numpy', 'rich', 'matplotlib', 'mujoco', 'yaml', 'numba'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    listed = {line.split()[0] for line in output.splitlines() if line.startswith("    ")}
    assert set(VERBS) <= listed
    assert output.splitlines()[-1] == "[]"


def test_help_is_quick():
    command = [sys.executable, "-c", "from reflexarc.cli import main; main(['--help'])"]
    tries = []
    for _ in range(6):
        started = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        tries.append(time.perf_counter() - started)
    assert min(tries) < HELP_SECONDS


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_explains_itself(verb, capsys):
    assert main([verb, "--help"]) == 0
    assert f"usage: reflexarc {verb}" in capsys.readouterr().out


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_the_overview_and_the_verb_agree_on_what_it_does(verb):
    overview = next(a for a in build_parser({verb})._actions if a.dest == "verb")
    lines = {action.dest: action.help for action in overview._choices_actions}
    assert lines[verb] == VERBS[verb]


def test_the_version_is_printed(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("reflexarc ")


def test_no_verb_prints_the_help_and_an_unknown_one_lists_the_verbs(capsys):
    assert main([]) == 2
    assert "verbs:" in capsys.readouterr().out
    assert main(["fly"]) == 2
    assert "'run'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["no_such"],
            "unknown scenario 'no_such'; allowed: cells_delivery, fleet_delivery, maze_arm, peg_arm",
        ),
        (["none/such.yaml"], "none/such.yaml: no such file"),
        (["sidewalk_calm", "--set", "crowd.cout=3"], "unknown key 'cout'"),
        (["sidewalk_calm", "--set", "crowd.cout=3"], "allowed: count, distracted_fraction"),
        (["sidewalk_calm", "--set", "colour=red"], "allowed: arc, cargo, cell, crowd"),
        (["sidewalk_calm", "--set", "crowd.count=-1"], "-1 is out of bounds; allowed: 0 to 500"),
        (["sidewalk_calm", "--set", "crowd.count=many"], "expected a number, found 'many'"),
        (["sidewalk_calm", "--set", "crowd.source=film"], "allowed: jupedsim, none, recorded"),
        (["sidewalk_calm", "--set", "arc.barrier.margin=1"], "unknown key 'margin'"),
        (["sidewalk_calm", "--set", "robot=golem"], "unknown robot 'golem'"),
        (["sidewalk_calm", "--set", "robot=golem"], "allowed: segway_e1"),
        (
            ["sidewalk_calm", "--set", "policy.name=ouija"],
            "unknown policy 'ouija'",
        ),
        (["sidewalk_calm", "--set", "policy.name=ouija"], "route_follower"),
        (["sidewalk_calm", "--set", "policy.params={sped: 1}"], "sped"),
        (["sidewalk_calm", "--set", "crowd.count"], "expected key=value"),
        (["sidewalk_calm", "--seed", "-3"], "--seed '-3': expected one whole number >= 0"),
        (["sidewalk_calm", "--seed", "1.5"], "--seed '1.5'"),
        (["sidewalk_calm", "--seeds", "3-1"], "expected whole numbers >= 0 such as 7, 0-3 or 0,2,5"),
        (["sidewalk_calm", "--seeds", ""], "--seeds ''"),
        (["sidewalk_calm", "--seeds", "0-99999"], "more than 10000 seeds"),
        (["sidewalk_calm", "--duration", "0"], "--duration '0': expected a time in seconds > 0"),
        (["sidewalk_calm", "--duration", "nan"], "--duration 'nan'"),
        (["sidewalk_calm", "--duration", "soon"], "--duration 'soon'"),
        (["sidewalk_calm", "--jobs", "0"], "--jobs '0': expected a whole number > 0"),
        (["sidewalk_calm", "--no-arc", "--compare"], "contradict each other"),
        (["sidewalk_calm", "--lockstep-seeds", "0-3"], "--lockstep-seeds belongs to live runs"),
        (["sidewalk_calm", "--seed", "1", "--seeds", "2"], "not allowed with argument"),
        (["sidewalk_calm", "--colour"], "unrecognized arguments: --colour"),
    ],
)
def test_a_run_that_is_not_acceptable_exits_with_2_and_says_what_is_allowed(
    arguments, message, capsys, tmp_path
):
    assert main(["run", "--lockstep", *arguments, "--out", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert not (tmp_path / "out").exists()


def test_an_unknown_key_in_a_scenario_file_is_named_with_its_file(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\ncrowd: {cuont: 3}\n")
    assert main(["run", str(path), "--lockstep"]) == 2
    assert f"unknown key 'cuont' in {path}" in capsys.readouterr().err


def test_a_missing_model_file_is_an_error_that_names_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("REFLEXARC_MODELS", str(tmp_path / "none"))
    assert main(["run", "sidewalk_calm", "--lockstep", "--json"]) in (1, 2)
    assert f"no folder of models at {tmp_path / 'none'}" in capsys.readouterr().err


def test_an_output_folder_that_cannot_be_written_is_an_error(tmp_path, capsys):
    target = tmp_path / "file"
    target.write_text("")
    assert main(["run", "sidewalk_calm", "--lockstep", "--out", str(target / "below")]) == 2
    assert "cannot write there" in capsys.readouterr().err


def test_an_output_folder_with_other_things_in_it_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("precious")
    assert main(["run", "sidewalk_calm", "--lockstep", "--out", str(tmp_path)]) == 2
    assert "is not empty and holds no earlier run" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_live_run_without_ros_says_what_to_do(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    assert main(["run", "sidewalk_calm", "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "a live run needs ROS 2 and the built workspace" in error
    assert "--lockstep" in error
    assert "make setup" in error


def test_an_interrupt_exits_with_130(monkeypatch, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("reflexarc.cli.scenarios.run", interrupt)
    assert main(["scenarios"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_scenarios_are_listed_with_their_descriptions_and_printed_with_units(capsys):
    assert main(["scenarios"]) == 0
    assert re.search(r"sidewalk_delivery +deliveries along a busy sidewalk", capsys.readouterr().out)
    assert main(["scenarios", "sidewalk_calm", "--set", "crowd.count=7", "--set", "arc.rate_hz=100"]) == 0
    lines = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert lines["crowd.count"] == ["7"]
    assert lines["arc.rate_hz"] == ["100", "Hz"]
    assert lines["duration_s"] == ["40", "s"]
    assert main(["scenarios", "no_such"]) == 2


def test_a_folder_that_holds_no_run_cannot_be_reported(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 1
    assert "is not a folder of a run" in capsys.readouterr().err
