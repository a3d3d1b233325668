# SPDX-License-Identifier: Apache-2.0
"""The per-step cost sums to the statement; the live statement is that of the batch."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reflexarc.core.errors import ConfigError
from reflexarc.core.plant import ContactClass, ContactEvent
from reflexarc.economics import Capex, cost_model, state_episodes
from reflexarc.economics.live import LiveStatement
from reflexarc.economics.objective import StepCost, planner_weights
from reflexarc.economics.outcomes import OUTCOMES
from reflexarc.economics.readers.rows import TableBuilder
from reflexarc.economics.readers.stack import MissionRecord, add_missions


def blow(time, impulse, delta_v=0.8, kind=ContactClass.PEDESTRIAN):
    return ContactEvent(time, time, kind, "x", impulse, 900.0, delta_v, 1.0, (0.0, 0.0))


def statement(outcome, duration, way, energy, contacts, model):
    builder = TableBuilder("test", robot="e1")
    word = {"spoiled": "cargo_lost"}.get(str(outcome), str(outcome))
    add_missions(builder, [MissionRecord("m", 0.0, duration, word, way, energy)], contacts)
    return state_episodes(builder.finish(), cost_model(model), Capex(), resamples=0)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(OUTCOMES),
    st.sampled_from(["reflexarc_run", "v5"]),
    st.lists(st.tuples(st.floats(0.1, 50.0), st.floats(0.0, 1.9), st.floats(0.0, 120.0)), max_size=4),
    st.integers(1, 30),
)
def test_steps_sum_to_the_line_of_the_statement(outcome, model, blows, steps):
    duration, way, energy = 50.5, 30.0, 2e-4
    contacts = [blow(time, impulse, dv) for time, dv, impulse in sorted(blows)]
    cost = StepCost(60.0, 1.0, cost_model(model))
    total, waiting = 0.0, list(contacts)
    for time in np.linspace(0.0, 50.0, steps):
        new = [c for c in waiting if c.end <= time]
        waiting = [c for c in waiting if c.end > time]
        total += cost.step(time, way * time / duration, math.nan, way - way * time / duration, new)
    total += cost.finish(outcome, duration, way, energy, waiting)
    expected = -statement(outcome, duration, way, energy, contacts, model).figures["margin"]
    assert total == pytest.approx(expected, abs=1e-9) and cost.total == pytest.approx(expected, abs=1e-9)


def test_the_cost_is_smooth_in_distance_and_time():
    def value(elapsed, distance):
        cost = StepCost(60.0, 1.0)
        cost.step(elapsed, 20.0, 1e-4, distance)
        return cost.total

    for distance in np.linspace(1.0, 60.0, 40):
        h = 1e-4
        one, two = (
            (value(20.0, distance + h) - value(20.0, distance)) / h,
            (value(20.0, distance + 2 * h) - value(20.0, distance + h)) / h,
        )
        assert one >= -1e-9, "farther from the goal is never cheaper"
        assert abs(two - one) < 1e-3
        assert abs(value(20.0 + h, distance) - value(20.0, distance)) < 1e-3


def test_being_late_is_announced_before_it_happens():
    def value(distance):
        cost = StepCost(60.0, 1.0)
        cost.step(50.0, 20.0, 1e-4, distance)
        return cost.total

    assert value(5.0) < value(10.0) < value(15.0)
    assert value(30.0) - value(1.0) == pytest.approx(3.49, abs=0.2)  # the fee


def test_a_model_that_scales_to_a_trip_is_refused():
    with pytest.raises(ConfigError, match="scales to a trip"):
        StepCost(60.0, 1.0, cost_model("reflexarc"))
    with pytest.raises(ConfigError, match="must be > 0"):
        StepCost(0.0, 1.0)


def test_planner_weights_are_dollars_over_dollars():
    model = cost_model("reflexarc")
    weights = planner_weights(model, 1.5, 1e-3)
    assert weights["time_weight"] == 1.0
    assert planner_weights(model, 1.5, 2e-3)["people_weight"] == pytest.approx(2 * weights["people_weight"])
    cheap = model.with_parameters(model.parameters.with_values({"robots_per_operator": 8.0}))
    assert planner_weights(cheap, 1.5, 1e-3)["people_weight"] > weights["people_weight"]
    assert planner_weights(model, 0.0, 1e-3)["people_weight"] == 0.0


@pytest.mark.parametrize("model", ["v5", "reflexarc", "reflexarc_run"])
def test_a_live_statement_is_the_batch_statement(model):
    live = LiveStatement(cost_model(model), Capex(8000.0), robot="e1")
    assert live.statement() is None
    contacts = [blow(3.0, 60.0), blow(14.0, 30.0)]
    records = []
    for number, (start, end, outcome) in enumerate(((0.0, 10.0, "success"), (10.0, 30.0, "timeout"))):
        live.start(number, start)
        for time in np.arange(start, end + 0.5, 0.5):
            live.add_position(np.array([time * 1.2, 0.0]))
            live.add_power(float(time), 36.0)
        live.add_contact(contacts[number])
        live.end(number, outcome, end, end - start)
        records.append(
            MissionRecord(str(number), start, end, outcome, 1.2 * (end - start), 36.0 * (end - start) / 3.6e6)
        )
    builder = TableBuilder("batch", robot="e1")
    add_missions(builder, records, contacts)
    expected = state_episodes(builder.finish(), cost_model(model), Capex(8000.0), resamples=1000)
    got = live.statement()
    assert got.figures == pytest.approx(expected.figures) and got.ci95["margin"] == pytest.approx(
        expected.ci95["margin"]
    )


def test_contacts_outside_missions_are_said():
    builder = TableBuilder("test")
    add_missions(builder, [MissionRecord("m", 10.0, 20.0, "success", 5.0, 1e-4)], [blow(25.0, 60.0)])
    episodes = builder.finish()
    assert len(episodes.contacts) == 0 and any(
        "1 contacts happened outside" in note for note in episodes.notes
    )
