# SPDX-License-Identifier: Apache-2.0
"""Outcomes and their precedence, and the figures of a run."""

import dataclasses
import math

import numpy as np
import pytest

from reflexarc.core.plant import CargoEvent, ContactClass, ContactEvent, RolloverEvent
from reflexarc.core.types import BaseState, Intervention, Mode, Obstacles, Status, Verdict, Walls
from reflexarc.mission import Mission, MissionEnded, MissionMonitor, MissionStarted, Outcome, RunStatistics

ROUTE = np.array([[0.0, 0.0], [10.0, 0.0]])


def at(x, y=0.0, now=0.0):
    return BaseState(now, "odom", np.array([x, y, 0.0]), np.zeros(2), Obstacles.none(now), Walls.none())


def monitor(count=1, **kwargs):
    missions = [
        Mission(k, (10.0 * k, 0.0), (10.0 * (k + 1), 0.0), ROUTE + 10.0 * k, 20.0) for k in range(count)
    ]
    return MissionMonitor(missions, lambda start, goal: np.array([start, goal]), goal_tolerance=1.0, **kwargs)


def outcomes(events):
    return [e.outcome for e in events if isinstance(e, MissionEnded)]


def test_first_update_starts_the_first_mission_with_its_planned_route():
    (event,) = monitor().update(0.0, at(0.0), ())
    assert isinstance(event, MissionStarted)
    assert np.array_equal(event.route, ROUTE)


def test_goal_within_tolerance_is_success_and_starts_the_next():
    m = monitor(2)
    m.update(0.0, at(0.0), ())
    assert m.update(1.0, at(8.9), ()) == []
    ended, started = m.update(2.0, at(9.1), ())
    assert (ended.outcome, ended.duration, started.number) == (Outcome.SUCCESS, 2.0, 1)
    assert not m.done
    assert outcomes(m.update(3.0, at(19.5), ())) == [Outcome.SUCCESS]
    assert m.done


def test_timeout_ends_the_mission_and_the_next_route_starts_where_the_robot_is():
    m = monitor(2)
    m.update(0.0, at(0.0), ())
    assert m.update(19.99, at(4.0), ()) == []
    ended, started = m.update(20.0, at(4.0), ())
    assert ended.outcome is Outcome.TIMEOUT
    assert started.route.tolist() == [[4.0, 0.0], [20.0, 0.0]]


@pytest.mark.parametrize(("lost", "outcome"), [(1, Outcome.SUCCESS), (2, Outcome.CARGO_LOST)])
def test_more_than_five_percent_of_the_cargo_spoils_the_delivery(lost, outcome):
    m = monitor()
    m.update(0.0, at(0.0), ())
    m.update(1.0, at(5.0), [CargoEvent(1.0, lost, 20)])
    assert outcomes(m.update(2.0, at(9.5), ())) == [outcome]


def test_cargo_lost_earlier_does_not_spoil_a_later_delivery():
    m = monitor(2)
    m.update(0.0, at(0.0), ())
    m.update(1.0, at(5.0), [CargoEvent(1.0, 2, 20)])
    assert outcomes(m.update(2.0, at(9.5), ())) == [Outcome.CARGO_LOST]
    assert outcomes(m.update(3.0, at(19.5), ())) == [Outcome.SUCCESS]


def test_goal_reached_takes_precedence_over_rollover_and_timeout():
    m = monitor()
    m.update(0.0, at(0.0), ())
    assert outcomes(m.update(25.0, at(9.5), [RolloverEvent(25.0, 0.6)])) == [Outcome.SUCCESS]


def test_rollover_ends_the_run():
    m = monitor(3)
    m.update(0.0, at(0.0), ())
    events = m.update(1.0, at(3.0), [RolloverEvent(1.0, 0.6)])
    assert outcomes(events) == [Outcome.PHYSICAL_ASSISTANCE, Outcome.UNFINISHED, Outcome.UNFINISHED]
    assert m.done


def test_finish_accounts_for_every_mission():
    m = monitor(2)
    m.update(0.0, at(0.0), ())
    assert outcomes(m.finish(5.0)) == [Outcome.UNFINISHED, Outcome.UNFINISHED]
    assert m.update(6.0, at(0.0), ()) == []


def contact(start=1.0, speed=0.5, kind=ContactClass.PEDESTRIAN, impulse=30.0):
    return ContactEvent(start, start + 0.1, kind, "p", impulse, 300.0, impulse / 75.0, speed, (0.0, 0.0))


def verdict(now, command=(1.0, 0.0), changed=False, used=1e-4, faults=()):
    why = (Intervention("barrier", "because", 0.5),) if changed else ()
    status = Status.FILTERED if changed else Status.PASSED
    return Verdict(
        now, np.array(command), status, Mode.NORMAL, 1.0, 0.0, math.nan, why, faults, time_used=used
    )


def test_contact_counts_as_moving_above_a_tenth_of_a_metre_per_second():
    statistics = RunStatistics(0, True)
    statistics.add_events([contact(speed=0.1), contact(speed=0.1001), contact(kind=ContactClass.BOLLARD)])
    s = statistics.summary()
    assert (s.contacts, s.pedestrian_contacts, s.pedestrian_contacts_moving) == (3, 2, 1)
    assert s.contacts_by_class == {"pedestrian": 2, "bollard": 1}
    assert s.impulse_n_s == pytest.approx(90.0)


def test_ticks_close_together_are_one_intervention():
    statistics = RunStatistics(0, True)
    for k in range(400):
        now = k * 0.005
        slow = 0.0 <= now < 0.3 or 0.6 <= now < 0.7 or now >= 1.5
        statistics.add_verdict(
            verdict(now, (0.5, 0.0) if slow else (1.0, 0.0), slow), np.array([1.0, 0.0]), None, 0.005
        )
    assert statistics.summary().interventions == 2


def test_change_too_small_to_matter_is_no_intervention():
    statistics = RunStatistics(0, True)
    statistics.add_verdict(verdict(0.0, (0.96, 0.0), True), np.array([1.0, 0.0]), None, 0.005)
    assert statistics.summary().interventions == 0


def test_replaced_nan_proposal_is_an_intervention():
    statistics = RunStatistics(0, True)
    statistics.add_verdict(verdict(0.0, (0.0, 0.0), True), np.array([math.nan, 0.0]), None, 0.005)
    assert statistics.summary().interventions == 1


def test_deadline_is_missed_later_than_half_a_period():
    statistics = RunStatistics(0, True)
    for lateness in (0.0, 0.0024, 0.0026, 0.01):
        statistics.add_verdict(verdict(0.0), None, lateness, 0.005)
    assert statistics.summary().deadline_miss_fraction == 0.5


def test_tick_times_are_percentiles_in_microseconds():
    statistics = RunStatistics(0, True)
    for k in range(101):
        statistics.add_verdict(verdict(0.0, used=k * 1e-6), None, None, 0.005)
    assert statistics.summary().tick_p50_us == pytest.approx(50.0)
    assert statistics.summary().tick_p99_us == pytest.approx(99.0)


def test_digest_depends_on_states_commands_and_events():
    def digest(x=1.0, command=1.0, impulse=30.0, used=1e-4):
        statistics = RunStatistics(0, True)
        statistics.add_state(0.0, np.array([x, 0.0, 0.0]), np.zeros(2))
        statistics.add_verdict(verdict(0.0, (command, 0.0), used=used), None, None, 0.005)
        statistics.add_events([contact(impulse=impulse)])
        return statistics.summary().digest

    assert len({digest(), digest(x=2.0), digest(command=0.9), digest(impulse=31.0)}) == 4
    assert digest() == digest(used=5e-4)


def test_summary_without_anything_is_valid_json_material():
    data = RunStatistics(3, False).summary().to_json()
    assert data["tick_p50_us"] is None
    assert data["min_distance_m"] is None
    assert data["seed"] == 3


def test_what_each_stage_and_the_learned_barrier_did_is_counted():
    statistics = RunStatistics(0, True)
    assert statistics.summary().to_json()["min_learned_margin_m"] is None
    for k, (stages, margin) in enumerate(
        ((("barrier",), 0.5), (("learned_barrier", "actuator_limits"), -0.2), ((), math.inf), ((), math.nan))
    ):
        why = tuple(Intervention(stage, "because", 0.5) for stage in stages)
        v = dataclasses.replace(verdict(0.005 * k), interventions=why, learned_margin=margin)
        statistics.add_verdict(v, None, None, 0.005)
    s = statistics.summary()
    assert s.stage_ticks == {"actuator_limits": 1, "barrier": 1, "learned_barrier": 1}
    assert (s.learned_ticks, s.min_learned_margin_m, s.uncertified) == (3, -0.2, False)
    statistics.add_verdict(dataclasses.replace(verdict(1.0), uncertified=True), None, None, 0.005)
    assert statistics.summary().uncertified


def test_time_of_successes_leaves_other_missions_out():
    statistics = RunStatistics(0, True)
    for number, (outcome, duration) in enumerate(((Outcome.SUCCESS, 20.0), (Outcome.TIMEOUT, 60.0))):
        statistics.add_mission(MissionEnded(60.0, number, outcome, duration, 0.5))
    assert statistics.summary().success_time_s == 20.0
