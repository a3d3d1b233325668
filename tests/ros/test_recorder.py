# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLC0415 - where ROS is absent these files must still be read, to be skipped with a reason
"""The recorder on the wire: complete files, and what is left of one whose writer was killed."""

import time

import pytest
import yaml

from reflexarc.core.errors import RecordingError
from reflexarc.core.interfaces import INTERFACES
from reflexarc.core.wire import seconds
from reflexarc.report.manifest import manifest
from reflexarc.report.recording import read_recording
from reflexarc_sim.scenario import load_scenario

pytestmark = pytest.mark.ros


def send(probe, count, rate, path):
    """Publish proposals stamped 1, 2, 3, ... once one stamped 0 is in the file: both sides have found each other."""

    def publish(number, period):
        from geometry_msgs.msg import TwistStamped

        message = TwistStamped()
        message.header.stamp.sec = number
        message.twist.linear.x = 0.1 * number
        probe.publish("proposal", message)
        probe.spin(period)

    def heard():
        publish(0, 0.1)
        try:
            return read_recording(path).optional_topic("proposal")
        except RecordingError:
            return ()  # nothing is in it yet

    probe.until(heard, 60.0, "the recorder hears the probe")
    for number in range(1, count + 1):
        publish(number, 1.0 / rate)


def recorded(path):
    stamps = [
        seconds(entry.message.header.stamp) for entry in read_recording(path).optional_topic("proposal")
    ]
    return [stamp for stamp in stamps if stamp > 0.0]


def test_recording_is_complete_and_readable_by_others(probe_and_graph):
    from mcap.reader import make_reader
    from mcap_ros2.reader import read_ros2_messages

    probe, graph = probe_and_graph
    out = graph.folder / "out"
    graph.start("recorder_node", out_dir=out, scenario="sidewalk_calm", seed=9)
    send(probe, 50, 100.0, out / "run.mcap")
    assert graph.stop() == {"recorder_node": 0}
    recording = read_recording(out / "run.mcap")
    assert recording.complete
    assert recorded(out / "run.mcap") == list(range(1, 51))
    assert yaml.safe_load(recording.attachments["scenario.yaml"])["seed"] == 9
    said, demanded = recording.metadata["reflexarc"], manifest(load_scenario("sidewalk_calm"))
    assert said == demanded | {
        "scenario": "sidewalk_calm",
        "seed": "9",
        "source": "live",
        "drive": "scenario",
    }
    values = [
        m.ros_msg.twist.linear.x for m in read_ros2_messages(str(out / "run.mcap"), topics=["/proposal"])
    ]
    assert values[values.index(0.1) :] == [0.1 * k for k in range(1, 51)]
    with (out / "run.mcap").open("rb") as stream:
        summary = make_reader(stream).get_summary()
    kinds = {c.topic.lstrip("/"): summary.schemas[c.schema_id].name for c in summary.channels.values()}
    expected = {i.name.lstrip("/"): i.type for i in INTERFACES if not i.optional}
    assert {name: kinds[name] for name in expected} == expected


def test_recording_is_readable_after_sigkill(probe_and_graph):
    probe, graph = probe_and_graph
    out = graph.folder / "out"
    graph.start("recorder_node", out_dir=out)
    send(probe, 200, 100.0, out / "run.mcap")
    early = time.monotonic()
    send_more = 0
    while time.monotonic() - early < 1.0:  # what was sent more than a second before the kill must be there
        probe.spin(0.05)
        send_more += 1
    graph.kill("recorder_node")
    recording = read_recording(out / "run.mcap")
    assert not recording.complete
    assert "did not finish" in recording.describe_loss()
    assert recorded(out / "run.mcap") == list(range(1, 201))


def test_an_existing_recording_is_not_overwritten(probe_and_graph):
    probe, graph = probe_and_graph
    out = graph.folder / "out"
    out.mkdir()
    (out / "run.mcap").write_bytes(b"evidence")
    process = graph.start("recorder_node", out_dir=out)
    probe.until(lambda: process.poll() is not None, 30.0, "the recorder refuses")
    assert process.returncode == 1
    assert "exists; a recording is not overwritten" in graph.log("recorder_node")
    assert (out / "run.mcap").read_bytes() == b"evidence"


def test_a_folder_that_cannot_be_made_is_a_clear_error(probe_and_graph):
    probe, graph = probe_and_graph
    (graph.folder / "file").write_text("not a folder")
    process = graph.start("recorder_node", out_dir=graph.folder / "file" / "out")
    probe.until(lambda: process.poll() is not None, 30.0, "the recorder refuses")
    assert process.returncode == 1
    assert "cannot write" in graph.log("recorder_node")


def test_a_definition_lists_every_message_in_it():
    from reflexarc_nodes.recording import definition_of

    text = definition_of("nav_msgs/msg/Odometry")
    for part in (
        "std_msgs/Header",
        "geometry_msgs/PoseWithCovariance",
        "geometry_msgs/Vector3",
        "builtin_interfaces/Time",
    ):
        assert text.count(f"MSG: {part}\n") == 1


def test_a_full_disk_ends_the_recorder_with_a_reason(tmp_path):
    from reflexarc_nodes.recording import RecordingWriter

    class FullDisk:
        closed = False

        def flush(self):
            raise OSError(28, "No space left on device")

    writer = RecordingWriter(tmp_path / "run.mcap")
    writer._file = FullDisk()
    with pytest.raises(RecordingError, match="No space left on device; what was written is readable"):
        writer.flush()
