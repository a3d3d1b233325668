# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflexarc.economics import cost_model
from reflexarc.economics.extraction import level_costs, mean_power
from reflexarc.economics.injury import (
    cumulative_probabilities,
    level_probabilities,
    limit_delta_v,
    severity_cost,
)
from reflexarc.economics.outcomes import (
    V2_THRESHOLDS,
    V5_THRESHOLDS,
    ContactCounter,
    Outcome,
    food_spoiled,
    judge,
)
from reflexarc.economics.readers.tables import episodes_from

T = V5_THRESHOLDS


@pytest.mark.parametrize(("distance", "tilt", "health", "time", "spoiled", "expected"), [
    (2.0, 0.0, 177.8, 10.0, False, Outcome.SUCCESS),
    (2.0, 0.0, 177.8, 10.0, True, Outcome.SPOILED),
    (2.0, 1.0, 0.0, 241.0, False, Outcome.SUCCESS),  # the goal comes first
    (2.01, 0.51, 177.8, 241.0, False, Outcome.ASSISTANCE),  # then tilt
    (2.01, 0.5, 177.8, 10.0, False, None),  # strict
    (2.01, 0.0, 0.0, 241.0, False, Outcome.ASSISTANCE),  # then health
    (2.01, 0.0, 0.01, 241.0, False, Outcome.TIMEOUT),
    (2.01, 0.0, 177.8, 240.99, False, None),
])  # fmt: skip
def test_precedence_and_thresholds(distance, tilt, health, time, spoiled, expected):
    assert judge(distance, tilt, health, time, spoiled, T) == expected


def test_the_february_rules_were_tighter():
    assert judge(1.5, 0.0, 100.0, 10.0, False, V2_THRESHOLDS) is None
    assert judge(1.5, 0.0, 100.0, 169.0, False, V2_THRESHOLDS) == Outcome.TIMEOUT


def test_food_at_exactly_five_percent_is_a_success():
    assert not food_spoiled(100, 95)
    assert food_spoiled(100, 94)
    assert not food_spoiled(0, 0)


def test_contact_gates_health_and_cooldown():
    counter = ContactCounter()
    assert counter.callback((49.99,)) is None
    assert counter.callback((10.0, 50.0, 99.0)) == 50.0  # the first point that counts
    assert [counter.callback((60.0,)) for _ in range(30)] == [None] * 30
    assert counter.callback((60.0,)) == 60.0
    assert counter.health_ns == pytest.approx(67.8)
    assert not counter.damages_property(99.99) and counter.damages_property(100.0)


def table(contacts, outcome="success", duration=30.0):
    rows = [
        {
            "mission": "m",
            "outcome": outcome,
            "duration_s": duration,
            "distance_m": 30.0,
            "energy_kwh": 1e-4,
            "contacts": contacts,
        }
    ]
    return episodes_from(rows, "test")[0]


def contact(kind, impulse, time=10.0, **more):
    return {"class": kind, "impulse": impulse, "time": time} | more


@pytest.mark.parametrize(("kind", "impulse", "column", "expected"), [
    ("pedestrian", 49.99, "injury_usd", 0.0),
    ("pedestrian", 50.0, "injury_usd", 31.2426),
    ("bollard", 99.99, "property_usd", 0.0),
    ("bollard", 100.0, "property_usd", 65.0),
    ("building", 100.0, "property_usd", 300.0),
])  # fmt: skip
def test_published_gates_on_our_contacts(kind, impulse, column, expected):
    model = cost_model("v5")
    row = dict(zip(model.columns, model.features(table([contact(kind, impulse)]))[0], strict=True))
    assert row[column] == pytest.approx(expected, abs=1e-4)


def test_used_up_health_ends_the_run_and_what_follows_is_free():
    model = cost_model("v5")
    blows = [contact("bollard", 100.0, 5.0), contact("bollard", 77.8, 6.0), contact("bollard", 100.0, 7.0)]
    row = dict(zip(model.columns, model.features(table(blows))[0], strict=True))
    assert row["assistance"] == 1.0 and row["property_usd"] == 65.0
    late = [
        contact("bollard", 100.0, 5.0),
        contact("bollard", 77.8, 30.0),
    ]  # with the last tick: the goal comes first
    assert dict(zip(model.columns, model.features(table(late))[0], strict=True))["assistance"] == 0.0


def test_power_is_cut_not_rounded():
    episodes = table([])
    assert mean_power(episodes, cost_model("v5").parameters)[0] == pytest.approx(0.0181)  # 18.179 N x 1 m/s
    third = episodes_from(
        [{"mission": "m", "outcome": "timeout", "duration_s": 30.0, "distance_m": 20.0}], "t"
    )[0]
    assert mean_power(third, cost_model("v5").parameters)[0] == 0.0121  # 18.179 * 0.6666 = 12.118 W


def test_touches_within_the_contact_limit_cost_nothing():
    model = cost_model("reflexarc_run")

    def injury(**more):
        return model.features(table([contact("pedestrian", 60.0, robot_speed=1.0, **more)]))[0][
            model.columns.index("injury_usd")
        ]

    assert injury(delta_v=0.8, peak_force=260.0) == 0.0
    assert injury(delta_v=0.8, peak_force=260.1) > 100.0
    p = model.parameters
    limit = limit_delta_v(
        p["contact_force_limit"], p["contact_stiffness"], p["robot_mass"], p["pedestrian_mass"]
    )
    assert injury(delta_v=0.99 * limit) == 0.0
    assert 0.0 < injury(delta_v=1.01 * limit) < 1.0  # begins at zero, without a step


def test_a_standing_robot_is_charged_its_share_of_liability():
    model = cost_model("reflexarc_run")
    episodes = table([contact("pedestrian", 80.0, delta_v=1.0, peak_force=900.0, robot_speed=0.05)])
    column = model.columns.index("injury_usd")
    full = model.with_parameters(model.parameters.with_values({"standing_liability": 1.0}))
    assert model.features(episodes)[0][column] == 0.0
    assert full.features(episodes)[0][column] > 100.0


def test_the_pedestrians_velocity_change_is_bounded_by_the_impulse():
    model = cost_model("reflexarc_run")
    column = model.columns.index("injury_usd")
    own_stop = table([contact("pedestrian", 7.5, delta_v=1.3, peak_force=900.0, robot_speed=1.0)])
    pushed = table([contact("pedestrian", 7.5, delta_v=0.1, peak_force=900.0, robot_speed=1.0)])
    assert model.features(own_stop)[0][column] == model.features(pushed)[0][column]


@given(st.floats(-5.0, 60.0), st.floats(0.0, 5.0))
def test_injury_ladder_is_a_distribution_and_grows(delta_v, more):
    p = level_probabilities(cumulative_probabilities(delta_v))
    assert p.min() >= 0.0 and p.sum() == pytest.approx(1.0, abs=1e-12)
    harder = cumulative_probabilities(delta_v + more)
    assert (harder >= cumulative_probabilities(delta_v) - 1e-15).all()
    costs = level_costs(cost_model("reflexarc").parameters)
    severities = severity_cost(np.array([delta_v, delta_v + more]), math.nan, costs, 1.0, 260.0, 0.0775)
    assert 0.0 <= severities[0] <= severities[1] + 1e-9
