# SPDX-License-Identifier: Apache-2.0
"""The table of permissible contact forces: every cell has a source, and speeds follow from collisions of two masses."""

import math

import numpy as np
import pytest
import yaml

from reflexarc.assurance.pfl import TABLE, body_region, body_regions, effective_mass
from reflexarc.core.errors import ConfigError, ModelError, UnknownNameError

REGIONS = body_regions()
OPEN = [key for key, region in REGIONS.items() if region.permitted]
CELLS = ("force", "mass", "stiffness", "permitted")

# Derived column of the specification's digest, v_max at m_R = 2, 5, 10, 20 kg in mm/s and energy in J, rounded there.
PUBLISHED = {
    "neck": (1549, 1364, 1296, 1261, 0.90),
    "back_shoulders": (1627, 1065, 794, 615, 2.52),
    "chest": (1283, 840, 626, 485, 1.57),
    "abdomen": (1594, 1044, 778, 602, 2.42),
    "pelvis": (1650, 1080, 805, 624, 2.59),
    "upper_arm_elbow": (1581, 1265, 1140, 1072, 1.50),
    "lower_arm_wrist": (1600, 1339, 1239, 1187, 1.28),
    "hand_finger": (1505, 1397, 1359, 1340, 0.52),
    "thigh_knee": (1410, 909, 662, 495, 1.94),
    "lower_leg": (760, 490, 357, 267, 0.56),
}


def edited(tmp_path, change):
    data = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    change(data)
    path = tmp_path / "table.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


@pytest.mark.parametrize("key", REGIONS)
def test_every_cell_of_the_table_says_where_it_is_from(key):
    sources = REGIONS[key].sources
    assert set(sources) == set(CELLS)
    assert all(len(texts) >= 1 and all(len(text) > 10 for text in texts) for texts in sources.values())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("nothing", [[], None, "", ["hearsay"]])
def test_a_cell_without_a_source_is_refused(tmp_path, cell, nothing):
    def change(data):
        data["regions"]["hand_finger"][cell]["source"] = nothing

    with pytest.raises(ModelError, match=rf"hand_finger.{cell}.*source"):
        body_regions(edited(tmp_path, change))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["regions"]["chest"]["force"].update(unit="kN"), "is in 'kN', expected 'N'"),
        (lambda d: d["regions"]["chest"]["force"].update(value=-140.0), "positive finite"),
        (lambda d: d["regions"]["chest"]["mass"].update(value=math.inf), "positive finite"),
        (lambda d: d["regions"]["chest"]["stiffness"].update(value=True), "positive finite"),
        (lambda d: d["regions"]["chest"]["permitted"].update(value="yes"), "true or false"),
        (lambda d: d["regions"]["chest"].pop("mass"), "needs exactly"),
        (lambda d: d["regions"]["chest"].update(name=""), "has no name"),
        (lambda d: d["sources"].update(masses=" "), "says nothing"),
        (lambda d: d.update(regions={}), "not empty"),
        (lambda d: d.pop("sources"), "expected the keys"),
        (lambda d: d["regions"].update(chest=7), "needs exactly"),
        (lambda d: d["regions"]["chest"].update(mass=40.0), "value, unit, source"),
    ],
)
def test_a_malformed_table_is_refused_by_name(tmp_path, change, words):
    with pytest.raises(ModelError, match=words):
        body_regions(edited(tmp_path, change))


def test_a_missing_table_and_an_unknown_region_are_named(tmp_path):
    with pytest.raises(ModelError, match="no such file"):
        body_regions(tmp_path / "none.yaml")
    with pytest.raises(UnknownNameError, match=r"body region 'tail'.*hand_finger"):
        body_region("tail")


@pytest.mark.parametrize("key", PUBLISHED)
def test_speeds_and_energies_are_those_of_the_published_digest(key):
    region = body_region(key)
    *speeds, energy = PUBLISHED[key]
    for mass, speed in zip((2.0, 5.0, 10.0, 20.0), speeds, strict=True):
        assert 1000.0 * region.speed(mass) == pytest.approx(speed, abs=1.0)
    assert region.energy == pytest.approx(energy, abs=0.006)


def test_the_digest_covers_all_regions_with_permitted_contact():
    assert set(PUBLISHED) == set(OPEN)
    assert {key for key, r in REGIONS.items() if not r.permitted} == {"skull_forehead", "face"}


@pytest.mark.parametrize("key", ["skull_forehead", "face"])
def test_no_speed_and_no_force_is_given_for_the_critical_zone(key):
    region = body_region(key)
    for ask in (lambda: region.transient, lambda: region.energy, lambda: region.speed(5.0)):
        with pytest.raises(ConfigError, match="not permitted"):
            ask()


def largest_force(robot, body, stiffness, speed):
    """Two masses, the first running into a spring on the second at `speed`: integrated, not solved. [N]"""
    x, v = np.array([0.0, 0.0]), np.array([speed, 0.0])
    largest, dt = 0.0, 2e-6
    while True:
        force = max(0.0, stiffness * (x[0] - x[1]))
        v = v + dt * np.array([-force / robot, force / body])
        x = x + dt * v
        largest = max(largest, force)
        if v[0] <= v[1]:
            return largest


@pytest.mark.parametrize("key", OPEN)
@pytest.mark.parametrize("robot", [1.5, 12.0])
def test_collision_at_the_speed_limit_reaches_the_transient_force(key, robot):
    region = body_region(key)
    force = largest_force(robot, region.mass, region.stiffness, region.speed(robot))
    assert force == pytest.approx(region.transient, rel=2e-3)


@pytest.mark.parametrize("key", OPEN)
def test_a_clamped_region_is_met_at_no_more_than_half_the_speed(key):
    region = body_region(key)
    clamped = region.speed(3.0, clamped=True)
    assert clamped <= 0.5 * region.speed(3.0)
    assert largest_force(3.0, 1e9, region.stiffness, clamped) == pytest.approx(region.quasi_static, rel=2e-3)


def test_masses_must_make_sense():
    assert effective_mass(18.0, 0.5) == 9.5
    for moving, payload in ((0.0, 1.0), (-1.0, 0.0), (5.0, -0.1), (math.nan, 0.0), (5.0, math.inf)):
        with pytest.raises(ConfigError):
            effective_mass(moving, payload)
    for clamped in (False, True):
        with pytest.raises(ConfigError, match="positive"):
            body_region("chest").speed(0.0, clamped)
