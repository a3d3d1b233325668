# SPDX-License-Identifier: Apache-2.0
"""Pieces of the command line and the report that work alone."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from reflexarc.cli import _domain
from reflexarc.cli._display import counters_text
from reflexarc.cli._film import film_run, interesting_moment
from reflexarc.cli._request import parse_seeds
from reflexarc.cli._tail import JsonLines
from reflexarc.core.errors import ConfigError
from reflexarc.core.plant import CargoEvent, ContactClass, ContactEvent
from reflexarc.core.types import BaseState, Intervention, Mode, Obstacles, Proposal, Status, Verdict, Walls
from reflexarc.report.figures import thin
from reflexarc.report.player import player_data
from reflexarc.report.rundir import RunEntry
from reflexarc.report.runlog import RunLog, RunLogBuilder
from reflexarc_sim.scenario import load_scenario


@pytest.mark.parametrize(
    ("text", "seeds"), [("7", (7,)), ("0-3", (0, 1, 2, 3)), ("0,2,5", (0, 2, 5)), ("4,0-2,1", (4, 0, 1, 2))]
)
def test_seeds_are_read_in_the_order_given_each_once(text, seeds):
    assert parse_seeds(text, "--seeds") == seeds


def test_a_domain_with_an_open_port_is_not_chosen(monkeypatch):
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    used = {7400 + 250 * domain + 11 for domain in range(102) if domain != 42}
    monkeypatch.setattr(_domain, "open_udp_ports", lambda: used)
    assert _domain.choose_domain() == 42
    monkeypatch.setattr(_domain, "open_udp_ports", lambda: used | {7400 + 250 * 42})
    with pytest.raises(ConfigError, match="all ROS domains from 1 to 101 are in use"):
        _domain.choose_domain()


def test_a_domain_that_is_set_is_used_and_a_wrong_one_refused(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "17")
    assert _domain.choose_domain() == 17
    for wrong in ("-1", "233", "seven"):
        monkeypatch.setenv("ROS_DOMAIN_ID", wrong)
        with pytest.raises(ConfigError, match="allowed: 0 to 232"):
            _domain.choose_domain()


def test_ports_are_read_from_the_systems_table(tmp_path):
    table = tmp_path / "udp"
    table.write_text("  sl  local_address rem_address\n  1: 0100007F:1CF2 00000000:0000 07\n")
    assert _domain.open_udp_ports((str(table), str(tmp_path / "none"))) == {0x1CF2}


def test_json_lines_are_read_once_and_unfinished_ones_later(tmp_path):
    path = tmp_path / "events.jsonl"
    lines = JsonLines(path)
    assert lines.read() == []
    path.write_text('{"a": 1}\n{"b"')
    assert lines.read() == [{"a": 1}]
    assert lines.read() == []
    path.write_text('{"a": 1}\n{"b": 2}\nnonsense\n[3]\n')
    assert lines.read() == [{"b": 2}]


def test_counters_leave_out_what_is_not_known():
    known = {"successes": "1/2", "contacts": 0, "min_distance_m": float("inf"), "interventions": None}
    assert counters_text(known) == "1/2 missions · 0 contacts"
    assert counters_text({"min_distance_m": 0.416, "interventions": 3}) == "3 acts · 0.42 m"


def test_thinning_keeps_every_spike_and_every_gap():
    time = np.arange(100_000) * 0.005
    values = np.sin(time)
    values[54_321], values[12_345] = 9.0, -7.0
    values[70_000:80_000] = np.nan
    t, v = thin(time, values)
    assert len(t) <= 1200
    assert np.nanmax(v) == 9.0
    assert np.nanmin(v) == -7.0
    assert np.all(np.diff(t) > 0)
    assert np.isnan(v[(t > 352) & (t < 398)]).all()


def log_of(acting: list[bool], contact_speed: float | None = None) -> RunLog:
    builder = RunLogBuilder()
    for tick, active in enumerate(acting):
        now = tick * 0.005
        state = BaseState(now, "odom", [now, 0, 0], [1, 0], Obstacles.none(now), Walls.none())
        changes = (Intervention("barrier", f"tick {tick}", 0.1 * tick),) if active else ()
        verdict = Verdict(now, np.array([1.0, 0.0]), Status.FILTERED, Mode.NORMAL, 0.5, 0.0, np.nan, changes)
        builder.tick(
            state, Proposal(now, [1.5, 0]), verdict.command, verdict, 2.0 if tick % 10 == 0 else np.nan
        )
    if contact_speed is not None:
        builder.plant_event(
            ContactEvent(0.3, 0.4, ContactClass.PEDESTRIAN, "p", 5.0, 9.0, 0.1, contact_speed, (0.0, 1.0))
        )
    builder.plant_event(CargoEvent(0.1, 1, 6))
    builder.pedestrians(0.0, ("a", "b"), np.zeros((2, 2)))
    builder.pedestrians(0.1, ("b", "c"), np.ones((2, 2)))
    return builder.finish()


def test_interventions_become_episodes_with_their_largest_change():
    log = log_of([False] * 10 + [True] * 20 + [False] * 100 + [True] * 5)
    episodes = log.events_of("intervention")
    assert [(round(e["time"], 3), round(e["until"], 3), e["text"]) for e in episodes] == [
        (0.05, 0.145, "tick 29"),
        (0.65, 0.67, "tick 134"),
    ]
    assert int((log.changed > 0).sum()) == 25
    assert [event["time"] for event in log.events] == sorted(event["time"] for event in log.events)


def test_pedestrians_that_come_and_go_leave_gaps_in_their_tracks():
    log = log_of([False] * 3)
    assert log.track_names == ("a", "b", "c")
    assert np.isnan(log.tracks[:, :, 0]).tolist() == [[False, False, True], [True, False, False]]


def test_a_log_is_the_same_after_saving_and_loading(tmp_path):
    log = log_of([True, False, True], contact_speed=0.5)
    log.save(tmp_path / "log.npz")
    loaded = RunLog.load(tmp_path / "log.npz")
    assert loaded.events == log.events
    assert loaded.stages == log.stages == ("barrier",)
    for name in ("time", "pose", "command", "margin", "status", "changed", "tracks"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(log, name))


@pytest.mark.parametrize(("speed", "moment"), [(0.5, (0.3, "first contact with a pedestrian")), (0.05, None)])
def test_the_film_shows_the_first_contact_while_moving(speed, moment):
    found = interesting_moment(log_of([False] * 100, contact_speed=speed))
    assert found == (moment or (0.0, "closest approach to a pedestrian"))


def test_the_player_gets_ten_frames_a_second_and_no_nan():
    data = player_data(log_of([False] * 201), "title")
    assert data["frames"] == 11
    assert data["x"][::5] == [0.0, 0.5, 1.0]
    assert data["clearance"] == [2.0] * 11
    assert data["people"][0][:4] == [0.0, 0.0, 0.0, 0.0]
    assert data["people"][0][4:] == [None, None]


class BlindPlant:
    """A plant on a machine that cannot draw."""

    time = 0.0
    render_problem = "no pictures: no EGL here"

    def reset(self, seed):
        self.time = 0.0

    def step(self, command):
        self.time += 0.005

    def render(self, camera):
        return None

    def close(self):
        pass


def test_where_rendering_does_not_work_the_caption_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr("reflexarc_sim.make_plant", lambda scenario: BlindPlant())
    log_of([False] * 100).save(tmp_path / "log.npz")
    request = SimpleNamespace(scenario=None)
    caption = film_run(request, tmp_path, RunEntry("lockstep", 0, True))
    assert caption == "rendering does not work here: no pictures: no EGL here"
    assert not (tmp_path / "film.gif").exists()


@pytest.mark.render
def test_a_film_of_the_real_plant_shows_more_than_one_picture(tmp_path):
    scenario = load_scenario("sidewalk_calm")
    log_of([False] * 300).save(tmp_path / "log.npz")
    caption = film_run(SimpleNamespace(scenario=scenario), tmp_path, RunEntry("lockstep", 0, True))
    if "rendering does not work here" in caption:
        pytest.skip(caption)
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames > 5
        assert film.width == 480
    assert "closest approach" in caption
