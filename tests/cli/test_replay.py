# SPDX-License-Identifier: Apache-2.0
"""A replay gives the recorded verdicts bit by bit, and notices every planted change."""

import math

import pytest

from reflexarc.cli import main
from reflexarc.core.errors import RecordingError
from reflexarc.report.recorded_config import recorded_arc_config
from reflexarc.report.recording import read_recording
from reflexarc.report.replay import replay
from tests.cli.recordings import write_recording


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("replay") / "run.mcap"
    write_recording(path)
    return path


def test_a_recording_replays_to_the_same_verdicts(recorded, capsys):
    assert main(["replay", str(recorded)]) == 0
    assert "400 verdicts recorded, 400 equal, 0 different" in capsys.readouterr().out


def test_the_replayed_run_contains_interventions(recorded):
    verdicts = read_recording(recorded).topic("verdict")
    assert sum(bool(entry.message.interventions) for entry in verdicts) > 50


def test_a_recording_with_the_learned_barrier_replays_bit_for_bit(tmp_path):
    path = tmp_path / "learned.mcap"
    verdicts = write_recording(path, seconds=1.0, learned=True)
    assert any(math.isfinite(verdict.learned_margin) for verdict in verdicts)
    assert main(["replay", str(path)]) == 0


def _next(value: float) -> float:
    return math.nextafter(value, math.inf)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("command", lambda m: m["command"]["linear"].update(x=_next(m["command"]["linear"]["x"]))),
        ("margin", lambda m: m.update(margin=_next(m["margin"]))),
        ("slack", lambda m: m.update(slack=m["slack"] + 1e-12)),
        ("learned_margin", lambda m: m.update(learned_margin=0.5)),
        ("uncertified", lambda m: m.update(uncertified=True)),
        ("status", lambda m: m.update(status=(m["status"] + 1) % 2)),
        ("faults", lambda m: m.update(faults=["state_stale"])),
    ],
)
def test_a_planted_change_of_one_verdict_is_found(tmp_path, capsys, field, change):
    path = tmp_path / "changed.mcap"
    write_recording(path, seconds=0.5, change=lambda seq, message: change(message) if seq == 37 else None)
    assert main(["replay", str(path)]) == 1
    out = capsys.readouterr().out
    assert "99 equal, 1 different" in out
    assert f"tick 37 at 0.185 s: {field} was" in out


def test_wall_times_are_not_compared(tmp_path):
    path = tmp_path / "slow.mcap"
    write_recording(path, seconds=0.2, change=lambda _, message: message.update(time_used=1.0))
    assert main(["replay", str(path)]) == 0


def test_a_truncated_recording_replays_as_far_as_it_goes(recorded, tmp_path, capsys):
    cut = tmp_path / "cut.mcap"
    data = recorded.read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    assert main(["replay", str(cut)]) == 0
    captured = capsys.readouterr()
    assert "did not finish" in captured.err
    assert ", 0 different" in captured.out


def test_a_change_of_the_configuration_changes_verdicts(recorded):
    recording = read_recording(recorded)
    recording.attachments["scenario.yaml"] = b"arc: {barrier: {clearance_m: 0.3}}"
    assert not replay(recording, recorded_arc_config(recording)).same


def test_verdicts_whose_inputs_were_lost_are_counted(recorded):
    recording = read_recording(recorded)
    del recording.topics["/odom"][10]
    result = replay(recording, recorded_arc_config(recording))
    assert len(result.missing) == 1 and 0 < result.missing[0] < 400
    assert result.equal == 399


def test_a_recording_without_configuration_or_verdicts_is_an_error(recorded):
    recording = read_recording(recorded)
    recording.attachments["scenario.yaml"] = b"arc: {clearance: 1}"
    with pytest.raises(RecordingError, match="unknown key 'clearance'"):
        recorded_arc_config(recording)
    recording.attachments.clear()
    with pytest.raises(RecordingError, match="no 'scenario.yaml' is attached"):
        recorded_arc_config(recording)
    recording = read_recording(recorded)
    config = recorded_arc_config(recording)
    del recording.topics["/verdict"]
    with pytest.raises(RecordingError, match="no topic 'verdict'"):
        replay(recording, config)
