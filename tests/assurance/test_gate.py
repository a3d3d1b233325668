# SPDX-License-Identifier: Apache-2.0
"""The heartbeat gate: closed unless everybody is good and it was acknowledged, and zero within the lease otherwise."""

import importlib.util
import math
import subprocess
import sys

import numpy as np
import pytest

from reflexarc.assurance.gate import SOURCES, Gate, GateConfig
from reflexarc.assurance.heartbeat import RATE_HZ, Heart, HeartbeatConfig, Pulse
from reflexarc.cli.bench import benchmarks_dir
from reflexarc.core.config import from_mapping
from reflexarc.core.errors import ConfigError
from reflexarc.core.faults import fault
from reflexarc.core.interfaces import interface

_SPEC = importlib.util.spec_from_file_location(
    "gate_injections", benchmarks_dir() / "assurance" / "gate_injections.py"
)
injections = importlib.util.module_from_spec(_SPEC)
sys.modules["gate_injections"] = injections
_SPEC.loader.exec_module(injections)

LEASE, DWELL, PERIOD = 0.2, 0.5, 0.02
GO = np.array([1.0, 0.2])


class World:
    """A gate and senders whose clocks differ from its own by hours."""

    def __init__(self, **config):
        self.gate = Gate(GateConfig(HeartbeatConfig(**config)))
        self.seq = dict.fromkeys(SOURCES, 0)
        self.offset = {name: 3600.0 * k for k, name in enumerate(SOURCES)}
        self.now = 50.0

    def beat(self, source, seq=None, stamp=None):
        number = self.seq[source] if seq is None else seq
        self.seq[source] = number + 1
        self.gate.beat(source, number, self.now + self.offset[source] if stamp is None else stamp, self.now)

    def run(self, duration, silent=()):
        for _ in range(round(duration / PERIOD)):
            self.now += PERIOD
            for source in SOURCES:
                if source not in silent:
                    self.beat(source)
        return self.gate.open(self.now)

    def opened(self):
        self.run(DWELL + 2 * PERIOD)
        assert self.gate.acknowledge(self.now) == ""
        assert self.gate.open(self.now).open
        return self


def test_the_gate_is_closed_until_everybody_was_good_for_the_dwell_and_it_is_acknowledged():
    world = World()
    assert not world.gate.open(world.now).open
    assert "not heard" in world.gate.acknowledge(world.now)
    verdict = world.run(DWELL / 2)
    assert not verdict.open and not verdict.ready
    assert "needed 0.5 s" in world.gate.acknowledge(world.now)
    verdict = world.run(DWELL)
    assert not verdict.open and verdict.ready, "good beats alone do not open it"
    assert verdict.reason == "not acknowledged yet"
    assert (world.gate.command(GO, world.now) == 0.0).all()
    assert world.gate.acknowledge(world.now) == ""
    assert world.gate.command(GO, world.now) is GO
    assert world.gate.acknowledge(world.now) == "the gate is open already"


@pytest.mark.parametrize("source", SOURCES)
def test_silence_closes_the_gate_after_the_lease_and_not_before(source):
    world = World().opened()
    last = world.now
    assert world.gate.open(last + LEASE - 1e-6).open
    silent = World().opened()
    verdict = silent.run(LEASE + PERIOD, silent=(source,))
    assert (verdict.open, verdict.source, verdict.fault) == (False, source, "heartbeat_late")
    assert f"{source}: the newest beat" in verdict.reason and "allowed 0.2 s" in verdict.reason
    assert (silent.gate.command(GO, silent.now) == 0.0).all()


@pytest.mark.parametrize("source", SOURCES)
def test_one_source_that_never_beats_keeps_the_gate_closed(source):
    world = World()
    verdict = world.run(5 * DWELL, silent=(source,))
    assert not verdict.ready
    assert f"{source} is not heard" in world.gate.acknowledge(world.now)


WRONG = {
    "heartbeat_repeated": lambda w: w.beat("arc", seq=w.seq["arc"] - 1),
    "heartbeat_out_of_order": lambda w: w.beat("arc", seq=w.seq["arc"] - 2),
    "heartbeat_gap": lambda w: w.beat("arc", seq=w.seq["arc"] + 11),
    "heartbeat_frozen": lambda w: w.beat("arc", stamp=w.now + w.offset["arc"] - PERIOD),
    "heartbeat_clock": lambda w: w.beat("arc", stamp=w.now + w.offset["arc"] + 0.06),
    "heartbeat_not_finite": lambda w: w.beat("arc", stamp=math.nan),
    "heartbeat_source": lambda w: w.gate.beat("radio", 0, w.now, w.now),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_beat_that_is_wrong_closes_the_gate_at_once_and_is_named(name):
    world = World().opened()
    world.now += PERIOD
    WRONG[name](world)
    verdict = world.gate.open(world.now)
    assert (verdict.open, verdict.fault) == (False, name)
    assert fault(name).name == name
    assert verdict.source == ("radio" if name == "heartbeat_source" else "arc")
    world.seq["arc"] += 1
    verdict = world.run(10 * DWELL)
    assert (verdict.open, verdict.fault, verdict.ready) == (False, name, True), "good beats do not reopen it"
    assert world.gate.acknowledge(world.now) == ""
    assert world.gate.open(world.now).open


@pytest.mark.parametrize(
    ("stamp", "name"),
    [(math.inf, "heartbeat_not_finite"), (-math.inf, "heartbeat_not_finite"), (-9.0, "heartbeat_clock")],
)
def test_other_stamps_of_a_wrong_clock(stamp, name):
    world = World().opened()
    world.now += PERIOD
    world.beat("plant", stamp=stamp)
    assert world.gate.open(world.now).fault == name


def test_as_many_lost_beats_as_are_allowed_do_not_close_the_gate():
    world = World(lease_s=1.0).opened()
    world.now += 11 * PERIOD
    for source in SOURCES:
        world.beat(source, seq=world.seq[source] + 10)
    assert world.gate.open(world.now).open


def test_a_source_that_lets_nothing_move_holds_the_robot_until_it_says_otherwise():
    world = World().opened()
    world.now += PERIOD
    for source in SOURCES:
        world.gate.beat(
            source, world.seq[source], world.now + world.offset[source], world.now, source != "supervisor"
        )
        world.seq[source] += 1
    verdict = world.gate.open(world.now)
    assert (verdict.open, verdict.source, verdict.fault) == (False, "supervisor", "")
    assert verdict.reason == "supervisor lets nothing move"
    assert (world.gate.command(GO, world.now) == 0.0).all()
    assert world.gate.acknowledge(world.now) == "the gate is open already"
    assert world.run(PERIOD).open and world.gate.closings == 0, "the supervisor latches its stop itself"


def test_an_acknowledgement_before_the_dwell_is_refused_and_not_remembered():
    world = World().opened()
    world.run(2 * LEASE, silent=("arc",))
    world.run(DWELL / 2)
    assert "arc is good for" in world.gate.acknowledge(world.now)
    assert not world.run(10 * DWELL).open
    assert world.gate.closings == 1


def test_the_first_fault_is_kept_while_others_follow():
    world = World().opened()
    world.now += PERIOD
    world.beat("plant", stamp=math.nan)
    world.run(5 * LEASE, silent=SOURCES)
    verdict = world.gate.open(world.now)
    assert (verdict.source, verdict.fault) == ("plant", "heartbeat_not_finite")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 10.0])
def test_a_clock_of_the_gate_that_goes_back_or_is_not_finite_closes_it(bad):
    world = World().opened()
    verdict = world.gate.open(bad)
    assert (verdict.open, verdict.fault) == (False, "gate_clock")
    assert world.gate.acknowledge(world.now + PERIOD), "every source must prove itself again"
    assert world.run(2 * DWELL).ready
    assert world.gate.acknowledge(world.now) == ""


def test_a_beat_at_a_time_that_is_none_closes_the_gate_too():
    world = World().opened()
    world.gate.beat("arc", world.seq["arc"], world.now, math.nan)
    assert world.gate.open(world.now).fault == "gate_clock"
    fresh = Gate(GateConfig())
    assert "clock reads nan" in fresh.acknowledge(math.nan)


def test_the_first_beat_after_a_silence_names_the_silence():
    world = World().opened()
    world.now += 2.0
    world.beat("arc", seq=world.seq["arc"])
    verdict = world.gate.open(world.now)
    assert (verdict.source, verdict.fault) == ("arc", "heartbeat_late")


def test_a_gate_that_was_stopped_itself_finds_every_lease_over():
    world = World().opened()
    world.now += 3.0
    assert not world.gate.open(world.now).open
    assert not world.run(DWELL).open


def test_a_delay_on_the_way_uses_the_lease_up_and_does_not_prolong_it():
    world = World().opened()
    sent = world.now + PERIOD
    world.now += PERIOD + 0.15
    for source in SOURCES:
        world.beat(source, stamp=sent + world.offset[source])
    assert world.gate.open(sent + LEASE - 1e-3).open
    assert not world.gate.open(sent + LEASE + 1e-3).open


def test_a_beat_that_was_on_its_way_for_longer_than_the_lease_is_late():
    pulse = Pulse(HeartbeatConfig(lease_s=1.0))
    assert pulse.beat(0, 0.0, 100.0) == ("", "")
    assert pulse.beat(1, 0.5, 100.5) == ("", "")
    name, reason = pulse.beat(2, 0.6, 101.7)
    assert name == "heartbeat_late" and "1.1" in reason


def test_limits_hold_to_the_last_instant():
    pulse = Pulse(HeartbeatConfig(lease_s=0.25, skew_s=0.125))
    assert pulse.beat(0, 5.0, 1.0) == ("", "")
    assert pulse.missing(1.25) == ("", "")
    name, reason = pulse.missing(1.375)
    assert (name, reason) == ("heartbeat_late", "the newest beat is 0.375 s old, allowed 0.25 s")
    assert pulse.missing(1.375)[0] == "heartbeat_missing"
    pulse = Pulse(HeartbeatConfig(lease_s=0.25, skew_s=0.125))
    pulse.beat(0, 5.0, 1.0)
    assert pulse.beat(1, 5.125, 1.0) == ("", ""), "as far ahead as is allowed"
    assert pulse.beat(2, 5.375, 1.0 + 0.0625)[0] == "heartbeat_clock"
    gate = Gate(GateConfig(HeartbeatConfig(lease_s=1.0), dwell_s=0.5), ("arc",))
    gate.beat("arc", 0, 0.0, 8.0)
    assert gate.acknowledge(8.25) and gate.acknowledge(8.5) == ""


@pytest.mark.parametrize(("seq", "stamp"), [(0, math.nan), (0, math.inf), (-1, 1.0)])
def test_a_first_beat_must_make_sense_too(seq, stamp):
    pulse = Pulse(HeartbeatConfig())
    assert pulse.beat(seq, stamp, 1.0)[0] == "heartbeat_not_finite"
    assert pulse.missing(1.0)[0] == "heartbeat_missing"


@pytest.mark.parametrize("drift", [1e-4, -1e-4])
def test_clocks_that_drift_like_quartz_do_not_close_the_gate(drift):
    pulse = Pulse(HeartbeatConfig())
    for k in range(150_000):
        now = k * PERIOD
        assert pulse.beat(k, 7.0 + now * (1.0 + drift), now)[0] == ""
        assert pulse.missing(now)[0] == ""


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_command_that_is_not_finite_becomes_zero(bad):
    world = World().opened()
    assert (world.gate.command(np.array([bad, 0.0]), world.now) == 0.0).all()
    assert (world.gate.command(np.array([0.1, 0.0, bad]), world.now) == np.zeros(3)).all()
    assert world.gate.command(None, world.now).tolist() == [0.0, 0.0]
    assert world.gate.command(GO, world.now) is GO


@pytest.mark.parametrize(
    ("key", "value"),
    [("lease_s", 0.0), ("lease_s", math.inf), ("max_gap", 0), ("skew_s", 0.0), ("lease_s", -1.0)],
)
def test_zero_does_not_switch_a_check_off(key, value):
    with pytest.raises(ConfigError, match=f"{key} = .*must be finite and above 0"):
        HeartbeatConfig(**{key: value})
    with pytest.raises(ConfigError, match=f"gate.heartbeat.{key}: .* out of bounds"):
        from_mapping(GateConfig, {"heartbeat": {key: value}}, "gate")


def test_a_dwell_of_zero_and_a_rate_of_zero_are_refused():
    with pytest.raises(ConfigError, match="dwell_s = 0.0"):
        GateConfig(dwell_s=0.0)
    with pytest.raises(ConfigError, match="rate_hz = 0.0"):
        Heart(0.0)


@pytest.mark.parametrize("sources", [(), ("",), ("arc", "arc")])
def test_a_gate_that_watches_nobody_is_refused(sources):
    with pytest.raises(ConfigError, match="at least one is needed, each named once"):
        Gate(GateConfig(), sources)


def test_a_heart_keeps_its_rate_and_does_not_make_up_what_it_missed():
    assert {interface(f"heartbeat/{name}").rate_hz for name in (*SOURCES, "gate")} == {RATE_HZ}
    exact = Heart(64.0)
    assert [exact.beat(k / 128) for k in range(4)] == [0, None, 1, None]
    heart = Heart(50.0)
    times = [k * 0.005 for k in range(401)]
    beats = [heart.beat(t) for t in times]
    numbers = [b for b in beats if b is not None]
    assert numbers == list(range(len(numbers))) and 100 <= len(numbers) <= 101
    assert heart.beat(10.0) == numbers[-1] + 1
    assert heart.beat(10.001) is None


def test_every_injected_loss_means_zero_within_the_lease_and_one_turn_of_the_gate():
    rows = injections.campaign(300, seed=1)
    assert {row.kind for row in rows} == set(injections.KINDS)
    late = [row for row in rows if not row.time_s <= LEASE + row.turn_s + injections.FASTEST_S]
    assert not late
    assert all(row.stayed for row in rows), "nothing reopens a gate but an acknowledgement"


def test_jittered_beats_without_a_fault_do_not_close_the_gate():
    assert injections.false_closings(hours=0.05, seed=2) == 0


def test_the_injector_would_find_a_gate_that_does_not_close():
    class Careless(Gate):
        def open(self, now):
            verdict = super().open(now)
            return verdict if verdict.fault != "heartbeat_late" else verdict.__class__(True, "", "")

    rows = injections.campaign(100, seed=1, gate=Careless)
    assert any(math.isinf(row.time_s) for row in rows)


def test_the_gate_needs_no_solver_no_network_and_no_compiler():
    code = (
        "import sys, reflexarc.assurance.gate\n"
        "print([m for m in ('jax', 'numba', 'osqp', 'qpsolvers', 'scipy', 'mujoco', 'rclpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
