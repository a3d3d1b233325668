# SPDX-License-Identifier: Apache-2.0
"""Build the HTML report of a run folder: one self-contained file, readable without a network."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from reflexarc.report import figures
from reflexarc.report.columns import COLUMNS, Column
from reflexarc.report.comparison import LEARNED, comparisons, missions_done
from reflexarc.report.economics_section import economics_section
from reflexarc.report.mapfigure import map_figure
from reflexarc.report.player import FRAME_PERIOD_S, player_data, world_data
from reflexarc.report.render import template_text, write_report
from reflexarc.report.rundir import LoadedRun, RunEntry, RunInfo, load_run

LISTED_EVENTS = 300
"""Events shown per run; the rest is counted."""
PLAYED_SEEDS = 1
"""Seeds per clock that get a player; each costs about half a megabyte."""
TABLE_NOTES = {"live": "", "lockstep": "; runs side by side, so tick times include waiting for busy cores"}
"""What is added to the caption of each clock's table."""
DRAWN_SEEDS = 2
"""Seeds per clock that get figures; all seeds are in the table."""


def build_report(out: Path) -> Path:
    """Write OUT/report.html from what the runs left in OUT and return its path.

    Raises:
        RecordingError: OUT is not a folder of a run.
    """
    info = RunInfo.load(out)
    runs = [load_run(out, entry) for entry in info.entries]
    stages = tuple(sorted({stage for run in runs if run.log for stage in run.log.stages}))
    return write_report(
        out,
        "page.html",
        info=info,
        facts=_facts(info, runs),
        notes=[f"{run.entry.title}: {note}" for run in runs for note in run.notes],
        headline=headline(runs),
        tables=comparisons((run.entry, run.summary) for run in runs),
        table_notes=TABLE_NOTES,
        learned=_learned(runs),
        changes=_changes(runs),
        pairs=[_pair(info, out, group, stages, rank) for rank, group in _groups(runs)],
        economics=economics_section(out),
        digests=[(run.entry.folder, run.summary.get("digest")) for run in runs if run.summary],
        script=Markup(template_text("player.js")),
    )


def headline(runs: Sequence[LoadedRun]) -> str:
    """Say in a sentence per column what happened."""
    sentences = []
    for column in COLUMNS.values():
        side = [run.summary for run in runs if run.entry.column == column.key and run.summary]
        if not side:
            continue
        hits = sum(s["pedestrian_contacts_moving"] for s in side)
        hit_runs = sum(s["pedestrian_contacts_moving"] > 0 for s in side)
        struck = (
            f"hit pedestrians {hits} times while moving, in {hit_runs} of {len(side)} runs"
            if hits
            else ("never touched a pedestrian while moving")
        )
        words = column.phrase[0].upper() + column.phrase[1:]
        sentences.append(f"{words} the robot did {missions_done(side, 'missions')} and {struck}.")
    return " ".join(sentences) or "No run left a summary."


def _facts(info: RunInfo, runs: Sequence[LoadedRun]) -> str:
    minutes = sum(run.log.duration for run in runs if run.log) / 60
    seeds = sorted({run.entry.seed for run in runs})
    return (
        f"{len(runs)} runs, seeds {', '.join(map(str, seeds))} · {minutes:.1f} simulated minutes · "
        f"robot {info.robot} · {info.date}"
    )


def _groups(runs: Sequence[LoadedRun]) -> list[tuple[int, list[LoadedRun]]]:
    """Group runs of one clock and seed, live first, each with its rank within its clock."""
    keys = sorted({(run.entry.clock != "live", run.entry.seed) for run in runs})
    rank = {key: [k for k in keys if k[0] == key[0]].index(key) for key in keys}
    return [
        (rank[key], [run for run in runs if (run.entry.clock != "live", run.entry.seed) == key])
        for key in keys
        if rank[key] < DRAWN_SEEDS
    ]


def _learned(runs: Sequence[LoadedRun]) -> dict[str, Any] | None:
    """Return the figure of both margins and its caption: of the run in which the learned barrier acted longest."""
    logs = [
        (run, run.log) for run in runs if run.log is not None and np.isfinite(run.log.learned_margin).any()
    ]
    if not logs:
        return None
    run, log = max(logs, key=lambda pair: _acting(pair[1], LEARNED))
    caption = (
        f"The run in which the learned barrier decided longest: {run.entry.title}. h is the stopping barrier's margin, "
        "computed from braking distances; V is the value of the barrier learned from logged runs in the crowd. The arc "
        "obeys both, and the shading says which of them was the more restrictive one. Grey: clearance to the nearest "
        f"pedestrian; everything is cut at {figures.CUT_M:g} m."
    )
    return _figure(figures.both_margins_figure(log), caption)


def _acting(log: Any, stage: str) -> int:
    """Return the number of ticks in which `stage` changed the command."""
    return int((log.changed[:, log.stages.index(stage)] > 0.0).sum()) if stage in log.stages else 0


def _changes(runs: Sequence[LoadedRun]) -> list[tuple[str, str]]:
    """Return the title of each column that changes the scenario, and what it sets."""
    used = {run.entry.column for run in runs}
    return [
        (column.title, ", ".join(f"{key}={str(value).lower()}" for key, value in column.overrides))
        for column in COLUMNS.values()
        if column.key in used and column.overrides
    ]


def _pair(
    info: RunInfo, out: Path, group: list[LoadedRun], stages: tuple[str, ...], rank: int
) -> dict[str, Any]:
    """Return everything the page shows of one seed under one clock."""
    first = group[0].entry
    drawn = [(run, run.log) for run in group if run.log is not None and np.isfinite(run.log.pose).any()]
    clock = "Live over ROS 2" if first.clock == "live" else "Lock-step"
    return {
        "title": f"{clock}, seed {first.seed}",
        "player": _player(info, drawn) if drawn and rank < PLAYED_SEEDS else None,
        "figures": _figures(info, drawn, stages),
        "films": [film for run in group for film in _films(run, out)],
        "events": [_event_list(run) for run, _ in drawn],
    }


def _player(info: RunInfo, drawn: list[tuple[LoadedRun, Any]]) -> Markup:
    data = {
        "period": FRAME_PERIOD_S,
        "size": info.robot_size,
        "world": world_data(next((run.world for run, _ in drawn if run.world), None)),
        "runs": [player_data(log, _column(run.entry).phrase) | _player_look(run.entry) for run, log in drawn],
    }
    return Markup(json.dumps(data, separators=(",", ":"), allow_nan=False).replace("</", "<\\/"))


def _player_look(entry: RunEntry) -> dict[str, Any]:
    return {"arc": entry.arc, "colour": _column(entry).colour}


def _figures(
    info: RunInfo, drawn: list[tuple[LoadedRun, Any]], stages: tuple[str, ...]
) -> list[dict[str, Any]]:
    if not drawn:
        return []
    world = next((run.world for run, _ in drawn if run.world), None)
    lines = [(_column(run.entry).phrase, _column(run.entry).colour, log) for run, log in drawn]
    short = [
        (_column(run.entry).title, colour, log)
        for (run, _), (_, colour, log) in zip(drawn, lines, strict=True)
    ]
    result = [_figure(map_figure(lines, world)), _figure(figures.distance_figure(short))]
    filtered = [(run, log) for run, log in drawn if run.entry.arc]
    for run, log in filtered:
        texts = [figures.speed_figure(log, stages), figures.margin_figure(log, stages)]
        if np.isfinite(log.tick_time).any():
            texts.append(figures.tick_figure(log, info.control_period))
        heading = _column(run.entry).phrase.capitalize() if len(filtered) > 1 else ""
        result += [_figure(text, heading=heading if text is texts[0] else "") for text in texts]
    return result


def _figure(text: str, caption: str = "", heading: str = "") -> dict[str, Any]:
    return {"svg": Markup(text), "caption": caption, "heading": heading}


def _films(run: LoadedRun, out: Path) -> list[dict[str, str]]:
    note = out / run.entry.folder / "film.txt"
    caption = note.read_text(encoding="utf-8").strip() if note.exists() else ""
    if run.film is not None:
        kind = run.film.suffix.lstrip(".")
        data = base64.b64encode(run.film.read_bytes()).decode()
        return [
            {
                "source": f"data:image/{kind};base64,{data}",
                "caption": f"{_column(run.entry).phrase}: {caption}",
            }
        ]
    return (
        [{"source": "", "caption": f"No film of the run {_column(run.entry).phrase}: {caption}"}]
        if caption
        else []
    )


def _event_list(run: LoadedRun) -> dict[str, Any]:
    events = run.log.events if run.log else ()
    shown = events[:LISTED_EVENTS]
    rows = [
        {"time": f"{event['time']:.2f}", "kind": event["kind"], "text": _event_text(event)} for event in shown
    ]
    more = (
        f"{len(events) - len(shown)} further events are in the run's folder"
        if len(events) > len(shown)
        else ""
    )
    return {
        "title": f"{len(events)} events {_column(run.entry).phrase}",
        "rows": rows,
        "more": more,
        "open": False,
    }


def _event_text(event: dict[str, Any]) -> str:
    if event["kind"] != "intervention":
        return event["text"]
    return f"{event['stage']}, {event['until'] - event['time']:.2f} s: {event['text']}"


def _column(entry: RunEntry) -> Column:
    return COLUMNS[entry.column]
