# SPDX-License-Identifier: Apache-2.0
"""A walking quadruped in lock-step: the batch's physics, pushes by the seed, equal runs, a policy that dies."""

import dataclasses
import math

import numpy as np
import pytest
from tests.walking.walker_scene import STANCE, write_critic

from reflexarc.core.errors import ConfigError
from reflexarc_sim.plants import make_plant, make_walker_plant
from reflexarc_sim.quadruped.settings import QuadrupedSettings, judged_walk
from reflexarc_sim.scenario import load_scenario, scenario_from_mapping
from reflexarc_sim.walk_config import SuddenPushes
from reflexarc_sim.walker_figures import begins, latencies
from reflexarc_sim.walker_lockstep import WalkerRun, run_walker, told_at
from reflexarc_sim.walker_plant import draw_trunk_pushes

CALM = {"walk.pushes": {"magnitude": [0.0, 0.0]}, "arc.walker.critic": False}


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    """The scenario with a critic of which the risk is known."""
    critic = write_critic(tmp_path_factory.mktemp("critic") / "fall.safetensors")
    return load_scenario("quadruped_push", {"arc.walker.fall": str(critic)})


def test_its_physics_are_those_of_the_batch_that_the_walker_learned_in(scenario):
    plant = make_walker_plant(scenario.with_overrides(CALM))
    state = plant.reset(0)
    walk = judged_walk(QuadrupedSettings(), 1, threads=1)
    rng = np.random.default_rng(0)
    walk.begin(rng)
    walk.state["qpos"][0] = plant._data.qpos
    walk.batch.forward(np.array([0]))
    for k in range(50):
        action = rng.normal(size=(1, 12))
        walk.step(action, np.zeros((1, 3)), rng)
        for _ in range(5):
            state = plant.step(walk.state["ctrl"][0])
        np.testing.assert_array_equal(plant._data.qpos, walk.state["qpos"][0], err_msg=str(k))
        np.testing.assert_array_equal(state.velocity, walk.motion[0][0])
    plant.close()


def test_a_push_acts_on_the_trunk_in_its_own_axes_as_in_the_batch(scenario):
    push = {"time_s": 0.2, "duration_s": 0.1, "force": [0.0, 30.0, 0.0]}
    plant = make_walker_plant(scenario.with_overrides(CALM | {"walk.planned": [push]}))
    plant.reset(0)
    walk = judged_walk(QuadrupedSettings(), 1, threads=1)
    rng = np.random.default_rng(0)
    walk.begin(rng)
    walk.state["qpos"][0] = plant._data.qpos
    walk.batch.forward(np.array([0]))
    for k in range(20):
        walk.step(np.zeros((1, 12)), np.array([[0.0, 30.0 if 10 <= k < 15 else 0.0, 0.0]]), rng)
        for _ in range(5):
            assert (plant.force()[1] == 30.0) == (10 <= k < 15)
            state = plant.step(STANCE)
    # the batch turns the force once per decision, the plant in each step
    np.testing.assert_allclose(plant._data.qpos, walk.state["qpos"][0], atol=2e-3)
    assert state.velocity[1] != 0.0
    plant.close()


def test_pushes_are_drawn_by_the_seed_within_their_bounds():
    config = SuddenPushes(magnitude=(20.0, 40.0), duration_s=(0.2, 0.5), first_s=2.0, every_s=3.0)
    one, two, other = (draw_trunk_pushes(config, 20.0, np.random.default_rng(s)) for s in (0, 0, 1))
    assert [p.start for p in one] == [2.0, 5.0, 8.0, 11.0, 14.0, 17.0]
    for a, b in zip(one, two, strict=True):
        assert a.end == b.end
        np.testing.assert_array_equal(a.force, b.force)
    assert any((a.force != b.force).any() for a, b in zip(one, other, strict=True))
    for p in one:
        assert 20.0 <= np.linalg.norm(p.force) <= 40.0 and 0.2 <= p.end - p.start <= 0.5 and p.force[2] == 0.0
        assert (math.degrees(math.atan2(p.force[1], p.force[0])) % 45.0) == pytest.approx(0.0, abs=1e-6) or (
            math.degrees(math.atan2(p.force[1], p.force[0])) % 45.0
        ) == pytest.approx(45.0, abs=1e-6)
    assert draw_trunk_pushes(SuddenPushes(), 20.0, np.random.default_rng(0)) == ()


def test_a_plant_refuses_targets_that_are_not_finite_and_periods_it_does_not_have(scenario):
    plant = make_walker_plant(scenario)
    plant.reset(0)
    with pytest.raises(ValueError, match="not 12 finite"):
        plant.step(np.full(12, math.nan))
    with pytest.raises(ValueError, match="not 12 finite"):
        plant.step(np.zeros(7))
    plant.close()
    with pytest.raises(ConfigError, match="both 0.004"):
        make_walker_plant(
            scenario.with_overrides({"plant.step_period": 0.008, "plant.physics_period": 0.004})
        )
    with pytest.raises(ConfigError, match="nothing is left of the trunk"):
        heavy = dataclasses.replace(scenario.walk, payload_kg=-50.0)
        make_walker_plant(dataclasses.replace(scenario, walk=heavy))
    with pytest.raises(ConfigError, match="no quadruped"):
        make_walker_plant(load_scenario("sidewalk_calm"))
    with pytest.raises(ConfigError, match="is a quadruped"):
        make_plant(scenario)


def test_equal_seeds_give_equal_bytes_and_others_do_not(scenario):
    found = [run_walker(scenario, seed, 4.0) for seed in (3, 3, 4)]
    assert found[0].summary == found[1].summary and found[0].summary.digest != found[2].summary.digest
    for name, column in found[0].log.items():
        if name != "time_used":
            np.testing.assert_array_equal(column, found[1].log[name])


def test_it_walks_as_it_is_told(scenario):
    result = run_walker(
        scenario.with_overrides(CALM | {"walk.commands": [{"time_s": 0.5, "forward": 0.5}]}), 0, 6.0
    )
    s = result.summary
    assert s.success and s.outcome == "time" and s.duration_s == pytest.approx(6.0) and s.pushes == 0
    late = result.log["time"] > 3.0
    assert result.log["velocity"][late, 0].mean() == pytest.approx(0.5, abs=0.15)
    assert not s.faults and s.halted == 0.0 and s.refused == 0 and math.isnan(s.risk_most)
    assert s.to_json()["risk_most"] is None


def test_a_fall_ends_the_run_and_is_in_the_figures(scenario):
    hard = CALM | {"walk.planned": [{"time_s": 1.0, "duration_s": 0.5, "force": [0.0, 300.0, 0.0]}]}
    s = run_walker(scenario.with_overrides(hard), 0, 6.0).summary
    assert s.outcome == "fell" and not s.success and 1.0 < s.duration_s < 3.0
    assert s.pushes == 1 and s.push_most_n == pytest.approx(300.0)


def test_a_reflex_answers_a_push_that_the_critic_sees(scenario):
    """The made-up critic is alarmed by a velocity to the left above 0.5 m/s, the push makes one."""
    push = {"time_s": 2.0, "duration_s": 0.3, "force": [0.0, 90.0, 0.0]}
    over = {"walk.pushes": {"magnitude": [0.0, 0.0]}, "walk.planned": [push]}
    result = run_walker(scenario.with_overrides(over), 0, 3.0)
    log, s = result.log, result.summary
    assert s.reflexes >= 1 and 0.0 < s.reflex_latency_s < 0.5
    first = int(np.argmax(log["reflex"] > 0.0))
    assert log["velocity"][first, 1] >= 0.5 > log["velocity"][first - 1, 1], "in the very tick"
    assert s.threshold == 0.5


@pytest.mark.parametrize("why", ["silent", "refuses"])
def test_an_arc_whose_policy_dies_while_it_walks_brings_the_robot_to_rest_and_keeps_it_up(scenario, why):
    run = WalkerRun(scenario.with_overrides(CALM), 0, 12.0)
    while run.plant.time < 5.0:
        run.step()
    before = np.linalg.norm(run.state.velocity[:2])
    if why == "silent":
        run.policy.propose = lambda *_: None
    else:
        run.policy.actor = lambda seen: np.full((len(seen), 12), math.nan)
    while not run.over:
        run.step()
    result = run.finish()
    assert result.summary.success, "it did not fall"
    assert before > 0.2 and np.linalg.norm(run.state.velocity[:2]) < 0.1, "it stands"
    assert set(result.summary.faults) == {"proposal_stale"}
    stops = result.log["time"][np.argmax(result.log["halted"] > 0.0)]
    assert 5.0 + 0.06 - 0.02 <= stops <= 5.0 + 0.06 + 2 * 0.004, "as soon as the last proposal is too old"
    assert (result.summary.refused > 100) == (why == "refuses")


def test_without_an_arc_the_proposals_go_to_the_robot(scenario):
    alone = run_walker(scenario.with_overrides(CALM | {"arc.enabled": False}), 0, 3.0)
    beside = run_walker(scenario.with_overrides(CALM), 0, 3.0)
    np.testing.assert_array_equal(alone.log["targets"], beside.log["targets"])
    assert math.isnan(alone.summary.threshold) and alone.summary.intervened == 0.0


def test_the_newest_command_counts_and_before_the_first_it_is_to_stand(scenario):
    commands = scenario.walk.commands
    assert told_at(commands, 0.5).tolist() == [0.0, 0.0, 0.0]
    assert told_at(commands, 1.0).tolist() == [0.5, 0.0, 0.0]
    assert told_at(commands, 15.9).tolist() == [0.4, 0.2, 0.0]
    assert told_at(commands, 1e6).tolist() == [0.6, 0.0, -0.4]


def test_latencies_are_those_of_a_pushs_own_reflex():
    flags = np.zeros((2, 40), dtype=bool)
    flags[0, 5:8] = flags[0, 20:22] = flags[0, 30:32] = True
    flags[1, 3:6] = flags[1, 9:12] = flags[1, 33:35] = True
    assert latencies(flags[0], flags[1], 0.1) == pytest.approx([0.4, 0.3])
    assert begins(flags[0]).tolist() == [5, 20, 30] and begins(np.ones(4, dtype=bool)).tolist() == [0]


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"walk.policy": "''"}, "needs a policy that walks"),
        ({"robot": "segway_e1"}, "no quadruped"),
        ({"walk.commands": [{"time_s": 2.0}, {"time_s": 1.0}]}, "order of their times"),
        ({"walk.pushes.magnitude": [3.0, 1.0]}, "least, largest"),
        ({"supervisor.enabled": True}, "not for a quadruped"),
        ({"walk.gait": 3}, "unknown key"),
    ],
)
def test_a_scenario_that_is_not_acceptable_says_why(scenario, over, words):
    with pytest.raises(ConfigError, match=words):
        scenario.with_overrides(over)


def test_a_run_without_a_step_is_refused(scenario):
    with pytest.raises(ConfigError, match="no step"):
        run_walker(scenario, 0, 0.0)
    assert scenario_from_mapping(scenario.source).walk == scenario.walk


@pytest.mark.slow
def test_a_robot_that_loses_its_state_while_it_walks_crouches_and_stays_up():
    """Its stance alone would tip it over, as it did in 57 of 64 runs."""
    found = []
    for seed in range(4):
        over = {"walk.pushes": {"magnitude": [0.0, 0.0]}, "arc.walker.critic": False}
        run = WalkerRun(load_scenario("quadruped_push", over), seed, 7.0 + 0.1 * seed)
        while run.plant.time < 4.0 + 0.1 * seed:
            run.step()
        kept = run.state
        while not run.over:
            run.state = kept
            run.step()
        found.append(run.plant.fallen)
        run.plant.close()
    assert not any(found)
