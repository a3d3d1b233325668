# SPDX-License-Identifier: Apache-2.0
"""What is kept of a stop for which nothing was injected: whose beats were late, and who else stood still."""

import json
import sys

import pytest

from reflexarc.assurance.injection.false_stops import FalseStop, longest_pause, silences
from reflexarc.assurance.injection.live import LiveCase
from reflexarc.cli import _domain, _validate_faults_live
from reflexarc.cli._validate_faults_live import print_live, study_live

LATE = FalseStop(
    12.5,
    True,
    ("heartbeat_late: no command passes: arc: the newest beat is 0.131 s old, allowed 0.1 s",),
    ("heartbeat_late",),
    "NORMAL",
    "clear",
    {"arc": 0.128, "plant": 0.02},
    {"arc": 0, "plant": 1},
    0.006,
    ("[ERROR] heartbeat_late",),
)


def beats(*times, first=0):
    return tuple((t, first + k) for k, t in enumerate(times))


def test_the_sender_that_was_late_has_the_long_silence():
    sent = {"arc": beats(9.5, 9.6, 9.9, 9.92), "plant": beats(9.5, 9.7, 9.9, 9.99)}
    longest, unheard = silences(sent, 9.55, 10.0)
    assert longest == pytest.approx({"arc": 0.3, "plant": 0.2})
    assert unheard == {"arc": 0, "plant": 0}


def test_a_source_that_falls_silent_is_silent_until_the_stop_and_no_longer():
    sent = {"arc": beats(8.0, 9.0, 9.4, 11.0)}
    assert silences(sent, 9.5, 10.0)[0]["arc"] == pytest.approx(1.6), "the next beat came, if late"
    assert silences({"arc": beats(8.0, 9.0, 9.4)}, 9.5, 10.0)[0]["arc"] == pytest.approx(0.6)
    assert silences({"arc": beats(8.0, 9.9), "plant": ()}, 9.95, 10.0)[0] == pytest.approx({"arc": 0.1})


def test_what_lies_outside_the_window_does_not_count():
    sent = {"arc": (*beats(1.0, 5.0, 9.5, 9.6), *beats(9.7, 9.99, first=7), *beats(30.0, first=9))}
    longest, unheard = silences(sent, 9.55, 9.95)
    assert longest["arc"] == pytest.approx(0.29)
    assert unheard["arc"] == 3


def test_a_pause_of_the_study_is_the_longest_time_between_its_looks():
    looks = (1.0, 9.5, 9.505, 9.7, 9.705, 12.0)
    assert longest_pause(looks, 9.6, 9.7) == pytest.approx(0.195)
    assert longest_pause(looks, 9.6, 10.0) == pytest.approx(2.295)
    assert longest_pause((), 0.0, 1.0) == 0.0


def test_the_words_name_the_beat_the_senders_and_the_mode():
    for part in (
        "after 12.5 s",
        "0.131 s old",
        "arc 128 ms, plant 20 ms",
        "paused for 6 ms",
        "NORMAL (clear)",
    ):
        assert part in LATE.words
    assert "nobody said why" in FalseStop(1.0, True).words
    assert "state_stale" in FalseStop(1.0, False, names=("state_stale",)).words


def test_the_command_line_keeps_and_prints_every_cause(monkeypatch, capsys):
    case = {
        name: getattr(LiveCase("arc_sigkill", 0, "NORMAL", 1.0, 0.5, zero_s=0.1), name)
        for name in LiveCase.__slots__
    }
    lines = [
        {"false_stop": LATE.as_json()},
        {"case": case | {"named_s": 0.1, "standstill_s": 0.2, "braking_s": 0.2, "zero_plant_s": 0.1}},
        {"done": True, "false_stops": 1, "fault_free_s": 60.0},
    ]
    words = "\n".join(json.dumps(line) for line in lines)
    watch = _validate_faults_live.watch_study
    monkeypatch.setattr(
        _validate_faults_live,
        "watch_study",
        lambda _, limit, take: watch([sys.executable, "-c", f"print({words!r})"], limit, take),
    )
    monkeypatch.setattr(_domain, "choose_domain", lambda: 7)
    told = []
    summary = study_live({"rows": ["arc_sigkill"], "repetitions": 1, "wall_s": 60.0}, told.append)
    assert told[0] == f"false stop {LATE.words}"
    again = json.loads(json.dumps(summary, allow_nan=False))
    assert again["false_stops"] == 1
    assert again["false_stop_causes"] == json.loads(json.dumps([LATE.as_json()]))
    print_live(again)
    assert f"false stop {LATE.words}" in capsys.readouterr().out
