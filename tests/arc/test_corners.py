# SPDX-License-Identifier: Apache-2.0
"""What no other test of a base's arc reaches: a barrier that is switched off, an arc that is driven, a bad rate."""

import math

import numpy as np
import pytest

from reflexarc.arc import ArcConfig, build_arc
from reflexarc.arc.barrier_stage import _predict
from reflexarc.arc.inputs import ArcInputs
from reflexarc.arc.sanity import SanityStage
from reflexarc.arc.stage import Tick
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Mode, Proposal, Status
from tests.arc.scenes import obstacles, proposal, state

OFF = {"barrier": {"enabled": False}}


@pytest.mark.parametrize("rate", [math.nan, math.inf])
def test_a_rate_that_is_no_number_is_refused(rate):
    with pytest.raises(ValueError, match="rate_hz must be finite"):
        ArcConfig(rate_hz=rate)
    with pytest.raises(ConfigError, match="rate_hz"):
        ArcConfig.from_dict({"rate_hz": rate})


@pytest.mark.parametrize("omega", [0.9, -0.9, 1e-7, 0.0])
def test_the_pose_is_carried_along_the_arc_that_is_driven(omega):
    fine = np.array([1.0, -2.0, 0.4])
    for _ in range(20000):
        middle = fine[2] + 0.5 * omega * 0.3 / 20000
        fine += 0.3 / 20000 * np.array([1.2 * math.cos(middle), 1.2 * math.sin(middle), omega])
    out = np.zeros(3)
    _predict(state(pose=(1.0, -2.0, 0.4), twist=(1.2, omega)), 0.3, out)
    assert out == pytest.approx(fine, abs=1e-9)


@pytest.mark.parametrize(("robot", "components"), [("segway_e1", 2), ("go2", 3)])
def test_a_barrier_that_is_switched_off_still_measures(robot, components):
    arc = build_arc(ArcConfig.from_dict(OFF | {"robot": robot}))
    twist = np.zeros(components)
    twist[0] = 1.0
    near = state([(1.0, 0.0, -1.0, 0.0)], twist=twist)
    verdict = arc.tick(near, Proposal(0.0, twist), Mode.NORMAL, 0.0)
    assert verdict.status is Status.PASSED
    assert verdict.command == pytest.approx(twist)
    assert verdict.margin < 0.0
    assert verdict.slack == -verdict.margin


def test_a_command_that_a_barrier_would_refuse_is_one_that_it_refuses(arc):
    verdict = arc.tick(state([(1.0, 0.0, -1.0, 0.0)], twist=(1.0, 0.0)), proposal(), Mode.NORMAL, 0.0)
    assert verdict.command[0] < 1.0


@pytest.mark.parametrize(
    ("age", "what"), [(0.75, "is 0.750 s old"), (-0.75, "is stamped 0.750 s in the future")]
)
def test_what_is_too_old_and_what_is_from_the_future_is_told_apart(age, what):
    config = ArcConfig()

    def reason(seen, wanted):
        tick = Tick(10.0, seen, wanted, Mode.NORMAL, np.ones(2), lambda _: [0.0, 0.0])
        SanityStage(config, 2).apply(tick)
        return tick.interventions[-1].reason

    stamp, fresh = 10.0 - age, config.freshness
    good, wish = state(now=10.0), proposal(now=10.0)
    assert reason(state(now=10.0, stamp=stamp), wish) == f"state {what}, allowed {fresh.state_s:.3f} s"
    assert reason(good, proposal(now=stamp)) == f"proposal {what}, allowed {fresh.proposal_s:.3f} s"
    old = state(now=10.0, obstacles=obstacles(stamp=stamp))
    assert reason(old, wish) == f"obstacles {what}, allowed {fresh.obstacles_s:.3f} s"


def test_the_newest_proposal_is_held_and_its_stamp_recorded():
    inputs = ArcInputs(ArcConfig(), needs_map=False)
    inputs.add_proposal(proposal(now=1.0))
    newest = proposal(now=2.0)
    inputs.add_proposal(newest)
    assert inputs.proposal is newest
    assert inputs.record(0, 0.0, None).proposal_stamp == 2.0
