# SPDX-License-Identifier: Apache-2.0
"""`reflexarc run` with a scenario of an arm in contact, in lock-step."""

import json

import numpy as np
import pytest

pytest.importorskip("pinocchio")

from reflexarc.cli import main
from reflexarc_sim.arm_lockstep import run_arm
from reflexarc_sim.scenario import load_scenario

COMMAND = ["run", "maze_arm", "--lockstep", "--quiet", "--no-render"]


def test_a_run_leaves_figures_log_and_a_report(tmp_path, capsys):
    assert main([*COMMAND, "--json", "--compare", "--seeds", "0", "--out", str(tmp_path)]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])["columns"]
    columns = [
        "with reflexes",
        "without reflexes",
        "without reflexes and barrier",
        "fixed stiffness, without both",
    ]
    assert list(figures) == columns
    first = figures["with reflexes"][0]
    assert first["outcome"] == "done" and first["success"] and first["violation"] == ""
    assert first["peak_force_n"] <= 40.0 and first["tank_underflows"] == 0 and not first["faults"]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "without reflexes and barrier" in page and page.count("<svg") == 1 + 2 * 4
    folder = tmp_path / "lockstep-0-reflexes"
    assert json.loads((folder / "summary.json").read_text(encoding="utf-8")) == first
    with np.load(folder / "log.npz") as log:
        assert len(log["time"]) == round(first["duration_s"] / 0.001)
        force = np.linalg.norm(log["force"], axis=1)
        # The log has the forces that each tick could know of; the judge also that of the last step.
        assert force.max() <= first["peak_force_n"] + 1e-9
        assert np.linalg.norm(log["tip"][-1, :2] - log["path"][-1, :2]) < 0.03
        assert log["balls"].shape[1:] == (3, 3) and np.isfinite(log["torque"]).all()


def test_equal_seeds_give_equal_bytes_and_a_run_ends_when_its_time_is_up():
    scenario = load_scenario("peg_arm")
    first, again, other = (run_arm(scenario, seed, 0.4) for seed in (3, 3, 4))
    assert first.summary.digest == again.summary.digest != other.summary.digest
    assert first.summary.outcome == "time" and first.summary.duration_s == pytest.approx(0.4)
    assert not first.summary.success and first.summary.completion_s != first.summary.completion_s


def test_a_policy_that_presses_is_held_within_the_limits_only_with_its_arc():
    """Stiff, straight through the walls: without reflexes and barrier the force goes beyond its limits."""
    rough = {
        "policy.name": "contact_follower",
        "policy.params": "{strategy: follow, stiffness_n_m: 2000.0, step_m: 0.025}",
        "arc.contact.weights": "''",
        "cell.registration_m": 0.02,
        "cell.wall_stiffness": 20000.0,
        "cell.family": "held_out",
    }
    bare = rough | {"arc.contact.critic": False, "arc.contact.barrier": False}
    for seed in (0, 4):
        held, broken = (run_arm(load_scenario("maze_arm", o), seed, 1.0).summary for o in (rough, bare))
        assert not held.violation and held.peak_force_n < 25.0
        assert broken.outcome == "violation" and "25 N" in broken.violation
        assert broken.peak_force_n > 30.0 and broken.duration_s < 0.5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--learned"], "--learned does not apply"),
        (["--jobs", "2"], "--jobs does not apply"),
        (["--duration", "soon"], "--duration 'soon': expected a time"),
        (["--set", "arc.enabled=false"], "an arm in contact needs its arc"),
        (["--set", "policy.name=route_follower"], "route_follower"),
        (["--set", "cell.task=dance"], "allowed: free, maze, none, peg_in_hole, surface"),
    ],
)
def test_what_does_not_apply_to_an_arm_is_refused(tmp_path, capsys, words, message):
    assert main([*COMMAND, "--json", "--out", str(tmp_path), *words]) == 2
    assert message in capsys.readouterr().err
