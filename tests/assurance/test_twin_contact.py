# SPDX-License-Identifier: Apache-2.0
"""The ratio of contact forces, and the drive that touches a bollard with twin and surrogate."""

import math

import numpy as np
import pytest

from reflexarc.assurance.twin.contact import contact_gap, recorded_contacts
from reflexarc.assurance.twin.sessions import CONTACT
from reflexarc.assurance.twin.trace import PERIOD, trace_from
from reflexarc.core.plant import ContactClass, ContactEvent
from reflexarc.report.recording import read_recording
from reflexarc_sim.scenario import load_scenario
from reflexarc_sim.surrogate import Start, SurrogatePlant, TwinPlant, draw_parameters
from reflexarc_sim.surrogate_drives import TOUCH, TOUCH_S, bollard_place, commanded, touch
from reflexarc_sim.surrogate_run import record
from reflexarc_sim.surrogate_twin import blind_bollard, touched
from tests.assurance.monitor_recordings import calm, recording


def event(force: float) -> ContactEvent:
    return ContactEvent(1.0, 1.1, ContactClass.BOLLARD, "bollard_0", 5.0, force, 0.0, 0.1, (0.0, 0.0))


def test_the_gap_is_the_ratio_of_the_largest_forces_less_one():
    assert contact_gap([event(100.0), event(150.0)], [event(120.0)]) == {"contact_force": pytest.approx(0.25)}


@pytest.mark.parametrize("forces", [[], [math.nan], [120.0, math.inf], [0.0]])
def test_without_a_touch_or_with_a_force_that_is_none_nothing_is_measured(forces):
    events = [event(force) for force in forces]
    assert math.isnan(contact_gap(events, [event(100.0)])["contact_force"])
    assert math.isnan(contact_gap([event(100.0)], events)["contact_force"])


def test_a_recording_without_the_topic_has_no_contacts():
    assert recorded_contacts(recording(calm(), 1.0)) == []


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("sidewalk_delivery").with_overrides({"cargo.pieces": "0"})


@pytest.fixture(scope="module")
def twin(scenario):
    command = np.array([commanded(TOUCH, k * PERIOD) for k in range(round(TOUCH_S / PERIOD))])
    return command, touched(TwinPlant(blind_bollard(scenario), Start.BOLLARD), command)


def test_the_twin_touches_the_bollard_once_and_slowly(twin):
    (found,) = twin[1]
    assert found.partner == "bollard_0" and 0.09 < found.robot_speed < 0.11
    assert found.end < TOUCH_S - 1.0  # it has backed off


def test_the_recorded_drive_goes_without_the_arc_and_holds_the_touch(scenario, twin, tmp_path):
    place = bollard_place(scenario).with_overrides({"sensors.lidar.rays": "8"})
    plant = SurrogatePlant(place, draw_parameters(3), Start.BOLLARD)
    record(plant, place, 0, tmp_path / "contact.mcap", TOUCH_S, touch, {"drive": CONTACT})
    log = read_recording(tmp_path / "contact.mcap")
    assert not log.optional_topic("verdict") and log.meta("reflexarc")["drive"] == CONTACT
    assert np.array_equal(trace_from(log).command, twin[0])
    gap = contact_gap(recorded_contacts(log), twin[1])["contact_force"]
    assert abs(gap) < 0.25


def test_a_hard_bumper_shows_in_the_force(scenario, twin):
    hard = SurrogatePlant(blind_bollard(scenario), draw_parameters(3, "bumper"), Start.BOLLARD)
    assert contact_gap(touched(hard, twin[0]), twin[1])["contact_force"] > 0.25
