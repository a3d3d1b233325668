# SPDX-License-Identifier: Apache-2.0
"""CostNav's own records: the JSON of its service `/get_mission_result` and the CSV of its scripts.

Their contact counts are already filtered by their rules and carry no severity, so their injury costs and
property counts are taken as they are. Unknown failures count as timeouts, as their scripts do; skipped and
pending missions are counted and left out.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.economics.episodes import Episodes
from reflexarc.economics.outcomes import Outcome
from reflexarc.economics.readers.rows import TableBuilder, number

RESULTS = {
    "success": Outcome.SUCCESS,
    "failure_timeout": Outcome.TIMEOUT,
    "failure_physicalassistance": Outcome.ASSISTANCE,
    "failure_foodspoiled": Outcome.SPOILED,
}
"""`result` of the JSON; `pending` and `skipped` are not evaluated."""
STATUSES = {"SUCCESS_SLA": Outcome.SUCCESS, **{k.upper(): v for k, v in RESULTS.items() if k != "success"}}
"""`status` of the CSV; `SKIPPED` is not evaluated."""
_NOT_EVALUATED = ("pending", "skipped")
_JSON_PROPERTY = {
    name: f"property_contact_{key}"
    for name, key in (
        ("bollard", "bollard"),
        ("building_glass", "building"),
        ("trash_bin", "trash_bin"),
        ("mailbox", "mail_box"),
    )
}
_CSV_PROPERTY = {
    "bollard": "bollard",
    "building_glass": "building",
    "trash_bin": "trash_bin",
    "mailbox": "mail_box",
}
CSV_REQUIRED = ("status", "distance", "time", "mech_power", *_CSV_PROPERTY.values(), "injury_cost")
"""Columns without which no statement exists; the other columns of the script's table may be absent."""
CSV_COLUMNS = (
    "global_mission",
    "source_log",
    "status",
    "reason",
    "distance",
    "time",
    "velocity",
    "mech_power",
    "contact_count",
    "people_contact",
    "property_contact",
    "bollard",
    "building",
    "trash_bin",
    "mail_box",
    "total_impulse",
    "deltav_count",
    "injury_cost",
    "food_spoiled",
)
NO_SEVERITY = "the source counts contacts without their severity; its own injury costs are used"


def outcome_of(text: str, table: Mapping[str, Outcome], where: str, name: str) -> Outcome | None:
    """Return an outcome by its word, None for a run that was not evaluated.

    Raises:
        UnknownNameError: a word that is no result and no failure.
    """
    if text.lower() in _NOT_EVALUATED:
        return None
    if text in table:
        return table[text]
    if text.lower().startswith("failure"):
        return Outcome.TIMEOUT
    raise UnknownNameError(name, text, (*table, *_NOT_EVALUATED), where)


def add_result(builder: TableBuilder, row: Mapping[str, Any], where: str, key: str) -> None:
    """Add one mission result of the service.

    Raises:
        ConfigError: a field is missing or unacceptable.
    """
    if not isinstance(row.get("result"), str):
        raise ConfigError(f"{where}: the field 'result' is missing; nothing was computed")
    builder.same_robot(row.get("robot"), where)
    outcome = outcome_of(row["result"], RESULTS, where, "result")
    for name in ("total_impulse", "people_contact_count", "total_contact_count"):
        number(row, name, where, default=0.0)
    if outcome is None:
        builder.skip(row["result"])
        return
    if outcome is Outcome.TIMEOUT and row["result"] not in RESULTS:
        builder.note(f"unknown failure {row['result']!r} counts as a timeout, as in CostNav's scripts")
    builder.note(NO_SEVERITY)
    builder.add(
        key,
        outcome,
        duration_s=number(row, "elapsed_time", where),
        distance_m=number(row, "traveled_distance", where),
        injury_usd=number(row, "total_injury_cost", where),
        property_counts={name: number(row, column, where) for name, column in _JSON_PROPERTY.items()},
    )


def add_flat(builder: TableBuilder, row: Mapping[str, Any], where: str, key: str) -> None:
    """Add one row of the script's table, from CSV or JSON.

    Raises:
        ConfigError: a value is missing or unacceptable.
    """
    status = row.get("status")
    if not isinstance(status, str) or not status:
        raise ConfigError(f"{where}: the field 'status' is missing; nothing was computed")
    builder.same_robot(row.get("robot"), where)
    outcome = outcome_of(status, STATUSES, where, "status")
    for name in ("total_impulse", "people_contact", "contact_count"):
        number(row, name, where, default=0.0)
    if outcome is None:
        builder.skip(status)
        return
    if outcome is Outcome.TIMEOUT and status not in STATUSES:
        builder.note(f"unknown failure {status!r} counts as a timeout, as in CostNav's scripts")
    builder.note(NO_SEVERITY)
    builder.add(
        key,
        outcome,
        duration_s=number(row, "time", where),
        distance_m=number(row, "distance", where),
        power_kw=number(row, "mech_power", where),
        injury_usd=number(row, "injury_cost", where),
        property_counts={name: number(row, column, where) for name, column in _CSV_PROPERTY.items()},
    )


def read_csv(path: Path) -> Episodes:
    """Read the script's table.

    Raises:
        ConfigError: a column is missing, a row is too short or too long, or a value is unacceptable.
    """
    builder = TableBuilder(str(path))
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in CSV_REQUIRED if name not in header]
        if missing:
            raise ConfigError(
                f"{path}: missing columns: {', '.join(missing)}; needed: {', '.join(CSV_REQUIRED)}; found: "
                f"{', '.join(header) or 'nothing'}"
            )
        unknown = [name for name in header if name not in (*CSV_COLUMNS, "robot")]
        if unknown:
            builder.note(f"columns without meaning here: {', '.join(unknown)}")
        for index, fields in enumerate(reader, start=1):
            if not fields:
                continue
            where = f"{path}: row {index}"
            if len(fields) != len(header):
                raise ConfigError(
                    f"{where}: {len(fields)} fields, but the header has {len(header)}; nothing was computed"
                )
            row = dict(zip(header, fields, strict=True))
            add_flat(builder, row, where, row.get("global_mission") or str(index))
    return builder.finish()
