# SPDX-License-Identifier: Apache-2.0
"""Which reader takes which input."""

from dataclasses import dataclass
from pathlib import Path

from reflexarc.core.errors import ConfigError, RecordingError
from reflexarc.economics.catalogue import V5
from reflexarc.economics.episodes import Episodes
from reflexarc.economics.models import Capex, CostModel
from reflexarc.economics.readers.costnav import read_csv
from reflexarc.economics.readers.rows import TableBuilder
from reflexarc.economics.readers.stack import read_event_log, read_mcap, read_run
from reflexarc.economics.readers.tables import episodes_from, read_json, summary_from
from reflexarc.economics.statement import Summary

DEFAULT_CAPEX = Capex(robot=V5["robot_price"], lidar=V5["lidar_price"])
"""Robot and lidar, for inputs that say nothing of their price."""
INPUTS = "a .json or .csv table, an events.jsonl, an .mcap recording, a folder of `reflexarc run`, or one of its runs"


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy with what is known of its runs."""

    name: str
    data: Episodes | Summary
    capex: Capex


def read_policies(
    path: Path, model: CostModel, capex: Capex | None = None, allow_incomplete: bool = False
) -> list[Policy]:
    """Read an input; a folder of `reflexarc run` gives one policy per column, everything else one.

    Args:
        path: see `INPUTS`.
        model: what a summary is needed for.
        capex: capital of the robot; None takes the input's own, else `DEFAULT_CAPEX`.
        allow_incomplete: whether a truncated recording is taken as far as it goes.

    Raises:
        ConfigError: a value, row or file is not acceptable.
        RecordingError: a recording or log cannot be read.
    """
    if not path.exists():
        raise ConfigError(f"{path}: no such file or folder; allowed: {INPUTS}")
    if path.is_dir():
        return [Policy(name, data, capex or DEFAULT_CAPEX) for name, data in _folder(path, allow_incomplete)]
    if path.suffix == ".csv":
        return [Policy(path.stem, read_csv(path), capex or DEFAULT_CAPEX)]
    if path.suffix == ".mcap":
        builder = TableBuilder(str(path))
        read_mcap(builder, path, allow_incomplete, path.parent.name)
        return [Policy(path.stem, builder.finish(), capex or DEFAULT_CAPEX)]
    if path.suffix not in (".json", ".jsonl"):
        raise ConfigError(f"{path}: unknown kind of input {path.suffix!r}; allowed: {INPUTS}")
    if path.name == "events.jsonl":
        builder = TableBuilder(str(path))
        read_event_log(builder, path, path.parent.name)
        return [Policy(path.parent.name, builder.finish(), capex or DEFAULT_CAPEX)]
    data = read_json(path)
    if isinstance(data, dict) and "S_SLA" in data:
        summary = summary_from(data, str(path), model)
        return [Policy(str(data.get("name", path.stem)), summary, summary.capex)]
    episodes, own = episodes_from(data, str(path))
    name = str(data.get("name", path.stem)) if isinstance(data, dict) else path.stem
    return [Policy(name, episodes, capex or own or DEFAULT_CAPEX)]


def _folder(path: Path, allow_incomplete: bool) -> list[tuple[str, Episodes]]:
    if not (path / "run.json").exists():
        builder = TableBuilder(str(path))
        read_run(builder, path, allow_incomplete, path.name)
        return [(path.name, builder.finish())]
    from reflexarc.report.columns import COLUMNS  # noqa: PLC0415 - with the next
    from reflexarc.report.rundir import RunInfo  # noqa: PLC0415 - reads package metadata

    info = RunInfo.load(path)
    result = []
    for column in COLUMNS.values():
        builder = TableBuilder(f"{path} ({column.title})", robot=info.robot)
        entries = [entry for entry in info.entries if entry.column == column.key]
        clocks = {entry.clock for entry in entries}
        clock = "lockstep" if "lockstep" in clocks else "live"
        if len(clocks) > 1:
            builder.note("live runs are left out: the same folder has lock-step runs")
        for entry in (e for e in entries if e.clock == clock):
            if entry.problem:
                builder.skip(entry.problem)
                continue
            read_run(builder, path / entry.folder, allow_incomplete, f"seed{entry.seed}")
        if entries:
            result.append((column.title, builder.finish()))
    if not result:
        raise RecordingError(f"{path}: run.json lists no runs")
    return result
