# SPDX-License-Identifier: Apache-2.0
"""Zeroing of the force sensor: how many samples, what counts as rest, and which offset is believed."""

import math

import numpy as np
import pytest

pytest.importorskip("pinocchio", reason="arms need pinocchio (pip install 'reflexarc[arms]')")

from reflexarc.arc.contact_motion import ContactMotion
from reflexarc.arc.tare import Tare
from reflexarc.arc.tip_stage import TipStage
from reflexarc.core.types import Status, Wrench
from tests.arc import contact_scene as scene
from tests.arc.test_contact_stages import START, config, felt, made, passing


def wrench(stamp, *force):
    return Wrench(stamp, scene.FRAME, np.array(force, dtype=float), np.zeros(3))


def test_the_offset_is_the_mean_of_so_many_different_samples_at_rest():
    tare = Tare(3, 5.0)
    assert tare.add(wrench(-1.0, 1.0, 2.0, 0.0), 0.0) == (
        "the force sensor is being zeroed, 1 of 3 samples",
        False,
    )
    assert "1 of 3" in tare.add(wrench(-1.0, 9.0, 9.0, 9.0), 0.0)[0], "the same wrench counts once"
    assert "1 of 3" in tare.add(wrench(-2.0, 9.0, 9.0, 9.0), 0.0)[0], "nor does an older one"
    assert "2 of 3" in tare.add(wrench(0.0, 3.0, 2.0, 0.0), 0.0)[0]
    assert not tare.done and not tare.offset.any()
    assert tare.add(wrench(1.0, 5.0, -1.0, 3.0), 0.0) == ("", False)
    assert tare.done
    assert tare.offset == pytest.approx([3.0, 1.0, 1.0])
    tare.reset()
    assert not tare.done and not tare.offset.any()
    assert "1 of 3" in tare.add(wrench(-5.0, 1.0, 0.0, 0.0), 0.0)[0]


@pytest.mark.parametrize(
    ("speed", "still"),
    [(0.0, True), (0.015, True), (0.02, True), (0.0201, False), (0.03, False), (math.nan, False)],
)
def test_a_tip_is_at_rest_up_to_two_centimetres_a_second_and_moving_begins_anew(speed, still):
    tare = Tare(3, 5.0)
    tare.add(wrench(0.0, 1.0, 0.0, 0.0), 0.0)
    reason, fault = tare.add(wrench(1.0, 1.0, 0.0, 0.0), speed)
    assert not fault
    assert ("2 of 3" in reason) == still
    assert ("the tip moves" in reason) != still
    assert ("1 of 3" in tare.add(wrench(2.0, 1.0, 0.0, 0.0), 0.0)[0]) != still


@pytest.mark.parametrize(
    ("force", "fault"), [((3.0, 4.0, 0.0), False), ((3.0, 4.0, 0.2), True), ((0, 0, -6), True)]
)
def test_an_offset_up_to_the_largest_one_is_believed(force, fault):
    tare = Tare(1, 5.0)
    reason, found = tare.add(wrench(0.0, *force), 0.0)
    assert found is fault
    assert bool(reason) is fault
    assert tare.done is not fault
    assert tare.offset.tolist() == ([0.0, 0.0, 0.0] if fault else list(force))


def test_without_zeroing_the_tip_stage_never_holds_the_arm():
    motion = made()
    stage = TipStage(config(), motion)
    stage.reset()
    tick = passing(START, felt(force=(1.0, 2.0, 3.0)))
    stage.apply(tick)
    assert (tick.done, tick.status) == (False, Status.PASSED)
    assert motion.force.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(("rate_hz", "samples"), [(1000.0, 10), (100.0, 1), (20.0, 1)])
def test_the_tip_stage_holds_the_arm_for_the_time_of_the_zeroing_and_at_least_a_sample(rate_hz, samples):
    chosen = config(rate_hz, tare_s=0.01)
    motion = ContactMotion(chosen, scene.ARM)
    stage = TipStage(chosen, motion)
    for _ in range(2):
        stage.reset()
        for k in range(samples + 2):
            now = START + k / rate_hz
            tick = passing(now, felt(now, (1.0, -2.0, 0.5)))
            stage.apply(tick)
            assert tick.done == (k < samples - 1)
            assert tick.faults == []
            assert tick.status is (Status.STOPPED if k < samples - 1 else Status.PASSED)
        assert motion.force == pytest.approx(np.zeros(3)), "the offset is taken out"


def test_what_presses_after_the_zeroing_is_felt_and_never_becomes_an_offset():
    chosen = config(100.0, tare_s=0.01)
    motion = ContactMotion(chosen, scene.ARM)
    stage = TipStage(chosen, motion)
    stage.apply(passing(START, felt(START, (1.0, -2.0, 0.5))))
    for k in range(1, 20):
        now = START + 0.01 * k
        tick = passing(now, felt(now, (4.0, -2.0, 0.5), np.full(7, 0.2 if k > 10 else 0.0)))
        stage.apply(tick)
        assert not tick.done
        assert motion.force == pytest.approx([3.0, 0.0, 0.0])


def test_an_offset_that_is_none_holds_the_arm_until_somebody_acknowledges():
    chosen = config(100.0, tare_s=0.01)
    stage = TipStage(chosen, ContactMotion(chosen, scene.ARM))
    for now, force in ((START, 20.0), (START + 0.01, 0.0), (START + 0.02, 0.0)):
        tick = passing(now, felt(now, (force, 0.0, 0.0)))
        stage.apply(tick)
        assert (tick.status, tick.faults) == (Status.LATCHED, ["wrench_offset"])
        assert "a force of 20.0 N" in tick.interventions[-1].reason
    stage.reset()
    tick = passing(START + 0.03, felt(START + 0.03))
    stage.apply(tick)
    assert not tick.done
