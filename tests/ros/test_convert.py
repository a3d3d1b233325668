# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLC0415 - where ROS is absent these files must still be read, to be skipped with a reason
"""Converters: through a message and back, also through the bytes on the wire, without losing a bit."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from reflexarc.core import wire
from reflexarc.core.plant import CargoEvent, ContactClass, ContactEvent, RolloverEvent, Scan
from reflexarc.core.types import BaseState, Intervention, Mode, Obstacles, Status, Verdict, Walls
from reflexarc.mission import Mission, MissionEnded, MissionStarted, Outcome

pytestmark = pytest.mark.ros

NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
TWISTS = hnp.arrays(np.float64, st.integers(2, 3), elements=NUMBERS)
"""Of a wheeled base or a legged one."""
LENGTHS = st.floats(-1e6, 1e6)
SIMULATED = st.integers(0, 4_000_000 * wire.NS).map(lambda ns: wire.seconds(_stamp(ns)))
SYSTEM = st.floats(1.7e9, 2.1e9)
STAMPS = st.one_of(SIMULATED, SYSTEM.map(lambda t: wire.seconds(_stamp_of(t))))
FRAMES = st.sampled_from(["odom", "map", ""])


def _stamp(ns):
    return SimpleNamespace(sec=ns // wire.NS, nanosec=ns % wire.NS)


def _stamp_of(time):
    sec, nanosec = wire.split(time)
    return SimpleNamespace(sec=sec, nanosec=nanosec)


def through_the_wire(message):
    from rclpy.serialization import deserialize_message, serialize_message

    return deserialize_message(serialize_message(message), type(message))


def same(a, b):
    """Equal in every bit; NaN equals NaN."""
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and all(
            same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a)
        )
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and np.asarray(a, float).tobytes() == np.asarray(b, float).tobytes()
    if isinstance(a, float):
        return np.float64(a).tobytes() == np.float64(b).tobytes() or (math.isnan(a) and math.isnan(b))
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@given(st.integers(0, 2**31 - 1), st.integers(0, wire.NS - 1))
def test_a_stamp_that_was_in_a_message_is_not_changed_by_further_trips(sec, nanosec):
    time = wire.seconds(SimpleNamespace(sec=sec, nanosec=nanosec))
    assert wire.seconds(_stamp_of(time)) == time


@given(st.integers(0, 4_000_000), st.integers(0, wire.NS - 1))
def test_simulated_time_keeps_its_nanoseconds(sec, nanosec):
    assert wire.split(wire.seconds(SimpleNamespace(sec=sec, nanosec=nanosec))) == (sec, nanosec)


@given(st.floats(0.0, 2.0**31 - 1))
def test_a_time_is_rounded_to_the_nearest_nanosecond(time):
    sec, nanosec = wire.split(time)
    assert 0 <= nanosec < wire.NS
    assert abs((sec - math.floor(time)) + nanosec * 1e-9 - (time - math.floor(time))) <= 0.5e-9 + 1e-16


@given(st.floats(-math.pi, math.pi))
def test_yaw_survives_the_quaternion(yaw):
    from reflexarc_nodes.convert import yaw_to

    assert abs(math.remainder(wire.yaw_of(yaw_to(yaw)) - yaw, 2 * math.pi)) < 1e-14


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_yaw_of_a_quaternion_that_is_not_normalised(scale):
    q = SimpleNamespace(x=0.0, y=0.0, z=scale * math.sin(0.4), w=scale * math.cos(0.4))
    assert wire.yaw_of(q) == pytest.approx(0.8)


@pytest.mark.parametrize("bad", [(0, 0, 0, 0), (0, 0, math.nan, 1), (0, 0, math.inf, 1)])
def test_a_quaternion_that_is_none_gives_nan_on_which_the_arc_stops(bad):
    assert math.isnan(wire.yaw_of(SimpleNamespace(x=bad[0], y=bad[1], z=bad[2], w=bad[3])))


@given(STAMPS, FRAMES, LENGTHS, LENGTHS, st.floats(-math.pi, math.pi), TWISTS)
def test_odometry(stamp, frame, x, y, yaw, twist):
    from reflexarc_nodes.convert import odometry_to

    state = BaseState(stamp, frame, [x, y, yaw], twist, Obstacles.none(stamp), Walls.none())
    odometry = wire.odometry_from(through_the_wire(odometry_to(state)), len(twist))
    assert (odometry.stamp, odometry.frame_id, odometry.child_frame_id) == (stamp, frame, "base_link")
    assert same(odometry.pose[:2], state.pose[:2])
    assert abs(math.remainder(odometry.pose[2] - yaw, 2 * math.pi)) < 1e-14
    assert same(odometry.twist, state.twist)


@given(st.data(), STAMPS, FRAMES, st.integers(0, 5), st.booleans())
def test_obstacles(data, stamp, frame, n, named):
    from reflexarc_nodes.convert import obstacles_to

    def array(*shape):
        return data.draw(hnp.arrays(np.float64, shape, elements=NUMBERS))

    names = tuple(f"track {k}" for k in range(n)) if named else ()
    obstacles = Obstacles(stamp, frame, array(n, 2), array(n, 2), array(n), array(n), array(n), names)
    back = wire.obstacles_from(through_the_wire(obstacles_to(obstacles)))
    assert same(back, obstacles if named else dataclasses.replace(obstacles, ids=("",) * n))


@given(
    STAMPS,
    hnp.arrays(np.float32, st.integers(0, 40), elements=st.floats(0, 50, width=32) | st.just(math.inf)),
)
def test_scan(stamp, ranges):
    from reflexarc_nodes.convert import scan_to

    scan = Scan(stamp, -1.5, 0.125, 0.25, 16.0, ranges.astype(np.float64))
    assert same(wire.scan_from(through_the_wire(scan_to(scan, 0.1))), scan)


@given(STAMPS, FRAMES, hnp.arrays(np.float64, st.tuples(st.integers(0, 5), st.just(4)), elements=NUMBERS))
def test_walls(stamp, frame, segments):
    from reflexarc_nodes.convert import walls_to

    back = wire.walls_from(through_the_wire(walls_to(Walls(math.inf, frame, segments), stamp)))
    assert same(back, Walls(math.inf, frame, segments))


def test_walls_whose_numbers_make_no_segments_become_a_fault():
    message = SimpleNamespace(header=SimpleNamespace(frame_id="odom"), segments=[1.0, 2.0, 3.0])
    assert np.isnan(wire.walls_from(message).segments).all()


@given(STAMPS, TWISTS)
def test_proposal(stamp, twist):
    from reflexarc_nodes.convert import twist_to

    proposal = wire.proposal_from(through_the_wire(twist_to(stamp, twist)), len(twist))
    assert proposal.stamp == stamp
    assert same(proposal.twist, twist)


@pytest.mark.parametrize("mode", Mode)
def test_mode(mode):
    from reflexarc_nodes.convert import mode_to

    assert wire.mode_from(through_the_wire(mode_to(1.0, mode, "because"))) is mode


@pytest.mark.parametrize("number", [5, 17, 255])
def test_a_number_that_is_no_mode_is_an_emergency(number):
    assert wire.mode_from(SimpleNamespace(mode=number)) is Mode.EMERGENCY_STOP


VERDICTS = st.builds(
    Verdict,
    now=NUMBERS,
    command=hnp.arrays(np.float64, st.integers(2, 3), elements=LENGTHS),
    status=st.sampled_from(Status),
    mode=st.sampled_from(Mode),
    margin=NUMBERS,
    slack=NUMBERS,
    risk=NUMBERS,
    interventions=st.lists(
        st.builds(Intervention, stage=st.text(max_size=9), reason=st.text(max_size=30), change=NUMBERS),
        max_size=3,
    ).map(tuple),
    faults=st.lists(st.sampled_from(["state_stale", "frame_mismatch"]), max_size=2).map(tuple),
    learned_margin=NUMBERS,
    uncertified=st.booleans(),
    time_used=LENGTHS,
    stage_times=st.lists(LENGTHS, max_size=6).map(tuple),
)
RECORDS = st.builds(wire.TickRecord, st.integers(0, 2**63), *[NUMBERS] * 6)


def without_nul(text):
    return text.replace("\0", "")


@settings(max_examples=60, deadline=None)
@given(VERDICTS, RECORDS)
def test_verdict(verdict, record):
    from reflexarc_nodes.convert import verdict_to

    clean = tuple(
        Intervention(without_nul(i.stage), without_nul(i.reason), i.change) for i in verdict.interventions
    )
    verdict = dataclasses.replace(verdict, interventions=clean)
    if math.isfinite(verdict.now):
        verdict = dataclasses.replace(verdict, now=verdict.now % 1e9)
    back, tick = wire.verdict_from(through_the_wire(verdict_to(verdict, record)), len(verdict.command))
    assert same(back, verdict)
    assert same(tuple(tick), tuple(record))


def test_the_numbers_of_messages_are_those_of_the_enumerations():
    from reflexarc_msgs import msg

    from reflexarc_nodes.convert import OUTCOME_NUMBER

    assert {s.name: i for i, s in enumerate(wire.STATUS_CODES)} == {
        s.name: getattr(msg.Verdict, s.name) for s in Status
    }
    assert {m.name: m.value for m in Mode} == {m.name: getattr(msg.Mode, m.name) for m in Mode}
    assert {c.name: c.value for c in ContactClass} == {
        c.name: getattr(msg.ContactEvent, c.name) for c in ContactClass
    }
    assert {o.name: OUTCOME_NUMBER[o] for o in Outcome} == {
        o.name: getattr(msg.MissionStatus, o.name) for o in Outcome
    }


@given(st.builds(ContactEvent, *[LENGTHS.map(abs)] * 2, st.sampled_from(ContactClass), st.just("bin_1"), *[NUMBERS] * 4,
                 st.tuples(LENGTHS, LENGTHS)))  # fmt: skip
def test_contact(event):
    from reflexarc_nodes.convert import contact_to

    assert same(wire.contact_from(through_the_wire(contact_to(event))), event)


@given(STAMPS, st.integers(0, 12), st.integers(0, 12), st.floats(0.0, 3.2))
def test_cargo_and_rollover(stamp, lost, total, tilt):
    from reflexarc_nodes.convert import cargo_to, rollover_to

    assert wire.cargo_from(through_the_wire(cargo_to(CargoEvent(stamp, lost, total)))) == CargoEvent(
        stamp, lost, total
    )
    assert wire.rollover_from(through_the_wire(rollover_to(RolloverEvent(stamp, tilt)))) == RolloverEvent(
        stamp, tilt
    )


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_route(n):
    from reflexarc_nodes.convert import route_to

    route = np.random.default_rng(n).normal(size=(n, 2))
    path = through_the_wire(route_to(3.0, route))
    assert same(wire.route_from(path), route)
    if n > 1:
        heading = math.atan2(*(route[1] - route[0])[::-1])
        assert wire.yaw_of(path.poses[0].pose.orientation) == pytest.approx(heading)


def test_mission_status_follows_the_events():
    from reflexarc_nodes.convert import mission_to

    mission = Mission(2, (0.0, 0.0), (3.0, 4.0), np.zeros((2, 2)), 60.0)
    counters = {"missions": 5, "successes": 1}
    begun = mission_to(MissionStarted(7.0, 2, (3.0, 4.0), np.zeros((2, 2))), mission, counters, "go")
    assert (begun.state, begun.number, begun.start, begun.timeout, begun.goal.y) == (
        begun.UNDER_WAY,
        2,
        7.0,
        60.0,
        4.0,
    )
    ended = mission_to(MissionEnded(20.0, 2, Outcome.TIMEOUT, 13.0, 0.5), mission, counters, "late")
    assert (ended.state, ended.outcome, ended.start, ended.duration) == (
        ended.ENDED,
        ended.TIMEOUT,
        7.0,
        13.0,
    )
    over = mission_to(None, None, counters, "done", 30.0)
    assert (over.state, over.count, over.successes, over.start) == (over.ALL_DONE, 5, 1, -1.0)


def test_health_becomes_a_diagnostic():
    from reflexarc_nodes.convert import diagnostics_to
    from reflexarc_nodes.health import Health, Level

    health = Health.judge(["too late"], {"ticks": 3, "late_us": 12.3456789}, warnings=["unused"])
    message = through_the_wire(diagnostics_to(1.0, [("arc_node", health)], "arc_node"))
    status = message.status[0]
    assert (status.name, status.message, status.level) == ("arc_node", "too late", bytes([Level.ERROR]))
    assert {v.key: v.value for v in status.values} == {"ticks": "3", "late_us": "12.3457"}
    assert Health.judge([], {}, warnings=["w"]).level is Level.WARN
    assert Health.judge([], {}).level is Level.OK
