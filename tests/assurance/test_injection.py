# SPDX-License-Identifier: Apache-2.0
"""Injected faults: what arrives of a stream, the table of injections, and the figures of a campaign."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from reflexarc.arc import ArcConfig, build_arc
from reflexarc.assurance.injection.refusals import accepted, tampered
from reflexarc.assurance.injection.scores import Case, latency, rate_interval, summarise
from reflexarc.assurance.injection.streams import (
    BIAS_M,
    MODES,
    boxed_in,
    make_stream,
    towards_nearest,
    without_nearest,
)
from reflexarc.assurance.injection.table import CHANNELS, INJECTIONS, delay_s, injection
from reflexarc.assurance.supervisor.table import read_table
from reflexarc.core.errors import ConfigError, ModelError, UnknownNameError
from reflexarc.core.faults import fault
from reflexarc.core.paths import model_file
from reflexarc.core.types import BaseState, Mode, Obstacles, Proposal, Walls

PERIOD = 0.1


@dataclass(frozen=True, slots=True)
class Message:
    stamp: float
    number: int


def arrivals(mode, count=7, **options):
    """Numbers that a stream hands out for messages 0, 1, 2, ..."""
    stream = make_stream(mode, **options)
    return [stream(Message(PERIOD * k, k), PERIOD * k).number for k in range(count)]


def people(*places):
    n = len(places)
    still = np.zeros(n)
    return Obstacles(
        1.0, "odom", np.array(places, float).reshape(-1, 2), np.zeros((n, 2)), still + 0.3, still, still
    )


def base(obstacles=None, pose=(0.0, 0.0, 0.0)):
    return BaseState(1.0, "odom", np.array(pose), np.zeros(2), obstacles or people((3.0, 0.0)), Walls.none())


def case(row="odometry_nan", **changes):
    good = Case(row, "driving", 0, "NORMAL", 0.0, 0.0, ("state_not_finite",), False, False)
    return replace(good, **changes)


@pytest.mark.parametrize(
    ("mode", "options", "wanted"),
    [
        ("drop", {}, [0, 0, 0, 0, 0, 0, 0]),
        ("delay", {"delay_s": 0.2}, [0, 0, 0, 1, 2, 3, 4]),
        ("repeat", {}, [0, 0, 2, 2, 4, 4, 6]),
        ("reorder", {}, [0, 0, 2, 1, 4, 3, 6]),
    ],
)
def test_messages_arrive_as_the_mode_says(mode, options, wanted):
    assert arrivals(mode, **options) == wanted


def test_a_frozen_message_keeps_its_content_under_new_stamps():
    stream = make_stream("freeze")
    seen = [stream(Message(PERIOD * k, k), PERIOD * k) for k in range(3)]
    assert [m.number for m in seen] == [0, 0, 0]
    assert [m.stamp for m in seen] == [0.0, 0.1, 0.2]


@pytest.mark.parametrize(
    "item",
    [base(), people((1.0, 1.0)), people(), Walls(1.0, "odom", np.ones((2, 4))), Proposal(1.0, [1.0, 0.0])],
)
def test_nan_leaves_no_message_finite(item):
    broken = make_stream("nan")(item, 1.0)
    numbers = [
        broken.stamp,
        *np.ravel(getattr(broken, "pose", 0.0)),
        *np.ravel(getattr(broken, "velocity", 0.0)),
    ]
    numbers += [*np.ravel(getattr(broken, "segments", 0.0)), *np.ravel(getattr(broken, "twist", 0.0))]
    assert not np.isfinite(numbers).all()


def test_a_bias_moves_people_and_walls_away_and_the_pose_back():
    pose = np.array([0.0, 0.0, 0.5 * math.pi])
    biased = make_stream("bias", pose=lambda: pose)
    assert biased(people((3.0, 4.0)), 1.0).position[0] == pytest.approx((3.3, 4.4))
    wall = biased(Walls(1.0, "odom", np.array([[2.0, 0.0, 0.0, -2.0]])), 1.0)
    assert wall.segments[0] == pytest.approx((2.0 + BIAS_M, 0.0, 0.0, -2.0 - BIAS_M))
    assert biased(base(pose=pose), 1.0).pose == pytest.approx((0.0, -BIAS_M, pose[2]))


def test_a_missed_detection_is_the_nearest_person():
    left = without_nearest(people((5.0, 0.0), (1.0, 0.0), (0.0, 9.0)), np.zeros(3))
    assert left.position.tolist() == [[5.0, 0.0], [0.0, 9.0]]
    assert len(without_nearest(people(), np.zeros(3))) == 0


def test_a_robot_that_is_boxed_in_is_sent_zero():
    arc = build_arc(ArcConfig())
    box = boxed_in(people(), np.zeros(3))
    for forward, yaw in [(1.5, 0.0), (1.0, 0.8), (-1.0, 0.0), (0.0, 1.5)]:
        verdict = arc.tick(base(box), Proposal(1.0, [forward, yaw]), Mode.NORMAL, 1.0)
        assert np.abs(verdict.command).max() < 1e-9


def test_the_adversarial_proposal_turns_towards_the_nearest_person():
    old = Proposal(0.7, [0.0, 0.0])
    left = towards_nearest(old, base(people((1.0, 1.0), (-9.0, -9.0))), 3.0, 1.2)
    assert (left.stamp, left.twist[0]) == (0.7, 3.0)
    assert left.twist[1] == 1.2
    behind = towards_nearest(old, base(people((-1.0, -0.1)), pose=(0.0, 0.0, math.pi)), 3.0, 1.2)
    assert 0.0 < behind.twist[1] < 0.5
    assert towards_nearest(old, base(people()), 3.0, 1.2).twist.tolist() == [3.0, 0.0]


def test_every_row_of_the_table_is_explained():
    names = [row.name for row in INJECTIONS]
    assert len(set(names)) == len(names)
    for row in INJECTIONS:
        assert row.channel in CHANNELS
        assert bool(row.expects) != bool(row.safe_by), row.name
        assert all(fault(name).within_s <= row.within_s for name in row.expects)
        assert not row.zero or math.isfinite(row.within_s)


def test_every_mode_of_a_stream_is_injected_somewhere():
    assert set(MODES) <= {row.mode for row in INJECTIONS}


def test_a_delay_is_longer_than_the_arc_accepts():
    limits = ArcConfig().freshness
    for channel, age in [
        ("odometry", limits.state_s),
        ("obstacles", limits.obstacles_s),
        ("scan", limits.walls_s),
        ("proposal", limits.proposal_s),
    ]:
        assert delay_s(injection(f"{channel}_delay")) > age


def test_an_unknown_injection_is_refused_with_the_list():
    with pytest.raises(UnknownNameError, match="clock_nan"):
        injection("clock_mad")


@pytest.mark.parametrize(
    ("changes", "detected", "safe"),
    [
        ({}, True, True),
        ({"named_s": 0.005}, True, True),
        ({"named_s": 0.006}, False, False),
        ({"zero_s": 0.006}, True, False),
        ({"named_s": math.inf}, False, False),
        ({"named_s": math.inf, "zero_s": math.inf, "unaffected": True}, False, True),
        ({"touched": True}, True, False),
        ({"touched": True, "unaffected": True}, True, False),
        ({"row": "obstacles_miss", "named_s": math.inf, "zero_s": math.inf}, False, True),
        ({"row": "obstacles_miss", "touched": True}, False, False),
        ({"row": "obstacles_box", "zero_s": 0.2}, False, False),
    ],
)
def test_a_case_is_fail_safe_in_time_and_without_a_touch(changes, detected, safe):
    found = case(**changes)
    assert (found.detected, found.fail_safe) == (detected, safe)


def test_latencies_count_what_was_never_named():
    figures = latency([0.1, 0.2, 0.3, math.inf])
    assert (figures["p50_s"], figures["max_s"], figures["never"]) == (pytest.approx(0.2), 0.3, 1)
    assert latency([math.inf])["max_s"] is None


def test_a_rate_has_the_interval_of_the_poisson_tables():
    assert rate_interval(0, 2.0) == pytest.approx((0.0, 3.6889 / 2.0), rel=1e-4)
    assert rate_interval(5, 1.0) == pytest.approx((1.6235, 11.6683), rel=1e-4)
    with pytest.raises(ConfigError, match="not possible"):
        rate_interval(1, 0.0)


def test_a_summary_lists_what_is_not_fail_safe():
    summary = summarise([case(), case(seed=1, touched=True)], 3, 1.5)
    assert (summary["cases"], summary["fail_safe"]) == (2, 1)
    assert summary["false_stops_per_h"] == 2.0
    assert [(f["row"], f["seed"], f["touched"]) for f in summary["failures"]] == [("odometry_nan", 1, True)]
    low, high = summary["fail_safe_interval"]
    assert (low, high) == (pytest.approx(0.0126, abs=1e-3), pytest.approx(0.9874, abs=1e-3))
    with pytest.raises(ConfigError, match="no case"):
        summarise([], 0, 1.0)


def test_a_contact_is_a_residual_risk_only_where_the_table_says_so_beforehand():
    cases = [case("obstacles_miss", touched=True, touch_m_s=0.4, approach_m_s=0.3), case("obstacles_miss")]
    cases += [case("scan_bias", touched=True, touch_m_s=0.4), case("actuator_half", touched=True)]
    summary = summarise(cases, 0, 1.0)
    assert [f["row"] for f in summary["residual"]] == ["obstacles_miss"]
    assert [f["row"] for f in summary["failures"]] == ["scan_bias", "actuator_half"]
    assert summary["fail_safe"] == 1, "a residual risk is not fail-safe"
    assert summary["rows"]["obstacles_miss"]["residual"] == 1
    assert "second tracker" in summary["rows"]["obstacles_miss"]["residual_risk"]
    assert (summary["residual"][0]["touch_m_s"], summary["residual"][0]["approach_m_s"]) == (0.4, 0.3)
    assert summary["failures"][0]["approach_m_s"] is None
    assert summary["detectable"] is None, "nothing on board can tell any of them"


def test_no_fault_that_must_be_named_may_be_declared_a_residual_risk():
    declared = {row.name for row in INJECTIONS if row.residual}
    assert declared == {
        "odometry_freeze",
        "odometry_bias",
        "obstacles_freeze",
        "obstacles_bias",
        "obstacles_miss",
        "actuator_stuck",
    }
    for name in declared:
        row = injection(name)
        assert not row.expects
        assert not row.zero


def test_the_figures_are_told_per_phase_and_mode():
    cases = [case(), case(seed=1), case(mode="SPEED_SEPARATION", touched=True), case(phase="turning")]
    summary = summarise(cases, 0, 1.0)
    normal = summary["cells"]["driving"]["NORMAL"]
    assert (normal["seeds"], normal["cases"], normal["fail_safe"]) == (2, 2, 2)
    assert summary["cells"]["driving"]["SPEED_SEPARATION"]["fail_safe"] == 0
    assert set(summary["cells"]) == {"driving", "turning"}
    assert summary["rows"]["odometry_nan"]["modes"]["NORMAL"] == {"cases": 3, "fail_safe": 3}
    assert [f["mode"] for f in summary["failures"]] == ["SPEED_SEPARATION"]
    assert (summary["detectable"]["cases"], summary["detectable"]["fail_safe"]) == (4, 3)


def test_every_corruption_of_the_arc_is_refused_and_a_builder_that_refuses_nothing_is_found_out():
    tried, let_through = accepted(ArcConfig.from_dict, ArcConfig())
    assert tried > 300
    assert let_through == []
    assert len(accepted(dict, ArcConfig())[1]) == tried


def test_a_flipped_bit_of_the_supervisors_table_is_refused_and_a_reader_that_checks_nothing_is_found_out(
    tmp_path,
):
    file = tmp_path / "table" / "sidewalk.table.json"
    file.parent.mkdir()
    file.write_bytes(model_file("cells/sidewalk.table.json").read_bytes())
    assert tampered(read_table, file, 0, 20) == []
    assert len(tampered(lambda path: path.read_bytes(), file, 0, 20)) == 20
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError):
        tampered(read_table, file, 0, 1)
