# SPDX-License-Identifier: Apache-2.0
"""Every reader, and every complaint names the field and the row."""

import json

import numpy as np
import pytest

from reflexarc.core.errors import ConfigError, RecordingError, UnknownNameError
from reflexarc.core.plant import ContactClass, ContactEvent
from reflexarc.economics import MODELS, cost_model, state_episodes
from reflexarc.economics.missions import MissionFile, SeededMission
from reflexarc.economics.outcomes import OUTCOMES, Outcome
from reflexarc.economics.readers import read_policies
from reflexarc.economics.readers.costnav import CSV_COLUMNS
from reflexarc.economics.readers.tables import episodes_from, summary_from

V5 = cost_model("v5")
SUMMARY = {
    "n": 100,
    "S_SLA": 0.46,
    "S_Spoiled": 0.29,
    "S_Timeout": 0.03,
    "S_Phys": 0.22,
    "avg_power_kw": 0.0229,
    "injury_usd_per_run": 20.58,
}
RESULT = {
    "result": "success",
    "result_reason": None,
    "mission_number": 1,
    "distance_to_goal": 1.5,
    "in_progress": False,
    "traveled_distance": 30.0,
    "elapsed_time": 25.0,
    "total_contact_count": 1,
    "total_impulse": 60.0,
    "property_contact_bollard": 1,
    "property_contact_building": 0,
    "property_contact_trash_bin": 0,
    "property_contact_mail_box": 0,
    "people_contact_count": 1,
    "total_injury_cost": 31.24,
    "food_spoiled": False,
}
OWN = {"mission": "a", "outcome": "success", "duration_s": 30.0, "distance_m": 30.0}


def csv_row(**changes):
    row = dict.fromkeys(CSV_COLUMNS, "0") | {
        "global_mission": "1",
        "status": "SUCCESS_SLA",
        "distance": "30",
        "time": "25",
        "mech_power": "0.02",
    }
    row |= changes
    return row


def write_csv(path, rows, columns=CSV_COLUMNS):
    lines = [",".join(columns), *(",".join(row[c] for c in columns) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_missing_capex_and_property_mean_zero():
    summary = summary_from(SUMMARY, "x", V5)
    assert summary.capex.robot == 0.0 and summary.means["property_usd"] == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"S_SLA": 0.5}, r"outcome shares must sum to 1.*S_SLA 0\.5.*1\.04"),
        ({"S_SLA": 1.2}, r"'S_SLA': 1\.2 is not a share"),
        ({"n": 0}, r"field 'n': 0 episodes"),
        ({"n": 2.5}, r"field 'n'"),
        ({"avg_power_kw": -0.1}, r"'avg_power_kw': -0\.1 must be a finite number >= 0"),
        ({"avg_power_kw": "much"}, r"'avg_power_kw': 'much'"),
        ({"injury_usd_per_run": None}, r"'injury_usd_per_run' is missing"),
        ({"capex": {"robt": 1}}, r"unknown field 'robt'.*robot"),
        ({"capex": {"robot": -1}}, r"'robot': -1"),
        ({"property_per_run": {"tree": 1}}, r"unknown field 'tree'.*bollard"),
        ({"S_Phsy": 0.1}, r"unknown field 'S_Phsy'.*S_Phys"),
    ],
)
def test_bad_summaries(change, message):
    with pytest.raises(ConfigError, match=message):
        summary_from(SUMMARY | change, "x", V5)


def test_a_summary_without_distance_cannot_be_scaled():
    with pytest.raises(ConfigError, match=r"model reflexarc.*'distance_km_per_run' is missing"):
        summary_from(SUMMARY, "x", cost_model("reflexarc"))


def test_unpriced_property_is_said():
    notes = summary_from(SUMMARY | {"property_per_run": {"fire_hydrant": 0.1}}, "x", V5).notes
    assert any("fire_hydrant" in note and "no price" in note for note in notes)


def test_mission_results_of_the_service():
    rows = [
        RESULT,
        RESULT | {"mission_number": 2, "result": "failure_timeout"},
        RESULT | {"mission_number": 3, "result": "skipped"},
        RESULT | {"mission_number": 4, "result": "failure_unheard_of"},
    ]
    episodes, _ = episodes_from(rows, "x")
    assert [OUTCOMES[o] for o in episodes.outcome] == [Outcome.SUCCESS, Outcome.TIMEOUT, Outcome.TIMEOUT]
    assert episodes.skipped == 1 and episodes.skip_reasons == {"skipped": 1}
    assert any("failure_unheard_of" in note for note in episodes.notes)
    features = dict(zip(V5.columns, V5.features(episodes)[0], strict=True))
    assert features == pytest.approx(
        {
            "spoiled": 0,
            "timeout": 0,
            "assistance": 0,
            "power_kw": 0.0218,
            "injury_usd": 31.24,
            "property_usd": 65.0,
        }
    )


def test_csv_of_the_scripts(tmp_path):
    rows = [
        csv_row(),
        csv_row(global_mission="2", status="SKIPPED"),
        csv_row(global_mission="3", status="FAILURE_FOODSPOILED", injury_cost="31.24", building="2"),
    ]
    (policy,) = read_policies(write_csv(tmp_path / "runs.csv", rows), V5)
    statement = state_episodes(policy.data, V5, policy.capex, resamples=50)
    assert statement.n == 2 and statement.skipped == 1
    assert statement.figures["property"] == pytest.approx(300.0) and statement.figures[
        "service"
    ] == pytest.approx(31.93 / 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"total_impulse": "-3"}, r"row 2, field 'total_impulse': '-3' must be"),
        ({"injury_cost": "nan"}, r"row 2, field 'injury_cost'"),
        ({"status": "LOST"}, r"unknown status 'LOST'.*row 2.*SUCCESS_SLA"),
        ({"time": ""}, r"row 2: the field 'time' is missing"),
    ],
)
def test_bad_csv_rows(tmp_path, change, message):
    path = write_csv(tmp_path / "runs.csv", [csv_row(), csv_row(global_mission="2", **change)])
    with pytest.raises(ConfigError, match=message):
        read_policies(path, V5)


def test_csv_with_missing_columns_or_short_rows(tmp_path):
    columns = [c for c in CSV_COLUMNS if c not in ("injury_cost", "bollard")]
    with pytest.raises(ConfigError, match="missing columns: bollard, injury_cost"):
        read_policies(write_csv(tmp_path / "a.csv", [csv_row()], columns), V5)
    path = write_csv(tmp_path / "b.csv", [csv_row()])
    path.write_text(path.read_text() + "2,x,SUCCESS_SLA\n")
    with pytest.raises(ConfigError, match="row 2: 3 fields, but the header has 19"):
        read_policies(path, V5)


def test_csv_with_mixed_robots(tmp_path):
    rows = [csv_row(robot="e1"), csv_row(global_mission="2", robot="carter")]
    with pytest.raises(ConfigError, match=r"row 2, field 'robot': 'carter'.*mixed robots"):
        read_policies(write_csv(tmp_path / "a.csv", rows, (*CSV_COLUMNS, "robot")), V5)


def test_zero_episodes(tmp_path):
    with pytest.raises(ConfigError, match=r"zero episodes.*1 skipped"):
        read_policies(write_csv(tmp_path / "a.csv", [csv_row(status="SKIPPED")]), V5)
    with pytest.raises(ConfigError, match="zero episodes"):
        episodes_from({"episodes": []}, "x")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            OWN | {"contacts": [{"class": "bollard", "impulse": -1.0}]},
            r"row 1, contact 1, field 'impulse': -1\.0 must be",
        ),
        (
            OWN | {"contacts": [{"class": "tree", "impulse": 1.0}]},
            r"unknown contact class 'tree'.*row 1, contact 1",
        ),
        (
            OWN
            | {
                "contacts": [{"class": "robot", "impulse": 1.0}]
            },  # of a fleet: nobody has published its price
            r"unknown contact class 'robot'.*row 1, contact 1",
        ),
        (OWN | {"contacts": [{"class": "bollard"}]}, r"row 1, contact 1: the field 'impulse' is missing"),
        (OWN | {"contacts": {}}, None),
        (OWN | {"duration_s": -1}, r"row 1, field 'duration_s'"),
        (OWN | {"outcome": "fine"}, r"unknown outcome 'fine'.*row 1, field 'outcome'"),
        (OWN | {"speed": 1}, r"unknown field 'speed'.*row 1"),
        ({"mission": "a"}, r"row 1: the field 'outcome'"),
    ],
)
def test_bad_rows_of_our_table(row, message):
    if message is None:
        assert len(episodes_from([row], "x")[0]) == 1
        return
    with pytest.raises(ConfigError, match=message):
        episodes_from([row], "x")


def test_a_mission_that_occurs_twice():
    with pytest.raises(ConfigError, match="mission 'a' occurs twice"):
        episodes_from([OWN, OWN], "x")


def test_unknown_files_and_kinds(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        read_policies(tmp_path / "none.json", V5)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(ConfigError, match=r"unknown kind of input '\.txt'"):
        read_policies(tmp_path / "a.txt", V5)
    (tmp_path / "a.json").write_text("{nonsense")
    with pytest.raises(ConfigError, match="not readable as JSON"):
        read_policies(tmp_path / "a.json", V5)


def event_log(path):
    contact = ContactEvent(8.0, 9.0, ContactClass.PEDESTRIAN, "p1", 60.0, 900.0, 0.8, 1.2, (1.0, 2.0))
    details = {k: getattr(contact, k) for k in ContactEvent.__dataclass_fields__} | {
        "contact_class": "pedestrian"
    }
    rows = [
        {"time": 0.0, "kind": "mission", "text": "", "number": 0, "state": "started", "odometer_m": 0.0},
        {"time": 9.0, "kind": "contact", "text": "", **details},
        {
            "time": 30.0,
            "kind": "mission",
            "text": "",
            "number": 0,
            "state": "ended",
            "outcome": "success",
            "duration": 30.0,
            "odometer_m": 28.0,
        },
        {"time": 30.0, "kind": "mission", "text": "", "number": 1, "state": "started", "odometer_m": 28.0},
        {
            "time": 40.0,
            "kind": "mission",
            "text": "",
            "number": 1,
            "state": "ended",
            "outcome": "unfinished",
            "duration": 10.0,
            "odometer_m": 33.0,
        },
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return path


def test_event_log_of_a_live_run(tmp_path):
    (policy,) = read_policies(event_log(tmp_path / "events.jsonl"), MODELS["reflexarc"])
    episodes = policy.data
    assert len(episodes) == 1 and episodes.skip_reasons == {"unfinished": 1}
    assert episodes.distance_m[0] == 28.0 and episodes.duration_s[0] == 30.0
    assert (episodes.contacts.impulse[0], episodes.contacts.delta_v[0], episodes.contacts.time[0]) == (
        60.0,
        0.8,
        9.0,
    )
    assert any("energy was not measured" in note for note in episodes.notes)


def test_event_log_without_structure_is_refused(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text(
        '{"time": 1.0, "kind": "mission", "text": "mission 0 ended: success after 3 s", "number": 0}\n'
    )
    with pytest.raises(RecordingError, match="no field 'state'"):
        read_policies(path, V5)


def test_mission_file_round_trip_and_complaints(tmp_path):
    path = tmp_path / "missions.json"
    file = MissionFile(
        "sidewalk_delivery", {"missions.count": "1"}, (SeededMission(3, (0.0, 1.0), (2.0, 3.0), 60.0),)
    )
    file.save(path)
    assert MissionFile.load(path) == file
    data = json.loads(path.read_text())
    for change, message in (
        ({"schema": 2}, "schema"),
        ({"missions": []}, "at least one mission"),
        ({"missions": data["missions"] * 2}, "a seed occurs twice"),
        ({"missions": [data["missions"][0] | {"goal": [1.0]}]}, r"row 1, field 'goal'"),
    ):
        path.write_text(json.dumps(data | change))
        with pytest.raises(ConfigError, match=message):
            MissionFile.load(path)


def test_parameter_files(tmp_path):
    path, table = tmp_path / "p.yaml", MODELS["v5"].parameters
    path.write_text(
        "delivery_fee: {value: 5.0, unit: usd, source: our price list}\nrepair_rate: {value: 0.3, unit: 1/a}\n"
    )
    changed = table.with_file(path)
    assert changed["delivery_fee"] == 5.0 and changed.parameter("delivery_fee").known == "file"
    assert changed.parameter("repair_rate").high == 0.3 and table["delivery_fee"] == 3.49
    for text, message in (
        ("tip: {value: 1.0, unit: usd}", "unknown parameter 'tip'.*delivery_fee"),
        ("delivery_fee: {value: 1.0, unit: eur}", "unknown unit 'eur'.*usd"),
        ("delivery_fee: {value: -1.0, unit: usd}", "finite number >= 0"),
        ("delivery_fee: 1.0", "expected {value, unit"),
    ):
        path.write_text(text)
        with pytest.raises(UnknownNameError if "unknown" in message else ConfigError, match=message):
            table.with_file(path)
    with pytest.raises(UnknownNameError, match="unknown cost model 'v3'"):
        cost_model("v3")


def test_truth_of_contacts_is_kept_in_order():
    rows = [
        OWN
        | {
            "contacts": [
                {"class": "bollard", "impulse": 2.0, "time": 9.0},
                {"class": "kerb", "impulse": 1.0, "time": 3.0},
            ]
        }
    ]
    contacts = episodes_from(rows, "x")[0].contacts
    assert contacts.time.tolist() == [3.0, 9.0] and contacts.impulse.tolist() == [1.0, 2.0]
    assert np.isnan(contacts.delta_v).all()
