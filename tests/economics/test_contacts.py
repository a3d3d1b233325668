# SPDX-License-Identifier: Apache-2.0
"""Raw contacts merge into episodes by time and by partner; the simulator's own episodes are the same."""

import numpy as np
import pytest

from reflexarc.core.errors import ConfigError
from reflexarc.core.plant import ContactClass, ContactEvent
from reflexarc.economics.contacts import MERGE_GAP_S, RawContact, merge_contacts
from reflexarc_sim import load_scenario
from reflexarc_sim.mujoco_plant import MujocoPlant


def touch(
    time,
    impulse=(1.0, 0.0, 0.0),
    partner="p1",
    kind=ContactClass.PEDESTRIAN,
    force=10.0,
    before=0.0,
    after=0.1,
):
    return RawContact(time, kind, partner, impulse, force, 1.0, (before, 0.0, 0.0), (after, 0.0, 0.0))


def test_merged_by_time_with_the_resultant_impulse():
    rows = [
        touch(1.0, (3.0, 0.0, 0.0)),
        touch(1.2, (0.0, 4.0, 0.0)),
        touch(1.2 + MERGE_GAP_S + 0.001, (1.0, 0.0, 0.0)),
    ]
    first, second = merge_contacts(rows)
    assert first.event.impulse == pytest.approx(5.0) and (first.event.start, first.event.end) == (1.0, 1.2)
    assert second.event.impulse == 1.0
    assert first.raw == tuple(rows[:2]) and second.raw == (rows[2],)


def test_pushes_that_cancel_do_not_add_up():
    (episode,) = merge_contacts([touch(1.0, (30.0, 0.0, 0.0)), touch(1.01, (-30.0, 0.0, 0.0))])
    assert episode.event.impulse == 0.0 and len(episode.raw) == 2


def test_partners_are_kept_apart_and_order_does_not_matter():
    rows = [touch(1.0), touch(1.0, partner="wall", kind=ContactClass.BUILDING), touch(1.1)]
    assert merge_contacts(rows) == merge_contacts(rows[::-1])
    assert [e.event.partner for e in merge_contacts(rows)] == ["p1", "wall"]


def test_change_of_velocity_counts_from_before_the_first_touch():
    (episode,) = merge_contacts([touch(1.0, before=0.5, after=1.1), touch(1.1, before=1.0, after=0.2)])
    assert episode.event.delta_v == pytest.approx(0.6)


@pytest.mark.parametrize("bad", [touch(float("nan")), touch(1.0, (np.inf, 0.0, 0.0)), touch(1.0, force=-1.0)])
def test_bad_raw_contacts_are_named(bad):
    with pytest.raises(ConfigError, match="raw contact 2"):
        merge_contacts([touch(1.0), bad])


def test_a_partner_of_two_classes_is_refused():
    with pytest.raises(ConfigError, match="'p1' has more than one class"):
        merge_contacts([touch(1.0), touch(2.0, kind=ContactClass.KERB)])


@pytest.mark.integration
def test_the_simulators_episodes_are_those_of_its_raw_contacts():
    overrides = {
        "crowd.count": "12",
        "crowd.distracted_fraction": "1.0",
        "world.length_m": "30",
        "missions.max_distance_m": "20",
        "missions.min_distance_m": "10",
    }
    plant = MujocoPlant(load_scenario("sidewalk_delivery", overrides))
    plant.reset(0)
    plant._contacts.raw = raw = []
    seen = []
    for step in range(2400):
        _, events = plant.step(np.array([1.5, 0.4 * np.sin(step / 300)]))
        seen += [e for e in events if isinstance(e, ContactEvent)]
    seen += plant.finish()
    merged = [e.event for e in merge_contacts(raw)]
    assert len(seen) >= 2
    key = lambda e: (e.start, e.partner)  # noqa: E731
    for got, expected in zip(sorted(merged, key=key), sorted(seen, key=key), strict=True):
        for name in ("start", "end", "impulse", "peak_force", "delta_v", "robot_speed"):
            assert getattr(got, name) == pytest.approx(getattr(expected, name), rel=1e-9, abs=1e-12), name
