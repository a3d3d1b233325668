# SPDX-License-Identifier: Apache-2.0
"""The search for the smallest push: on a stack whose answer is known, on robots, and from the command line."""

import json
import math

import numpy as np
import pytest

from reflexarc.cli import main
from reflexarc.core.config import from_mapping
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.robust.attack import Dimension, Search, Trial, attack
from reflexarc_sim import lockstep
from reflexarc_sim.arm_lockstep import run_arm
from reflexarc_sim.attacks import ArmStack, BaseStack, WalkerStack
from reflexarc_sim.scenario import load_scenario, scenario_from_mapping
from reflexarc_sim.walker_lockstep import run_walker


class Known:
    """Fails where size * f(shape) > 1; f is at most 0.5, at heading pi (where the angle wraps), time 7, height 0.2."""

    name, size_unit, weight = "known", "N s", 100.0
    shape = (
        Dimension("time", "s", 0.0, 10.0),
        Dimension("heading", "rad", -math.pi, math.pi, True),
        Dimension("height", "m", 0.0, 1.0),
    )

    def __init__(self, calm_fails=False):
        self.sizes, self.calm_fails = [], calm_fails

    def factor(self, time, heading, height):
        return (
            0.5 * math.exp(-((time - 7.0) ** 2) - 8.0 * (height - 0.2) ** 2) * (0.5 - 0.5 * math.cos(heading))
        )

    def run(self, shape, size):
        self.sizes.append(size)
        if size == 0.0:
            return Trial(self.calm_fails, 1.0, "without a push" * self.calm_fails)
        factor = self.factor(*shape)
        return Trial(size * factor > 1.0, 1.0 - size * factor, "too much")


def test_margins_lead_to_the_smallest_push_and_chance_does_not():
    found = {True: [], False: []}
    for seed in range(8):
        for guided, answers in found.items():
            one = attack(Known(), Search(runs=150, most=100.0, seed=seed, guided=guided))
            assert one.runs == 150 and one.what == "too much"
            sizes = [size for _, size in one.best]
            assert sizes == sorted(sizes, reverse=True) and sizes[-1] == one.size >= 2.0, "the answer is 2"
            answers.append(one.size)
    assert np.mean(found[True]) < 2.25 and np.mean(found[False]) > 1.1 * np.mean(found[True])


def test_the_same_seed_finds_the_same():
    a, b = (attack(Known(), Search(runs=40, seed=3)) for _ in range(2))
    assert (a.size, a.best, a.runs) == (b.size, b.best, b.runs)


def test_a_size_is_bisected_to_the_tolerance_and_no_run_is_stronger_than_allowed():
    stack = Known()
    found = attack(stack, Search(runs=200, most=50.0, tolerance=0.01))
    assert found.best[-1][0] < 200, "the last bisection was not cut short"
    assert max(stack.sizes) <= 50.0
    exact = 1.0 / stack.factor(*found.shape)
    assert exact <= found.size <= 1.011 * exact


def test_nothing_found_is_said_and_a_stack_that_fails_alone_is_refused():
    found = attack(Known(), Search(runs=20, most=1.0))
    assert found.size is None and found.shape is None and found.runs == 20 and found.best == ()
    with pytest.raises(ConfigError, match="fails without any push"):
        attack(Known(calm_fails=True), Search(runs=20))


@pytest.mark.parametrize("bad", [{"most": 0.0}, {"most": -5.0}, {"most": math.nan}, {"runs": 0}])
def test_impossible_requests_are_refused(bad):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        from_mapping(Search, bad, "the request")


def test_a_base_is_pushed_over_the_kerb_and_the_regression_repeats_it():
    stack = BaseStack(load_scenario("sidewalk_calm"), 0, 8.0)
    shape = np.array([2.0, -math.pi / 2.0, 0.2, 0.3])
    assert not stack.run(shape, 0.0).failed
    trial = stack.run(shape, 400.0)
    assert trial.failed and trial.what
    again = scenario_from_mapping(json.loads(json.dumps(stack.regression(shape, 400.0))))
    result = lockstep.run(again)
    assert trial.what.startswith("rolled over") and result.summary.outcomes == {"physical_assistance": 1}
    assert again.seed == 0 and again.duration_s == 8.0
    assert stack.weight == pytest.approx(50.0 * 9.80665)


def test_an_arm_is_pushed_into_the_wall_and_the_regression_repeats_it():
    stack = ArmStack(load_scenario("maze_arm"), 0, 6.0)
    names = [d.name for d in stack.shape]
    shape = np.array([1.0, 0.0, 0.0, 0.2, 0.5])
    assert names == ["time_s", "heading", "lift", "duration_s", "body"]
    calm, pushed = stack.run(shape, 0.0), stack.run(shape, 100.0)
    assert not calm.failed and calm.margin > 0.0
    assert pushed.failed and pushed.what.endswith("40 N")
    again = scenario_from_mapping(json.loads(json.dumps(stack.regression(shape, 100.0))))
    assert run_arm(again, duration=6.0).summary.violation == pushed.what


def test_a_push_on_a_body_that_is_not_there_is_refused():
    data = dict(load_scenario("maze_arm").source)
    data["cell"] = {**data.get("cell", {}), "planned": [{"body": "tail"}]}
    with pytest.raises(ModelError, match="no body 'tail'.*link_7"):
        run_arm(scenario_from_mapping(data))


def test_a_quadruped_falls_when_pushed_and_the_regression_repeats_it(tmp_path):
    stack = WalkerStack(load_scenario("quadruped_push"), 0, 7.0)
    shape = np.array([1.5, math.pi / 2.0, 0.2])
    calm, soft, hard = (stack.run(shape, size) for size in (0.0, 2.0, 60.0))
    assert not calm.failed and not soft.failed and 0.5 < soft.margin <= 1.0
    assert hard.failed and hard.margin == -1.0 and hard.what.startswith("fall at ")
    again = run_walker(scenario_from_mapping(stack.regression(shape, 60.0)))
    assert again.summary.outcome == "fell" and f"fall at {again.summary.duration_s:.2f} s" == hard.what
    (push,) = again.pushes
    assert (push.start, np.linalg.norm(push.force)) == pytest.approx((1.5, 300.0))


def test_other_stacks_are_refused():
    with pytest.raises(ConfigError, match="one mobile base"):
        BaseStack(load_scenario("maze_arm"), 0, 8.0)
    with pytest.raises(ConfigError, match="more than 5 s"):
        BaseStack(load_scenario("sidewalk_calm"), 0, 3.0)
    with pytest.raises(ConfigError, match="an arm"):
        ArmStack(load_scenario("sidewalk_calm"), 0, 3.0)
    with pytest.raises(ConfigError, match="a quadruped"):
        WalkerStack(load_scenario("sidewalk_calm"), 0, 8.0)
    with pytest.raises(ConfigError, match="more than 6 s"):
        WalkerStack(load_scenario("quadruped_push"), 0, 6.0)


def test_the_command_writes_what_it_found(tmp_path, capsys):
    out = tmp_path / "attack"
    request = ["robust", "attack", "maze_arm", "--runs", "12", "--length", "4", "--quiet", "--json"]
    assert main([*request, "--out", str(out)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["found"] and 0.0 < report["size"] < 200.0 and report["runs"] == 12
    assert (out / "attack.png").stat().st_size > 1000
    assert json.loads((out / "attack.json").read_text()) == report
    assert load_scenario(out / "regression.yaml").cell.planned[0].body.startswith("link_")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["no_such_scenario"], "unknown scenario"),
        (["sidewalk_calm", "--most", "0"], "most"),
        (["sidewalk_calm", "--runs", "-1"], "runs"),
        (["sidewalk_calm", "--length", "1"], "5 s"),
        (["maze_arm", "--no-arc"], "no-arc"),
    ],
)
def test_bad_requests_are_answered(words, said, capsys, tmp_path):
    assert main(["robust", "attack", *words, "--out", str(tmp_path / "x"), "--quiet"]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
