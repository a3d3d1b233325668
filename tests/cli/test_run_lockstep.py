# SPDX-License-Identifier: Apache-2.0
"""`reflexarc run --lockstep` from the command line to the report."""

import json
import re
import shutil

import pytest

from reflexarc.cli import main
from reflexarc.core.errors import PlantError
from reflexarc.report.comparison import JSON_KEYS, combine, comparison_rows
from reflexarc.report.runlog import RunLog

PROMISED_KEYS = [
    "missions",
    "successes",
    "contacts",
    "pedestrian_contacts",
    "pedestrian_contacts_moving",
    "min_distance_m",
    "interventions",
    "tick_p50_us",
    "tick_p99_us",
    "deadline_miss_fraction",
    "seed",
    "digest",
]
SHORT = ["run", "sidewalk_calm", "--lockstep", "--duration", "5", "--quiet"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A short run of two seeds with and without the arc, in worker processes."""
    out = tmp_path_factory.mktemp("run") / "out"
    arguments = ["--seeds", "0,3", "--jobs", "2", "--no-render", "--out", str(out), "--set", "crowd.count=10"]
    assert main([*SHORT, *arguments]) == 0
    return out


def test_the_json_line_has_exactly_the_promised_keys(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*SHORT, "--json", "--seed", "3"]) == 0
    line = capsys.readouterr().out.splitlines()
    figures = json.loads(line[-1])
    assert list(figures) == PROMISED_KEYS == list(JSON_KEYS)
    assert len(line) == 1
    assert figures["seed"] == 3
    assert re.fullmatch("[0-9a-f]{64}", figures["digest"])
    assert figures["deadline_miss_fraction"] is None
    assert 0 < figures["tick_p50_us"] <= figures["tick_p99_us"]
    assert list(tmp_path.iterdir()) == []


def test_the_same_seed_gives_the_same_digest_in_this_process_and_in_a_worker(finished, capsys):
    assert main([*SHORT, "--json", "--seed", "3", "--set", "crowd.count=10"]) == 0
    here = json.loads(capsys.readouterr().out.splitlines()[-1])
    worker = json.loads((finished / "lockstep-seed3-with-arc" / "summary.json").read_text())
    other = json.loads((finished / "lockstep-seed0-with-arc" / "summary.json").read_text())
    assert here["digest"] == worker["digest"] != other["digest"]


def test_no_arc_runs_without_it(capsys):
    assert main([*SHORT, "--json", "--no-arc"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["interventions"] == 0
    assert figures["tick_p50_us"] is None


def test_every_run_leaves_its_files(finished):
    info = json.loads((finished / "run.json").read_text())
    assert [(e["seed"], e["arc"], e["problem"]) for e in info["entries"]] == [
        (0, True, None), (0, False, None), (3, True, None), (3, False, None),
    ]  # fmt: skip
    assert "count: 10" in info["scenario_yaml"]
    for seed in (0, 3):
        for arc in ("with", "without"):
            folder = finished / f"lockstep-seed{seed}-{arc}-arc"
            assert {path.name for path in folder.iterdir()} == {"log.npz", "summary.json", "world.json"}


def test_the_log_agrees_with_the_summary(finished):
    folder = finished / "lockstep-seed0-with-arc"
    log, summary = RunLog.load(folder / "log.npz"), json.loads((folder / "summary.json").read_text())
    assert len(log.time) == summary["ticks"] == 1000
    assert log.duration == pytest.approx(summary["duration_s"])
    assert float(log.min_distance.min()) == pytest.approx(summary["min_distance_m"])
    assert len(log.events_of("contact")) == summary["contacts"]
    assert log.tracks.shape[1:] == (10, 2)


def test_the_report_shows_the_numbers_of_the_summaries(finished):
    page = (finished / "report.html").read_text()
    sides = [
        [
            json.loads((finished / f"lockstep-seed{seed}-{arc}-arc" / "summary.json").read_text())
            for seed in (0, 3)
        ]
        for arc in ("with", "without")
    ]
    for row in comparison_rows(*sides):
        cells = re.search(rf"<th>{re.escape(row.label)}</th><td[^>]*>([^<]*)</td><td[^>]*>([^<]*)</td>", page)
        assert cells is not None, row.label
        assert cells.groups() == (row.with_arc, row.without_arc)
    assert all(side["digest"] in page for both in sides for side in both)
    assert "reflexarc" in page and "How to reproduce" in page
    assert len(page) < 5_000_000


def test_the_report_needs_no_network(finished):
    page = (finished / "report.html").read_text()
    loaded = re.findall(
        r"""(?:src|href)\s*=\s*["']?(https?:|//)|@import|url\((?!#)""",
        page.replace("xlink:href", "xlink-href"),
    )
    assert loaded == []


def test_a_report_is_built_again_from_the_files(finished):
    before = (finished / "report.html").read_text()
    (finished / "report.html").unlink()
    assert main(["report", str(finished)]) == 0
    assert (finished / "report.html").read_text() == before


def test_a_run_that_lost_its_log_is_still_reported_with_a_note(finished, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    (copy / "lockstep-seed0-with-arc" / "log.npz").write_bytes(b"damaged")
    (copy / "lockstep-seed0-without-arc" / "summary.json").unlink()
    assert main(["report", str(copy)]) == 0
    page = (copy / "report.html").read_text()
    assert "cannot read the run log" in page
    assert "no summary was written" in page


def test_combined_figures_add_up():
    one = dict.fromkeys(JSON_KEYS, 1) | {"min_distance_m": 0.5, "digest": "a", "seed": 0, "tick_p99_us": 10.0}
    two = one | {"missions": 3, "min_distance_m": None, "digest": "b", "seed": 4, "tick_p99_us": 30.0}
    both = combine([one, two])
    assert (both["missions"], both["contacts"], both["min_distance_m"], both["seed"]) == (4, 2, 0.5, [0, 4])
    assert both["tick_p99_us"] == 30.0
    assert both["digest"] not in ("a", "b")
    assert combine([one]) == {key: one[key] for key in JSON_KEYS}


def test_a_failed_run_exits_with_1_and_is_still_reported(tmp_path, monkeypatch, capsys):
    def diverge(*_, **__):
        raise PlantError("the simulation diverged at 1.0 s")

    monkeypatch.setattr("reflexarc_sim.lockstep.run", diverge)
    assert main([*SHORT, "--no-compare", "--out", str(tmp_path / "out")]) == 1
    assert "the simulation diverged at 1.0 s" in capsys.readouterr().err
    assert "the simulation diverged at 1.0 s" in (tmp_path / "out" / "report.html").read_text()
