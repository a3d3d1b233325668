# SPDX-License-Identifier: Apache-2.0
"""`reflexarc run --lockstep` from the command line to the report."""

import io
import json
import re
import shutil

import numpy as np
import pytest
from rich.console import Console

from reflexarc.arc.learned import barrier_path
from reflexarc.cli import build_parser, main
from reflexarc.cli._display import print_table
from reflexarc.cli._request import asked_scenario, make_request
from reflexarc.core.errors import ConfigError, PlantError, RecordingError
from reflexarc.economics import cost_model
from reflexarc.economics.readers import read_policies
from reflexarc.report.comparison import JSON_KEYS, column_figures, combine, comparison_rows, comparisons
from reflexarc.report.rundir import RunEntry, RunInfo
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
TWO_SEEDS = ["--seeds", "0,3", "--jobs", "2", "--no-render", "--set", "crowd.count=10"]
COLUMN_KEYS = [
    "time_per_mission_s",
    "stopping_share",
    "learned_share",
    "min_learned_margin_m",
    "uncertified",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A short run of two seeds with and without the arc, in worker processes."""
    out = tmp_path_factory.mktemp("run") / "out"
    assert main([*SHORT, *TWO_SEEDS, "--no-learned", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """The same runs as a comparison is made by default, with the learned barrier as a third column."""
    out = tmp_path_factory.mktemp("compared") / "out"
    assert main([*SHORT, *TWO_SEEDS, "--out", str(out)]) == 0
    return out


@pytest.fixture
def uncertified(tmp_path):
    """The options that name a learned barrier whose certificate is missing."""
    shutil.copy(barrier_path("segway_e1_crowd"), tmp_path)
    return ["--set", f"arc.learned.file={tmp_path / 'barrier.safetensors'}"]


def summary_of(out, seed, column):
    return json.loads((out / f"lockstep-seed{seed}-{column}" / "summary.json").read_text())


def request_of(*arguments):
    args = build_parser({"run"}).parse_args(["run", *arguments])
    return make_request(args, asked_scenario(args))


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
        assert cells.groups() == row.cells
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


def test_a_comparison_also_runs_with_the_learned_barrier_on(compared, finished):
    entries = RunInfo.load(compared).entries
    columns = ["with-arc", "with-arc-learned", "without-arc"]
    assert [(e.seed, e.column, e.problem) for e in entries] == [(s, c, None) for s in (0, 3) for c in columns]
    for seed in (0, 3):
        learned, plain = (summary_of(compared, seed, column) for column in columns[:2][::-1])
        assert learned["learned_ticks"] == learned["ticks"] == 1000
        assert np.isfinite(learned["min_learned_margin_m"]) and not learned["uncertified"]
        log = RunLog.load(compared / f"lockstep-seed{seed}-with-arc-learned" / "log.npz")
        assert float(np.nanmin(log.learned_margin)) == learned["min_learned_margin_m"]
        assert (plain["learned_ticks"], plain["min_learned_margin_m"]) == (0, None)
        for column in ("with-arc", "without-arc"):
            assert (
                summary_of(compared, seed, column)["digest"] == summary_of(finished, seed, column)["digest"]
            )
    learned = [summary_of(compared, seed, "with-arc-learned") for seed in (0, 3)]
    plain = [summary_of(compared, seed, "with-arc") for seed in (0, 3)]
    assert [s["digest"] for s in learned] != [s["digest"] for s in plain]
    assert sum(s["stage_ticks"].get("learned_barrier", 0) for s in learned) > 0
    assert sum(s["stage_ticks"].get("learned_barrier", 0) for s in plain) == 0


def test_the_third_column_of_the_report_shows_what_the_learned_barrier_did(compared, finished):
    page = (compared / "report.html").read_text()
    sides = [
        [summary_of(compared, seed, column) for seed in (0, 3)]
        for column in ("with-arc", "with-arc-learned", "without-arc")
    ]
    rows = {row.label: row.cells for row in comparison_rows(*sides)}
    for label, cells in rows.items():
        row = re.search(rf"<th>{re.escape(label)}</th>" + r"<td[^>]*>([^<]*)</td>" * 3, page)
        assert row is not None and row.groups() == cells, label
    lowest = min(s["min_learned_margin_m"] for s in sides[1])
    bound = sum(s["stage_ticks"]["learned_barrier"] for s in sides[1] if s["stage_ticks"]) / 2000
    assert rows["smallest learned margin V [m]"] == ("–", f"{lowest:.2f}", "–")
    assert rows["time the learned barrier binds"] == ("–", f"{bound:.2%}", "–")
    figure = page[page.index("The learned barrier beside the stopping barrier") :].split("</figure>")[0]
    for words in ("stopping barrier h", "learned barrier V", "the learned barrier decides"):
        assert words in figure
    assert "also sets arc.learned.enabled=true" in page
    assert "learned barrier" not in (finished / "report.html").read_text()


def test_the_terminal_table_has_the_third_column(compared):
    runs = [
        (entry, summary_of(compared, entry.seed, entry.column)) for entry in RunInfo.load(compared).entries
    ]
    (table,) = comparisons(runs)
    console = Console(width=140, record=True, file=io.StringIO())
    print_table(console, table)
    text = console.export_text()
    assert "with arc + learned barrier" in text
    for row in table.rows:
        words = [row.label, *row.cells]
        assert any(
            [cell.strip() for cell in line.strip("│").split("│")] == words for line in text.splitlines()
        )


def test_the_costs_have_a_policy_per_column(tmp_path):
    whole = ["run", "sidewalk_calm", "--lockstep", "--quiet", "--no-render", "--set", "crowd.count=4"]
    assert main([*whole, "--out", str(tmp_path / "out")]) == 0
    names = [policy.name for policy in read_policies(tmp_path / "out", cost_model("v5"))]
    assert names == ["with arc", "with arc + learned barrier", "without arc"]
    page = (tmp_path / "out" / "report.html").read_text()
    for name in names[:2]:
        assert re.search(rf"On the 1 missions that both drove, the margin {re.escape(name)} is", page)


def test_the_json_line_holds_the_columns_where_the_learned_one_was_asked_for(compared, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([*SHORT, *TWO_SEEDS, "--json", "--learned", "--compare", "--out", str(out)]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(figures) == [*PROMISED_KEYS, "columns"]
    assert list(figures["columns"]) == ["with-arc", "with-arc-learned", "without-arc"]
    for column, values in figures["columns"].items():
        assert list(values) == [*PROMISED_KEYS, *COLUMN_KEYS]
        sides = [summary_of(compared, seed, column) for seed in (0, 3)]
        expected = column_figures(sides)
        for key in ("digest", "contacts", "learned_share", "stopping_share", "min_learned_margin_m"):
            assert values[key] == expected[key], (column, key)
    assert figures["digest"] == figures["columns"]["with-arc"]["digest"]
    assert figures["columns"]["with-arc-learned"]["learned_share"] > 0
    assert figures["columns"]["with-arc"]["learned_share"] is None


def test_a_learned_barrier_without_certificate_is_an_error_where_it_is_asked_for(
    uncertified, tmp_path, capsys
):
    out = tmp_path / "out"
    assert main([*SHORT, *uncertified, "--learned", "--out", str(out)]) == 2
    words = capsys.readouterr().err
    assert "--learned: " in words and "certificate" in words and "nothing was run" in words
    assert not out.exists()


def test_without_a_certificate_the_default_comparison_says_what_it_leaves_out(uncertified):
    request = request_of("sidewalk_calm", "--lockstep", *uncertified, "--json", "--compare")
    assert request.note == ""
    for allowed in ([], ["--set", "arc.learned.allow_uncertified=true"]):
        request = request_of("sidewalk_calm", "--lockstep", *uncertified, *allowed)
        assert [entry.column for entry in request.lockstep] == ["with-arc", "without-arc"]
        assert "no column with the learned barrier: " in request.note and "certificate" in request.note
        request.out.rmdir()
    request = request_of("sidewalk_calm", "--lockstep", "--json", *uncertified, *allowed, "--learned")
    assert [entry.column for entry in request.lockstep] == ["with-arc", "with-arc-learned"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--lockstep", "--no-arc"], "needs the arc"),
        (["--lockstep", "--set", "arc.enabled=false"], "needs the arc"),
        (["--lockstep-seeds", "none"], "takes them away"),
        (["--lockstep", "--set", "arc.learned.enabled=true"], "is true already"),
    ],
)
def test_what_contradicts_the_learned_column_is_an_error(options, words):
    with pytest.raises(ConfigError, match=words):
        request_of("sidewalk_calm", "--json", "--learned", *options)


@pytest.mark.parametrize(
    ("options", "live", "lockstep"),
    [
        (["--compare", "--learned"], "with without", "with learned without"),
        (["--compare"], "with without", "with without"),
        (["--learned"], "with", "with learned"),
        (["--no-learned"], "with", ""),
    ],
)
def test_the_learned_column_is_in_lock_step_only(options, live, lockstep):
    request = request_of("sidewalk_calm", "--json", *options)
    short = {"with-arc": "with", "with-arc-learned": "learned", "without-arc": "without"}
    assert " ".join(short[e.column] for e in request.live) == live
    assert " ".join(short[e.column] for e in request.lockstep if e.seed == 0) == lockstep


def test_a_run_folder_of_before_the_columns_is_read_and_an_unknown_column_refused(compared, tmp_path):
    data = json.loads((compared / "run.json").read_text())
    for entry in data["entries"]:
        del entry["column"]
    (tmp_path / "run.json").write_text(json.dumps(data))
    assert {e.column for e in RunInfo.load(tmp_path).entries} == {"with-arc", "without-arc"}
    data["entries"][0]["column"] = "with-wings"
    (tmp_path / "run.json").write_text(json.dumps(data))
    with pytest.raises(
        RecordingError, match="'with-wings'; allowed: with-arc, with-arc-learned, without-arc"
    ):
        RunInfo.load(tmp_path)


def test_missions_that_the_end_of_the_run_cut_are_told_apart():
    summary = dict.fromkeys(JSON_KEYS, 1) | {"missions": 4, "outcomes": {"success": 1, "unfinished": 2}}
    (table,) = comparisons([(RunEntry("lockstep", 0, True), summary)])
    assert table.rows[0].cells == ("1 of 4 (2 unfinished)",)
