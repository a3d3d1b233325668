# SPDX-License-Identifier: Apache-2.0
"""JSON inputs: a summary per policy, CostNav mission results, or our own episode table.

Our table is `{"robot": name, "capex": {...}, "episodes": [{...}]}`; an episode has `mission`, `outcome`,
`duration_s`, `distance_m`, optionally `energy_kwh`, and `contacts`, a list of `{"time", "class", "impulse"}`
with optional `delta_v`, `peak_force` and `robot_speed` (see `EPISODE_FIELDS`, `CONTACT_FIELDS`).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.economics.catalogue import PROPERTY
from reflexarc.economics.episodes import CONTACT_CLASSES, Episodes, contact_class
from reflexarc.economics.models import Capex, CostModel, check_fractions
from reflexarc.economics.outcomes import OUTCOMES, Outcome
from reflexarc.economics.readers.costnav import add_flat, add_result
from reflexarc.economics.readers.rows import TableBuilder, number, only_known
from reflexarc.economics.statement import Summary

EPISODE_FIELDS = ("mission", "robot", "outcome", "duration_s", "distance_m", "energy_kwh", "contacts", "seed")
CONTACT_FIELDS = ("time", "start", "class", "partner", "impulse", "delta_v", "peak_force", "robot_speed")
SUMMARY_FIELDS = (
    "n",
    "name",
    "robot",
    "capex",
    "S_SLA",
    "S_Spoiled",
    "S_Timeout",
    "S_Phys",
    "avg_power_kw",
    "injury_usd_per_run",
    "property_per_run",
    "distance_km_per_run",
    "duration_h_per_run",
    "energy_kwh_per_run",
    "impulse_ns_per_run",
)
UNFINISHED = ("unfinished", "skipped", "pending")
WORDS = {"cargo_lost": Outcome.SPOILED, **{str(o): o for o in OUTCOMES}}
"""Words for outcomes; our missions say `cargo_lost`."""


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, or the list of objects of a file with one per line.

    Raises:
        ConfigError: it is neither.
    """
    text = path.read_text(encoding="utf-8")
    try:
        return json.loads(text)
    except ValueError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        try:
            rows = [json.loads(line) for line in lines]
        except ValueError:
            raise ConfigError(f"{path}: not readable as JSON: {error}") from error
        if not all(isinstance(row, dict) for row in rows) or not rows:
            raise ConfigError(f"{path}: expected one JSON object per line") from error
        return rows


def capex_from(data: Any, where: str) -> Capex:
    """Return the capital; missing keys mean zero.

    Raises:
        UnknownNameError: an unknown key.
        ConfigError: a value that is not a number >= 0.
    """
    if data is None:
        return Capex()
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where}: field 'capex': expected a mapping of keys, found {data!r}")
    allowed = tuple(Capex.__dataclass_fields__)
    only_known(data, allowed, f"{where}: capex")
    return Capex(**{key: number(data, key, f"{where}: capex") for key in data})


def summary_from(data: Mapping[str, Any], where: str, model: CostModel) -> Summary:
    """Check a summary and return the means that `model` needs.

    Raises:
        ConfigError: unknown or missing fields, shares that do not sum to one, zero episodes.
    """
    only_known(data, SUMMARY_FIELDS, where)
    n = number(data, "n", where)
    if n < 1 or not n.is_integer():
        raise ConfigError(f"{where}: field 'n': {data['n']!r} episodes; at least one whole episode is needed")
    names = {"success": "S_SLA", "spoiled": "S_Spoiled", "timeout": "S_Timeout", "assistance": "S_Phys"}
    means = {name: number(data, key, where) for name, key in names.items()}
    check_fractions(means["success"], means["spoiled"], means["timeout"], means["assistance"], where)
    counts = data.get("property_per_run") or {}
    if not isinstance(counts, Mapping):
        raise ConfigError(
            f"{where}: field 'property_per_run': expected a mapping of classes, found {counts!r}"
        )
    only_known(counts, PROPERTY, f"{where}: property_per_run")
    notes = []
    property_usd = 0.0
    for name in counts:
        count = number(counts, name, f"{where}: property_per_run")
        if f"{name}_price" in model.parameters:
            property_usd += count * model.parameters[f"{name}_price"]
        elif count:
            notes.append(f"{count:g} contacts per run with {name} have no price in model {model.name}")
    means["property_usd"] = property_usd
    needs = {
        "power_kw": "avg_power_kw",
        "injury_usd": "injury_usd_per_run",
        "impulse_ns": "impulse_ns_per_run",
        "km": "distance_km_per_run",
        "hours": "duration_h_per_run",
    }
    for column, key in needs.items():
        if column in model.columns:
            means[column] = number(data, key, f"{where} (model {model.name})")
    if "traction_kwh" in model.columns:
        if "energy_kwh_per_run" in data:
            means["traction_kwh"] = number(data, "energy_kwh_per_run", where)
        else:
            means["traction_kwh"] = number(data, "avg_power_kw", where) * means["hours"]
            notes.append("energy is mean power times mean duration; energy_kwh_per_run was not given")
    capex = capex_from(data.get("capex"), where)
    if capex.robot and "robot_price" in model.parameters and capex.robot != model.parameters["robot_price"]:
        price = model.parameters["robot_price"]
        notes.append(
            f"repair is a share of the parameter robot_price = {price:g} usd, not of capex.robot = {capex.robot:g} usd"
        )
    return Summary(where, int(n), means, capex, tuple(notes))


def episodes_from(data: Any, where: str) -> tuple[Episodes, Capex | None]:
    """Return an episode table from a list of rows or an object that holds one.

    Raises:
        ConfigError: no list of rows, or an unacceptable row.
    """
    capex, robot = None, None
    rows = data
    if isinstance(data, Mapping):
        if "result" in data or "status" in data:
            rows = [data]
        else:
            name = next((key for key in ("episodes", "missions", "results") if key in data), None)
            if name is None:
                raise ConfigError(
                    f"{where}: neither a summary (with 'S_SLA') nor an episode table (with 'episodes'); "
                    "found the fields "
                    f"{', '.join(map(str, data)) or 'none'}"
                )
            rows, robot = data[name], data.get("robot")
            if "capex" in data:
                capex = capex_from(data["capex"], where)
    if not isinstance(rows, list):
        raise ConfigError(f"{where}: expected a list of episodes, found {type(rows).__name__}")
    builder = TableBuilder(where)
    builder.same_robot(robot, where)
    for index, row in enumerate(rows, start=1):
        place = f"{where}: row {index}"
        if not isinstance(row, Mapping):
            raise ConfigError(f"{place}: expected an object, found {row!r}")
        if "outcome" in row:
            _add_own(builder, row, place, str(row.get("mission", index)))
        elif "status" in row:
            add_flat(builder, row, place, str(row.get("global_mission", index)))
        elif "result" in row:
            add_result(builder, row, place, str(row.get("mission_number", index)))
        else:
            raise ConfigError(
                f"{place}: the field 'outcome' (or CostNav's 'result' or 'status') is missing; nothing was computed"
            )
    return builder.finish(), capex


def _add_own(builder: TableBuilder, row: Mapping[str, Any], where: str, key: str) -> None:
    only_known(row, EPISODE_FIELDS, where)
    builder.same_robot(row.get("robot"), where)
    word = str(row["outcome"])
    if word in UNFINISHED:
        builder.skip(word)
        return
    if word not in WORDS:
        raise UnknownNameError("outcome", word, (*WORDS, *UNFINISHED), f"{where}, field 'outcome'")
    contacts = row.get("contacts") or []
    if not isinstance(contacts, list):
        raise ConfigError(f"{where}, field 'contacts': expected a list, found {contacts!r}")
    builder.add(
        key,
        WORDS[word],
        duration_s=number(row, "duration_s", where),
        distance_m=number(row, "distance_m", where),
        energy_kwh=number(row, "energy_kwh", where, default=float("nan")),
        contacts=[_contact(c, f"{where}, contact {i}") for i, c in enumerate(contacts, start=1)],
    )


def _contact(data: Any, where: str) -> tuple[float, ...]:
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where}: expected an object, found {data!r}")
    only_known(data, CONTACT_FIELDS, where)
    if "class" not in data:
        raise ConfigError(f"{where}: the field 'class' is missing; allowed: {', '.join(CONTACT_CLASSES)}")
    nan = float("nan")
    return (
        number(data, "time", where, default=0.0),
        contact_class(str(data["class"]), where),
        number(data, "impulse", where),
        number(data, "delta_v", where, default=nan),
        number(data, "peak_force", where, default=nan),
        number(data, "robot_speed", where, default=nan),
    )
