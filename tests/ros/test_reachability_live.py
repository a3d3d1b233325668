# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLC0415 - where ROS is absent these files must still be read, to be skipped with a reason
"""reachability_node and the task policy that obeys it, as processes of their own."""

import math
import time

import numpy as np
import pytest

from reflexarc.core.types import FIXED_FRAME, Obstacles, Plan, Walls

pytestmark = [pytest.mark.ros, pytest.mark.integration]
START_S = 90.0
ENABLED = "['reach.enabled=true', 'reach.particles=2000', 'reach.screening=200']"
SCENE = {"scenario": "sidewalk_delivery", "overrides": ENABLED, "use_sim_time": False}


def straight(stamp, speed=0.5):
    t = np.arange(0.0, 4.51, 0.25)
    return Plan(stamp, FIXED_FRAME, t, np.column_stack([speed * t, 0.0 * t, 0.0 * t]))


class Watched:
    """A standing robot whose plan is judged."""

    def __init__(self, probe, robot, graph):
        self.probe, self.robot, self.graph = probe, robot, graph

    def send(self, plan=None):
        from reflexarc_nodes.convert import plan_to, walls_to

        self.robot.publish(odom_age=0.0)
        now = time.time()
        self.probe.publish("keepouts", walls_to(Walls(math.inf, FIXED_FRAME, np.zeros((0, 4))), now))
        self.probe.publish("plan", plan_to(plan or straight(now)))

    def until_risk(self, wanted, what, plan=None):
        """Send measurements and plans until a judgement is as wanted; return its message."""

        def there():
            self.send(plan() if plan else None)
            last = self.probe.last("plan_risk")
            return last is not None and wanted(last)

        self.probe.until(there, START_S, what)
        return self.probe.last("plan_risk")


@pytest.fixture
def watched(probe_and_graph, fake_robot):
    probe, graph = probe_and_graph
    probe.listen("plan_risk", "safer_plan", "/diagnostics")
    graph.start("reachability_node", **SCENE)
    return Watched(probe, fake_robot(probe, topics=("odom", "obstacles", "scan")), graph)


def test_free_plan_is_accepted_with_its_interval(watched):
    risk = watched.until_risk(lambda r: r.known, "the plan is judged")
    assert risk.accepted
    assert (risk.p, risk.ci_low) == (0.0, 0.0)
    assert 0.0 < risk.upper <= risk.ci_high < 0.01
    assert (risk.n, risk.limit, risk.speed_scale) == (2000, pytest.approx(0.1), 1.0)
    assert risk.header.frame_id == FIXED_FRAME
    assert watched.graph.stop() == {"reachability_node": 0}


def bent(now):
    plan = straight(now)
    return Plan(
        plan.stamp, plan.frame_id, plan.time, np.where(np.arange(19)[:, None] == 3, math.nan, plan.pose)
    )


BAD = {
    "not finite": bent,
    "must increase": lambda now: Plan(now, FIXED_FRAME, straight(now).time[::-1], straight(now).pose),
    "must be in one": lambda now: Plan(now, "map", straight(now).time, straight(now).pose),
    "s old": lambda now: straight(now - 2.0),
    "no plan": None,
}


def test_a_plan_that_cannot_be_judged_is_unknown_and_the_policy_stands(watched):
    watched.until_risk(lambda r: r.known, "the plan is judged")
    for words, plan in BAD.items():
        if plan is None:
            watched.probe.messages["plan_risk"].clear()
            watched.probe.until(
                lambda: any("no plan" in r.reason for r in watched.probe.messages["plan_risk"]),
                10.0,
                "silence of plans is unknown",
            )
            continue
        risk = watched.until_risk(
            lambda r, words=words: words in r.reason, words, lambda plan=plan: plan(time.time())
        )
        assert not risk.known
        assert not risk.accepted
        assert (risk.upper, risk.speed_scale) == (1.0, 0.0)
        assert math.isnan(risk.p)
    # The task policy stands on such an answer: tests/reach/test_monitor.py, and live below.


def test_somebody_in_the_way_brings_a_safer_plan(watched):
    from reflexarc_nodes.convert import obstacles_to

    def crowd(now):
        return Obstacles(now, FIXED_FRAME, [[1.3, 0.25]], [[0, 0]], [0.3], [0.05], [0.05], ("somebody",))

    watched.until_risk(lambda r: r.known, "the plan is judged")

    def changed():
        watched.send()
        watched.probe.publish("obstacles", obstacles_to(crowd(time.time())))
        last = watched.probe.last("plan_risk")
        return last.known and last.p > last.limit and watched.probe.last("safer_plan") is not None

    watched.probe.until(changed, 30.0, "a safer plan")
    path = watched.probe.last("safer_plan")
    assert path.header.frame_id == FIXED_FRAME
    assert len(path.poses) == 13


@pytest.fixture
def policy(probe_and_graph, fake_robot):
    from reflexarc_nodes.convert import route_to

    probe, graph = probe_and_graph
    probe.listen("proposal", "plan")
    graph.start("task_policy_node", **SCENE)
    watched = Watched(probe, fake_robot(probe, topics=("odom", "obstacles")), graph)

    def proposes():
        watched.robot.publish(odom_age=0.0)
        probe.publish("route", route_to(time.time(), np.array([[0.0, 0.0], [20.0, 0.0]])))
        return probe.last("plan") is not None

    probe.until(proposes, START_S, "the policy plans")
    return watched


def test_without_judgements_the_policy_stands(policy):
    from reflexarc.core.types import PlanRisk
    from reflexarc_nodes.convert import plan_risk_to

    probe = policy.probe
    path = probe.last("plan")
    assert len(path.poses) >= 17
    assert path.poses[0].pose.position.x == pytest.approx(0.0, abs=0.05)

    def phase(risk, done, what):
        probe.messages["proposal"].clear()

        def look():
            policy.robot.publish(odom_age=0.0)
            if risk is not None:
                probe.publish("plan_risk", plan_risk_to(risk(time.time()), FIXED_FRAME))
            return done([m.twist.linear.x for m in probe.messages["proposal"]])

        probe.until(look, 20.0, what)

    def good(now):
        return PlanRisk(now, 0.0, 0.0, 0.01, 0.1, 100, True, True, 0.01, 1.0, 0.0, "")

    phase(None, lambda v: len(v) > 5 and not any(v), "it stands before the first judgement")
    phase(good, lambda v: v[-1:] and v[-1] > 1.0, "it drives while its plans are accepted")
    phase(None, lambda v: len(v) > 3 and not any(v[-3:]), "it stands when judgements stop")
    phase(good, lambda v: v[-1:] and v[-1] > 1.0, "it drives again")
    phase(
        lambda now: PlanRisk.unknown(now, 0.1, "a test"),
        lambda v: len(v) > 3 and not any(v[-3:]),
        "it stands on unknown",
    )
