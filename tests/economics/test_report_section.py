# SPDX-License-Identifier: Apache-2.0
"""The report's page of costs, from a real lock-step run and from a folder that has nothing to price."""

import pytest

from reflexarc.cli import main
from reflexarc.economics import cost_model
from reflexarc.economics.readers import read_policies
from reflexarc.report.economics_section import economics_section


@pytest.mark.integration
def test_a_run_folder_is_priced_with_and_without_the_arc(tmp_path, capsys):
    out = tmp_path / "run"
    args = [
        "run",
        "sidewalk_calm",
        "--lockstep",
        "--seed",
        "0",
        "--compare",
        "--no-learned",
        "--out",
        str(out),
        "--no-render",
        "--quiet",
    ]
    assert main(args) == 0
    capsys.readouterr()
    section = economics_section(out)
    assert (
        section["problem"] == ""
        and [t["names"] for t in section["tables"]] == [["with arc", "without arc"]] * 2
    )
    assert "What it costs" in (out / "report.html").read_text(encoding="utf-8")
    model = cost_model("reflexarc_run")
    arc, bare = read_policies(out, model)
    assert arc.data.keys == bare.data.keys == ("seed0/0",)
    assert arc.data.robot == "segway_e1" and arc.data.energy_kwh[0] > 0.0 and arc.data.distance_m[0] > 5.0
    (single,) = read_policies(out / "lockstep-seed0-with-arc", model)
    assert model.features(single.data) == pytest.approx(model.features(arc.data))


def test_a_folder_without_runs_says_why_there_is_no_statement(tmp_path):
    section = economics_section(tmp_path)
    assert section["tables"] == [] and "neither log.npz nor run.mcap nor events.jsonl" in section["problem"]
