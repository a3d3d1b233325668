# SPDX-License-Identifier: Apache-2.0
"""Switches of mode in log and twin, and the replay of the supervisor of a short surrogate log."""

import math
from copy import copy
from dataclasses import replace
from shutil import copyfile

import numpy as np
import pytest
import yaml

from reflexarc.assurance.monitors.requirements import read_requirements, requirements_file
from reflexarc.assurance.twin.modes import MODES, mode_gap, paired, switches
from reflexarc.assurance.twin.protocol import validate
from reflexarc.assurance.twin.report import summary, write_report
from reflexarc.assurance.twin.sessions import Log, Part
from reflexarc.assurance.twin.supervised import LIVE_S, recorded_supervision, replay_modes
from reflexarc.assurance.twin.tolerances import read_tolerances
from reflexarc.assurance.twin.trace import trace_from
from reflexarc.core.errors import RecordingError
from reflexarc.core.types import Mode
from reflexarc.report.manifest import manifest
from reflexarc.report.recorded_config import ATTACHMENT
from reflexarc.report.recording import read_recording
from reflexarc_sim.scenario import load_scenario
from reflexarc_sim.surrogate import SurrogatePlant, TwinPlant, draw_parameters
from reflexarc_sim.surrogate_run import record
from tests.assurance.monitor_recordings import calm, recording
from tests.cli.recordings import header

SECONDS = 3.2
NORMAL, SLOW, STOP = Mode.NORMAL, Mode.SPEED_SEPARATION, Mode.PROTECTIVE_STOP


def told(*modes: tuple[float, Mode], seconds: float = 4.0):
    """Return a recording with these messages on `mode`."""
    sent = {round(time, 2): mode for time, mode in modes}

    def message(t: float) -> dict | None:
        mode = sent.get(round(t, 2))
        return None if mode is None else {"header": header(t, ""), "mode": int(mode), "reason": "made up"}

    return recording(calm() | {"mode": (1, message)}, seconds)


def test_switches_are_changes_and_the_first_message_is_none():
    found = switches(told((0.0, STOP), (0.5, NORMAL), (0.9, NORMAL), (1.5, SLOW)))
    assert [(s.time, s.before, s.after) for s in found] == [(0.5, STOP, NORMAL), (1.5, NORMAL, SLOW)]


def test_switches_are_matched_in_order_by_their_pair_of_modes():
    log = told((0.0, STOP), (0.5, NORMAL), (1.0, SLOW), (2.0, NORMAL), (3.0, SLOW))
    twin = told((0.0, STOP), (0.6, NORMAL), (1.3, SLOW), (2.0, NORMAL), (3.0, STOP))
    pairs = paired("s", log, twin)
    assert [(p.before, p.after) for p in pairs if p.error is None] == [(NORMAL, SLOW), (NORMAL, STOP)]
    assert [p.error for p in pairs if p.error is not None] == pytest.approx([-0.1, -0.3, 0.0])
    gap = mode_gap(pairs)
    assert set(gap) == set(MODES)
    assert gap["mode_time_median"] == pytest.approx(0.1)
    assert gap["mode_time_p95"] == pytest.approx(0.28)
    assert gap["mode_unmatched"] == pytest.approx(2 / 8)


def test_equal_runs_have_no_gap_and_runs_without_a_switch_measure_none():
    log = told((0.0, STOP), (0.5, NORMAL))
    assert set(mode_gap(paired("s", log, log)).values()) == {0.0}
    quiet = told((0.0, NORMAL))
    assert all(math.isnan(value) for value in mode_gap(paired("s", quiet, quiet)).values())
    assert mode_gap(paired("s", log, quiet))["mode_unmatched"] == 1.0


def test_a_log_that_does_not_tell_its_modes_is_refused():
    with pytest.raises(RecordingError, match="no topic 'mode'"):
        switches(recording(calm(), 1.0))
    backwards = told((0.0, STOP), (0.5, NORMAL))
    backwards.topics["/mode"].reverse()
    with pytest.raises(RecordingError, match="back in time"):
        switches(backwards)


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("sidewalk_supervised").with_overrides({"sensors.lidar.rays": "60"})


@pytest.fixture(scope="module")
def files(scenario, tmp_path_factory):
    folder = tmp_path_factory.mktemp("supervised")
    plants = {"surrogate": SurrogatePlant(scenario, draw_parameters(3)), "twin": TwinPlant(scenario)}
    for source, plant in plants.items():
        record(plant, scenario, 0, folder / f"{source}.mcap", SECONDS, None, {"source": source})
    return {source: folder / f"{source}.mcap" for source in plants}


@pytest.fixture(scope="module")
def log(files):
    return read_recording(files["surrogate"])


def without(log, topic: str, keep=lambda _: False):
    """Return the recording with only those messages of a topic that `keep` keeps."""
    changed = copy(log)
    name = next(t for t in log.topics if t.endswith(topic))
    changed.topics = log.topics | {name: [e for e in log.topics[name] if keep(e)]}
    return changed


def test_a_supervised_log_holds_what_the_live_nodes_send(log, scenario):
    beats = {f"/heartbeat/{source}" for source in ("arc", "plant", "supervisor", "gate")}
    assert beats | {"/mode", "/cmd_vel_gated"} <= set(log.topics)
    assert [s.after for s in switches(log)][:2] == [NORMAL, SLOW]
    gated = {e.log_time: e.message.twist.linear.x for e in log.topic("cmd_vel_gated")}
    assert all(v == 0.0 for t, v in gated.items() if t < 0.5) and max(gated.values()) > 0.1
    assert manifest(scenario).items() <= log.meta("reflexarc").items()


def test_the_supervisor_switches_the_same_modes_to_the_bit(log):
    found = replay_modes(log, exact=True)
    assert found.difference == "" and len(found.recorded) >= 4
    assert found.recorded == found.replayed


def received(log, longest: float):
    """Return the recording with every message received up to `longest` [s] later, on the clock of a machine."""
    rng, changed = np.random.default_rng(0), copy(log)
    changed.topics = {
        topic: sorted(
            (replace(e, log_time=1.7e9 + e.log_time + rng.uniform(0.0, longest)) for e in entries),
            key=lambda e: e.log_time,
        )
        for topic, entries in log.topics.items()
    }
    return changed


def test_on_the_recorders_clock_it_switches_the_same_modes_in_time(log):
    found = replay_modes(received(log, 0.004), exact=False)
    assert found.difference == ""
    late = replace(found, replayed=tuple(replace(t, time=t.time + 2 * LIVE_S) for t in found.replayed))
    assert "mode 0 was" in late.difference


def test_what_came_out_otherwise_is_a_difference(log):
    found = replay_modes(log, exact=True)
    other = replace(found, replayed=(*found.replayed[:-1], replace(found.replayed[-1], reason="another")))
    assert f"mode {len(found.recorded) - 1} was" in other.difference
    assert "modes were recorded" in replace(found, replayed=found.replayed[:-1]).difference
    assert replace(found, recorded=(), replayed=()).difference == "no mode was recorded"


@pytest.mark.parametrize("topic", ["heartbeat/gate", "verdict", "obstacles", "scan"])
def test_a_supervisor_that_is_not_sent_the_same_does_not_switch_the_same(log, topic):
    early = without(log, topic, lambda entry: entry.log_time < 1.0)
    if topic == "verdict":
        assert len(replay_modes(early, exact=True).replayed) < len(replay_modes(log, exact=True).replayed)
    else:
        assert replay_modes(early, exact=True).difference


def test_a_log_without_what_a_replay_needs_is_refused(log):
    with pytest.raises(RecordingError, match="no heartbeat/gate"):
        replay_modes(without(log, "heartbeat/gate"), exact=True)
    bare = copy(log)
    bare.attachments = {}
    with pytest.raises(RecordingError, match=f"no '{ATTACHMENT}' is attached"):
        recorded_supervision(bare)
    bare.attachments = {ATTACHMENT: yaml.safe_dump({"robot": "segway_e1"}).encode()}
    with pytest.raises(RecordingError, match="no supervisor is enabled"):
        recorded_supervision(bare)
    bare.attachments = {ATTACHMENT: b"supervisor: {enabled: true, dwell_s: -1}"}
    with pytest.raises(RecordingError, match="not readable"):
        recorded_supervision(bare)


class Copied:
    """A twin whose runs were recorded before."""

    supervised = True
    period = 0.005

    def __init__(self, path):
        self._path, self._trace = path, None

    def drive(self, command):
        return trace_from(read_recording(self._path))

    def touch(self, command):
        raise AssertionError("no drive of contact was recorded")

    def rerun(self, seed, seconds, noise, path):
        path.parent.mkdir(parents=True)
        copyfile(self._path, path)


def test_a_supervised_twin_is_judged_by_its_switches(log, files, scenario, tmp_path):
    parts = (Part.IDENTIFICATION, Part.TUNING, Part.HELD_OUT, Part.HELD_OUT)
    logs = [Log(f"session_{k}", part, f"{k}", log) for k, part in enumerate(parts)]
    requirements = read_requirements(requirements_file("sidewalk"))
    found = validate(
        logs,
        Copied(files["twin"]),
        read_tolerances(),
        requirements,
        manifest(scenario),
        tmp_path,
        lambda _: None,
    )
    by_name = {item.name: item for item in found.held_out}
    assert set(MODES) <= set(by_name)
    assert by_name["mode_time_median"].passed and by_name["loop_w1"].passed and by_name["tick_w1"].passed
    assert len(found.switches) >= 4 and all(r["same"] and r["exact"] for r in found.mode_replays)
    assert not any("replay" in text for text in found.failures)
    assert any(text.startswith("contact_force: not measured") for text in found.failures)
    page = write_report(found, tmp_path / "report").read_text()
    assert "## Switches of mode" in page and "same modes to the bit in 4 of 4 drives" in page
    assert summary(found)["switches"][0]["after"] == "NORMAL"
    found.mode_replays[0] |= {"same": False, "first": "mode 2 was another"}
    assert any("mode 2 was another" in text for text in found.failures)
