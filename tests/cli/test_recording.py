# SPDX-License-Identifier: Apache-2.0
"""Recordings are read without ROS, also when their writer was killed."""

import pytest

from reflexarc.core.errors import RecordingError
from reflexarc.report.from_recording import log_from_recording
from reflexarc.report.recording import read_recording
from tests.cli.recordings import write_recording


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "run.mcap"
    return path, write_recording(path, seconds=1.0)


def test_every_message_of_a_complete_recording_is_read(recorded):
    path, verdicts = recorded
    recording = read_recording(path)
    assert recording.complete
    assert recording.lost_bytes == 0
    assert len(recording.topic("verdict")) == len(verdicts) == 200
    assert [entry.message.now for entry in recording.topic("verdict")] == [
        verdict.now for verdict in verdicts
    ]
    assert recording.describe_loss() == "the recording is complete"
    assert recording.meta("reflexarc") == {"scenario": "test", "seed": "3"}
    with pytest.raises(RecordingError, match="unknown metadata record 'arc'.*allowed: reflexarc"):
        recording.meta("arc")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.97])
def test_a_truncated_recording_is_read_up_to_the_cut_and_the_loss_is_counted(tmp_path, share):
    verdicts = write_recording(tmp_path / "killed.mcap", seconds=1.0, finish=False)
    data = (tmp_path / "killed.mcap").read_bytes()
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(data[: int(share * len(data))])
    recording = read_recording(cut)
    read = [entry.message.now for entry in recording.topic("verdict")]
    assert not recording.complete
    assert 0 < len(read) < len(verdicts)
    assert read == [verdict.now for verdict in verdicts[: len(read)]]
    assert len(read) > (share - 0.15) * len(verdicts)
    assert recording.lost_bytes < 20_000
    assert "did not finish" in recording.describe_loss()


def test_a_writer_that_never_finished_loses_only_its_open_chunk(tmp_path):
    path = tmp_path / "killed.mcap"
    verdicts = write_recording(path, seconds=1.0, finish=False)
    recording = read_recording(path)
    assert not recording.complete
    assert len(verdicts) - 40 <= len(recording.topic("verdict")) <= len(verdicts)


def test_damaged_bytes_in_the_middle_do_not_raise(recorded, tmp_path):
    path, verdicts = recorded
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = bytes([0xA5]) * 200
    damaged = tmp_path / "damaged.mcap"
    damaged.write_bytes(data)
    recording = read_recording(damaged)
    assert 0 < len(recording.topic("verdict")) < len(verdicts)
    assert recording.lost_bytes > 0


def test_a_missing_file_and_a_file_of_another_kind_are_errors_that_say_so(tmp_path):
    with pytest.raises(RecordingError, match="No such file"):
        read_recording(tmp_path / "none.mcap")
    other = tmp_path / "other.mcap"
    other.write_text("not a recording")
    with pytest.raises(RecordingError, match="is not an MCAP recording"):
        read_recording(other)


def test_an_unknown_topic_is_an_error_that_lists_the_recorded_ones(recorded):
    with pytest.raises(RecordingError, match=r"no topic 'tf'; recorded: /clearance, .*/verdict"):
        read_recording(recorded[0]).topic("tf")


def test_the_run_log_holds_the_recorded_numbers(recorded):
    path, verdicts = recorded
    log = log_from_recording(read_recording(path))
    assert log.time.tolist() == [verdict.now for verdict in verdicts]
    assert log.command.tolist() == [verdict.command.tolist() for verdict in verdicts]
    assert log.margin.tolist() == pytest.approx([verdict.margin for verdict in verdicts], nan_ok=True)
    assert log.lateness.tolist() == [1e-4] * len(verdicts)
    assert log.min_distance[0] == pytest.approx(1.0)
    assert log.track_names == ("pedestrian_1",)
    contact = log.events_of("contact")[0]
    assert (contact["time"], contact["impulse"], contact["contact_class"]) == (1.0, 12.5, "pedestrian")
    assert "impulse 12.5 N s" in contact["text"]
    acting = sum(bool(verdict.interventions) for verdict in verdicts)
    assert int((log.changed > 0).any(axis=1).sum()) == acting > 0
