# SPDX-License-Identifier: Apache-2.0
"""The learned barriers' rows alone: for which robot, with which parameters, under which certificate."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from reflexarc.arc import learned as wheeled_rows
from reflexarc.arc import legged_learned as legged_rows
from reflexarc.arc.config import ArcConfig
from reflexarc.arc.learned import LearnedRows, residual_bound, row_parameters, shorter
from reflexarc.arc.legged_learned import LeggedLearnedRows, disc_encounter_parameters
from reflexarc.barrier.encounter import STATE
from reflexarc.barrier.learned import LearnedBarrier, Mlp
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.robots import load_legged, load_robot
from reflexarc.robots.legged import ENCOUNTER_STATE
from tests.arc.scenes import state

WHEELED, LEGGED = load_robot("segway_e1"), load_legged("go2")
RATES = [0.1, 0.2, 1.0, 1.0, 0.0, 0.0]


def linear(offset, system, names, recipe, centre=0.0, scale=1.0, gradient=(1.0, 0.0, 0.0, 0.0, 0.0, 0.0)):
    """V(x) = gradient . (x - centre) / scale + offset."""
    member = Mlp((np.array([gradient], dtype=float),), (np.array([offset], dtype=float),), "relu")
    centre, scale = np.zeros(6) + centre, np.zeros(6) + scale
    return LearnedBarrier((member,), "min", centre, scale, 0.0, system, tuple(names), recipe)


def wheeled(recipe=None, system="segway_e1_test", offset=0.0):
    return linear(offset, system, STATE, {"residual_bound": RATES} if recipe is None else recipe)


def legged(recipe=None, system="go2_encounter", centre=0.0, scale=4.0):
    return linear(0.0, system, ENCOUNTER_STATE, recipe or {}, centre, scale)


def rows(barrier, folder, **arc):
    path = folder / "barrier.safetensors"
    barrier.save(path)
    robot = "segway_e1" if barrier.state == tuple(STATE) else "go2"
    learned = {"enabled": True, "file": str(path), "allow_uncertified": True} | arc.pop("learned", {})
    config = ArcConfig.from_dict({"robot": robot, "learned": learned} | arc)
    return LearnedRows(config, WHEELED) if robot == "segway_e1" else LeggedLearnedRows(config, LEGGED)


# A wheeled base.


@pytest.mark.parametrize(
    "bound", [RATES[:5], [*RATES, 0.0], [math.nan, *RATES[1:]], [*RATES[:5], math.inf], [*RATES[:5], -1e-9]]
)
def test_a_residual_bound_is_a_finite_rate_for_each_state(tmp_path, bound):
    with pytest.raises(ModelError, match="residual_bound must be 6 finite rates >= 0"):
        residual_bound(wheeled({"residual_bound": bound}), tmp_path)
    assert residual_bound(wheeled(), tmp_path).tolist() == RATES


@pytest.mark.parametrize("recipe", [{}, {"residual_bound": "much"}, {"residual_bound": [[1.0], [1.0, 2.0]]}])
def test_a_residual_bound_that_cannot_be_read_is_refused(tmp_path, recipe):
    with pytest.raises(ModelError, match="no readable 'residual_bound'"):
        residual_bound(wheeled(recipe), tmp_path)


def test_parameters_of_the_rows_are_those_of_robot_configuration_and_barrier(tmp_path):
    chosen = {"alpha": 3.0, "horizon_s": 0.25, "reach_m": 5.0, "sigmas": 1.5, "residual_share": 0.5}
    found = row_parameters(ArcConfig.from_dict({"learned": chosen}).learned, WHEELED, wheeled(), tmp_path)
    assert (found.alpha, found.horizon, found.reach, found.sigmas) == (3.0, 0.25, 5.0, 1.5)
    assert found.residual == pytest.approx(0.5 * np.array(RATES))
    assert (2.0 * found.half_length, 2.0 * found.half_width) == (WHEELED.length, WHEELED.width)
    assert found.deceleration == WHEELED.max_deceleration
    assert (found.acceleration, found.yaw_acceleration) == (
        WHEELED.max_acceleration,
        WHEELED.max_yaw_acceleration,
    )


@pytest.mark.parametrize(
    ("system", "fits"),
    [("segway_e1", True), ("segway_e1_crowd", True), ("segway_e12", False), ("go2_x", False)],
)
def test_a_barrier_is_for_the_robot_that_its_system_begins_with(tmp_path, system, fits):
    if fits:
        assert rows(wheeled(system=system), tmp_path).uncertified
    else:
        with pytest.raises(ModelError, match=f"is for '{system}', this arc drives 'segway_e1'"):
            rows(wheeled(system=system), tmp_path)


def test_the_barrier_of_the_models_is_certified_for_its_own_rows_only():
    def uncertified(**learned):
        chosen = {"enabled": True, "allow_uncertified": True} | learned
        return LearnedRows(ArcConfig.from_dict({"learned": chosen}), WHEELED).uncertified

    assert not uncertified()
    assert uncertified(alpha=4.5)
    assert uncertified(residual_share=0.1)
    assert uncertified(sigmas=0.5)


@pytest.mark.parametrize(
    ("learned", "words"),
    [
        ({"alpha": 5.0}, "made with alpha 4, learned.alpha is 5"),
        ({"residual_share": 0.5}, "made with residual_share 0, learned.residual_share is 0.5"),
        ({"sigmas": 0.0}, "made with other rows"),
    ],
)
def test_a_certificate_for_other_rows_says_what_differs(learned, words):
    with pytest.raises(ModelError, match=words):
        LearnedRows(ArcConfig.from_dict({"learned": {"enabled": True} | learned}), WHEELED)


@pytest.mark.parametrize("kind", ["wheeled", "legged"])
def test_the_margin_is_the_smallest_value_and_without_people_there_is_no_limit(tmp_path, kind):
    barrier = wheeled(offset=-1.0) if kind == "wheeled" else legged(scale=8.0)
    twist = (0.5, 0.0) if kind == "wheeled" else (0.5, 0.0, 0.0)
    made = rows(barrier, tmp_path, latency_s=0.0, learned={"sigmas": 0.0})
    people = [(3.0, 0.0, 0.0, 0.0), (2.0, 0.5, 0.0, 0.0)]
    values = (2.0, 1.0) if kind == "wheeled" else (3.0 / 8.0, 2.0 / 8.0)
    for crowd, least in (([], math.inf), (people[:1], values[0]), (people, values[1])):
        assert made.update(state(crowd, twist=twist), np.zeros(3), 0.0)
        assert made.margin == pytest.approx(least)
    text = made.describe(0, state(people, twist=twist))
    assert text.startswith("obstacle ") and "learned barrier" in text


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
@pytest.mark.parametrize("kind", ["wheeled", "legged"])
def test_a_value_that_is_not_finite_is_told_and_the_margin_is_none(tmp_path, kind):
    barrier = wheeled() if kind == "wheeled" else legged()
    huge = Mlp((np.full((4, 6), 1e200), np.full((1, 4), 1e200)), (np.zeros(4), np.zeros(1)), "relu")
    made = rows(replace(barrier, members=(huge,)), tmp_path)
    twist = (0.5, 0.1) if kind == "wheeled" else (0.5, 0.1, 0.0)
    ahead, behind = (2.5, 1.0, 0.5, 0.5), [(-1.5, -0.9, 0.0, 0.0), (-1.6, -1.0, 0.0, 0.0)]
    assert made.update(state(behind, twist=twist), np.zeros(3), 0.0)
    assert math.isfinite(made.margin)
    for crowd in ([ahead], [*behind, ahead]):
        assert not made.update(state(crowd, twist=twist), np.zeros(3), 0.0)
        assert math.isnan(made.margin)


def test_rows_are_written_in_the_scales_of_the_programme(tmp_path):
    slopes = linear(-3.4, "segway_e1", STATE, {"residual_bound": RATES}, gradient=(1.0, 0, 0, 0, -1.0, -0.5))
    made = rows(slopes, tmp_path, learned={"sigmas": 0.0})
    made.update(state([(3.5, 0.0, 0.0, 0.0)], twist=(0.0, 0.0)), np.zeros(3), 0.0)
    written = []
    for scale in ((1.0, 1.0), (2.0, 0.5)):
        normals, offsets = np.zeros((3, 2)), np.zeros(3)
        assert made.write(1.5, 0.4, scale, normals, offsets) == 1
        written.append(normals[0] / np.array(scale) / offsets[0])
    assert np.abs(written[0]).min() > 1e-3
    assert written[1] == pytest.approx(written[0])


@pytest.mark.parametrize(
    ("wanted", "reached", "expected"),
    [
        (2.0, 0.5, 0.5),
        (-2.0, -0.5, -0.5),
        (2.0, -0.5, 2.0),
        (-2.0, 0.5, -2.0),
        (0.5, 2.0, 0.5),
        (-0.5, -2.0, -0.5),
        (2.0, 0.0, 2.0),
        (0.0, 1.0, 0.0),
    ],
)
def test_a_command_is_only_ever_shortened_towards_what_the_drive_reaches(wanted, reached, expected):
    assert shorter(wanted, reached) == expected


# A legged base.


@pytest.mark.parametrize(
    ("centre", "scale", "reach"),
    [
        ([0.0, 0.0, 0, 0, 0, 0], [9.0, 8.0, 1, 1, 1, 1], 6.0),
        ([1.0, 2.0, 0, 0, 0, 0], [6.0, 5.0, 1, 1, 1, 1], 3.0),
        ([2.0, 1.0, 0, 0, 0, 0], [5.0, 6.0, 1, 1, 1, 1], 3.0),
        ([-1.0, -2.0, 0, 0, 0, 0], [6.0, 6.0, 1, 1, 1, 1], 4.0),
        ([-2.0, -1.0, 0, 0, 0, 0], [6.0, 6.0, 1, 1, 1, 1], 4.0),
    ],
)
def test_people_count_as_far_as_the_barrier_was_learned_on_every_side(centre, scale, reach):
    barrier = legged(centre=np.array(centre), scale=np.array(scale))
    found = disc_encounter_parameters(ArcConfig.from_dict({"robot": "go2"}), LEGGED, barrier)
    assert found.reach == pytest.approx(reach)
    assert found.low.tolist() == (np.array(centre) - scale).tolist()
    assert found.high.tolist() == (np.array(centre) + scale).tolist()


@pytest.mark.parametrize(
    ("unit", "counts"),
    [
        (0.5, 0.5),
        (2, 2.0),
        (0.0, 1.0),
        (-1.0, 1.0),
        (math.inf, 1.0),
        (math.nan, 1.0),
        ("m", 1.0),
        (None, 1.0),
    ],
)
def test_the_unit_of_a_value_is_a_positive_number_or_one(unit, counts):
    config = ArcConfig.from_dict({"robot": "go2"})
    assert disc_encounter_parameters(config, LEGGED, legged({"value_unit": unit})).unit == counts
    assert disc_encounter_parameters(config, LEGGED, legged()).unit == 1.0


def test_parameters_of_a_legged_base_are_those_of_robot_and_configuration():
    chosen = {"alpha": 3.0, "horizon_s": 0.25, "reach_m": 2.5, "sigmas": 1.5}

    def found(**arc):
        return disc_encounter_parameters(
            ArcConfig.from_dict({"robot": "go2", "learned": chosen} | arc), LEGGED, legged()
        )

    p = found()
    assert (p.alpha, p.horizon, p.reach, p.sigmas) == (3.0, 0.25, 2.5, 1.5)
    assert (p.latency, p.radius, p.deceleration) == (
        LEGGED.actuation_latency,
        LEGGED.radius,
        LEGGED.max_deceleration,
    )
    assert found(latency_s=0.3).latency == 0.3
    assert found(latency_s=0.0).latency == 0.0


def test_a_legged_barrier_is_for_this_robot_alone(tmp_path):
    with pytest.raises(ModelError, match="is for 'spot_encounter', this arc drives 'go2'"):
        rows(legged(system="spot_encounter"), tmp_path)
    assert rows(legged(), tmp_path).uncertified


@pytest.mark.parametrize(
    ("alpha", "rate_hz", "fits"), [(100.0, 100.0, True), (80.0, 100.0, True), (100.0, 99.0, False)]
)
def test_a_gain_must_not_overshoot_the_barrier_in_one_period(tmp_path, alpha, rate_hz, fits):
    if fits:
        rows(legged(), tmp_path, rate_hz=rate_hz, learned={"alpha": alpha})
    else:
        with pytest.raises(ConfigError, match="at most 1 is allowed"):
            rows(legged(), tmp_path, rate_hz=rate_hz, learned={"alpha": alpha})


def test_a_legged_barrier_has_no_residual(tmp_path):
    with pytest.raises(ConfigError, match=r"residual_share is 0\.1"):
        rows(legged(), tmp_path, learned={"residual_share": 0.1})


@pytest.mark.parametrize(
    ("alpha", "error", "longest", "fits"),
    [
        (4.0, 0.0, 0.005, True),
        (4.0, 0.0, 0.02, True),
        (4.0, 0.0, 0.00499, False),
        (4.0, 0.0, 0.003, False),
        (4.1, 0.0, 0.005, False),
        (4.0, 0.1, 0.005, False),
        (4.0, -0.1, 0.005, False),
    ],
)
def test_a_certificate_is_for_the_gain_no_model_error_and_a_period_that_is_no_shorter(
    tmp_path, monkeypatch, alpha, error, longest, fits
):
    certificate = SimpleNamespace(
        claims={"scenario": {"alpha": alpha, "model_error": error}}, system={"period_s": longest}
    )
    asked = []

    def admit(path, barrier, check, *_):
        asked.append(path)
        check(certificate)
        return barrier, True

    monkeypatch.setattr(legged_rows, "admit", admit)
    if fits:
        assert rows(legged(), tmp_path).uncertified is False
    else:
        with pytest.raises(ModelError, match=f"made with alpha {alpha:g} 1/s, model error {error:g}"):
            rows(legged(), tmp_path)
    assert len(asked) == 1
    assert wheeled_rows.LEARNED == "learned_barrier"


def test_the_certificate_of_the_models_is_for_its_own_gain_and_period():
    def uncertified(rate_hz=200.0, **learned):
        chosen = {"enabled": True, "file": "go2_encounter", "alpha": 2.0, "allow_uncertified": True} | learned
        config = ArcConfig.from_dict({"robot": "go2", "rate_hz": rate_hz, "learned": chosen})
        return LeggedLearnedRows(config, LEGGED).uncertified

    assert not uncertified()
    assert uncertified(alpha=2.5)
    assert uncertified(rate_hz=10.0)
