# SPDX-License-Identifier: Apache-2.0
"""Which stages the arc of each kind of robot has, in their order; nothing is warmed up for it."""

import sys
from types import SimpleNamespace

import pytest

from reflexarc.arc import ArcConfig, build, build_arc
from reflexarc.reflex.contact.reflexes import RuleReflexes
from reflexarc.robots import load_robot

ARM = {"robot": "panda", "rate_hz": 500.0, "frame_id": "panda_link0"}
BASE = ["sanity", "mode_limits", "proposal_limits", "barrier", "actuator_limits", "post_check"]


@pytest.fixture(autouse=True)
def cold(monkeypatch):
    for name in ("warm_up_base", "warm_up_arm", "warm_up_contact"):
        monkeypatch.setattr(build, name, lambda *_: None)


def names(arc):
    return [stage.name for stage in arc.stages]


@pytest.mark.parametrize("robot", ["segway_e1", "go2"])
def test_a_base_has_its_limits_before_and_after_the_barrier(robot):
    arc = build_arc(ArcConfig(robot=robot))
    assert names(arc) == BASE
    assert arc.uncertified is False
    assert arc.stages[2] is not arc.stages[4]


@pytest.mark.parametrize(
    ("learned", "uncertified"),
    [(None, False), (SimpleNamespace(uncertified=False), False), (SimpleNamespace(uncertified=True), True)],
)
def test_an_arc_is_uncertified_where_its_learned_barrier_is(learned, uncertified):
    first, last = SimpleNamespace(name="first"), SimpleNamespace(name="last")
    barrier = SimpleNamespace(name="barrier")
    arc = build._base(ArcConfig(), load_robot("segway_e1"), (first, last), barrier, learned)
    assert names(arc)[2:5] == ["first", "barrier", "last"]
    assert arc.uncertified is uncertified


@pytest.mark.parametrize(("command", "unit"), [("velocity", "rad/s"), ("torque", "N m")])
def test_the_last_look_at_an_arm_is_at_what_it_is_commanded(command, unit):
    pytest.importorskip("pinocchio", reason="arms need pinocchio (pip install 'reflexarc[arms]')")
    arc = build_arc(ArcConfig.from_dict(ARM | {"arm": {"command": command}}))
    assert names(arc) == ["sanity", "mode_limits", "barrier", "post_check"]
    assert arc.stages[-1]._unit == unit


def test_an_arm_in_contact_has_its_tip_critic_and_force_between_mode_and_barrier():
    pytest.importorskip("pinocchio", reason="arms need pinocchio (pip install 'reflexarc[arms]')")
    arc = build_arc(ArcConfig.from_dict(ARM | {"arm": {"command": "impedance"}}))
    assert names(arc) == [
        "sanity", "mode_limits", "tip", "critic", "reflex", "energy", "force_barrier", "impedance", "barrier",
        "post_check",
    ]  # fmt: skip
    assert arc.stages[-1]._unit == "N m"


def test_critic_and_reflex_are_learned_where_there_are_weights_and_go_by_rule_where_not(monkeypatch):
    asked = []
    agent = SimpleNamespace(load_contact_agent=lambda *given: asked.append(given) or "learned")
    monkeypatch.setitem(sys.modules, "reflexarc.reflex.contact.agent", agent)
    rule = build.contact_reflexes(ArcConfig.from_dict({"contact": {"rule_threshold": 0.3}}))
    assert isinstance(rule, RuleReflexes)
    assert (rule.threshold, asked) == (0.3, [])
    config = ArcConfig.from_dict(ARM | {"contact": {"weights": "/no/such/agent.safetensors"}})
    assert build.contact_reflexes(config) == "learned"
    ((path, robot),) = asked
    assert (str(path), robot) == ("/no/such/agent.safetensors", "panda")
