# SPDX-License-Identifier: Apache-2.0
"""A recording becomes a statement without ROS; a truncated one is refused, or taken as far as it goes when
asked.
"""

import pytest
from mcap_ros2.writer import Writer

from reflexarc.core.errors import RecordingError
from reflexarc.economics import cost_model
from reflexarc.economics.outcomes import OUTCOMES, Outcome
from reflexarc.economics.readers import read_policies
from tests.cli.definitions import STANDARD, definition
from tests.cli.recordings import contact, header, odometry

MODEL = cost_model("reflexarc_run")
JOINTS = "std_msgs/Header header\nstring[] name\nfloat64[] position\nfloat64[] velocity\nfloat64[] effort"
TYPES = {
    "odom": "nav_msgs/Odometry",
    "contact_events": "reflexarc_msgs/ContactEvent",
    "mission": "reflexarc_msgs/MissionStatus",
}
UNDER_WAY, ENDED = 1, 2


def mission(time, number, state, outcome=0, start=-1.0, duration=0.0):
    rest = {
        "count": 2,
        "successes": 0,
        "goal": {"x": 9.0, "y": 0.0, "z": 0.0},
        "timeout": 60.0,
        "distance_to_goal": 1.0,
        "reason": "",
    }
    return {
        "header": header(time),
        "number": number,
        "state": state,
        "outcome": outcome,
        "start": start,
        "duration": duration,
    } | rest


def record(path, finish=True, outcome=1):
    """Write 20 s at 1 m/s and 36 W: one mission of 10 s that ends with `outcome`, one that is not finished."""
    writer = Writer(str(path), chunk_size=2048)
    schemas = {topic: writer.register_msgdef(name, definition(name)) for topic, name in TYPES.items()}
    joints = writer.register_msgdef(
        "sensor_msgs/JointState",
        "\n".join(
            (
                JOINTS,
                "=" * 80,
                "MSG: std_msgs/Header",
                STANDARD["std_msgs/Header"],
                "=" * 80,
                "MSG: builtin_interfaces/Time",
                STANDARD["builtin_interfaces/Time"],
            )
        ),
    )

    def send(topic, message, time, schema=None):
        writer.write_message(
            f"/robot1/{topic}", schema or schemas[topic], message, log_time=int(time * 1e9), sequence=0
        )

    send("mission", mission(0.0, 0, UNDER_WAY, start=0.0), 0.0)
    for tick in range(201):
        now = tick / 10
        send("odom", odometry(now, now, 1.0), now)
        wheels = {
            "header": header(now),
            "name": ["l", "r"],
            "position": [],
            "velocity": [9.0, 9.0],
            "effort": [2.0, -2.0],
        }
        send("joint_states", wheels, now, joints)
        if tick == 60:
            send("contact_events", contact(5.0), now)
        if tick == 100:
            send("mission", mission(now, 0, ENDED, outcome, 0.0, 10.0), now)
    send("mission", mission(20.0, 1, ENDED, 5, 10.0, 10.0), 20.0)
    if finish:
        writer.finish()
    return path


def test_a_recording_is_priced(tmp_path):
    (policy,) = read_policies(record(tmp_path / "run.mcap"), MODEL)
    episodes = policy.data
    assert len(episodes) == 1 and episodes.skip_reasons == {"unfinished": 1}
    assert OUTCOMES[episodes.outcome[0]] == Outcome.SUCCESS
    assert episodes.distance_m[0] == pytest.approx(10.0) and episodes.duration_s[0] == 10.0
    assert episodes.energy_kwh[0] == pytest.approx(36.0 * 10.0 / 3.6e6)
    c = episodes.contacts
    assert (c.impulse[0], c.delta_v[0], c.peak_force[0], c.time[0]) == (12.5, 0.1, 300.0, 5.25)


def test_a_truncated_recording_is_refused_unless_asked_for(tmp_path):
    path = record(tmp_path / "run.mcap")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(RecordingError, match=r"did not finish.*bytes could not be read.*--allow-incomplete"):
        read_policies(path, MODEL)
    (policy,) = read_policies(path, MODEL, allow_incomplete=True)
    assert len(policy.data) == 1 and any("did not finish" in note for note in policy.data.notes)


def test_an_outcome_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(RecordingError, match="mission 0, field 'outcome': 9"):
        read_policies(record(tmp_path / "run.mcap", outcome=9), MODEL)


def test_what_is_no_recording_is_named(tmp_path):
    (tmp_path / "run.mcap").write_text("no")
    with pytest.raises(RecordingError, match="not an MCAP recording"):
        read_policies(tmp_path / "run.mcap", MODEL)
