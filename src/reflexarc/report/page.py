# SPDX-License-Identifier: Apache-2.0
"""Build the HTML report of a run folder: one self-contained file, readable without a network."""

import base64
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from reflexarc.report import figures, style
from reflexarc.report.comparison import ABSENT, comparison_rows
from reflexarc.report.economics_section import economics_section
from reflexarc.report.mapfigure import map_figure
from reflexarc.report.player import FRAME_PERIOD_S, player_data, world_data
from reflexarc.report.rundir import LoadedRun, RunEntry, RunInfo, load_run

LISTED_EVENTS = 300
"""Events shown per run; the rest is counted."""
PLAYED_SEEDS = 1
"""Seeds per clock that get a player; each costs about half a megabyte."""
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
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.from_string(_template("page.html")).render(
        info=info,
        facts=_facts(info, runs),
        absent=ABSENT,
        notes=[f"{run.entry.title}: {note}" for run in runs for note in run.notes],
        headline=headline(runs),
        tables=_tables(runs),
        pairs=[_pair(info, out, group, stages, rank) for rank, group in _groups(runs)],
        economics=economics_section(out),
        digests=[(run.entry.folder, run.summary.get("digest")) for run in runs if run.summary],
        css=Markup(_template("page.css")),
        script=Markup(_template("player.js")),
    )
    path = out / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def headline(runs: Sequence[LoadedRun]) -> str:
    """Say in two sentences what happened with and without the arc."""
    sentences = []
    for arc, words in ((True, "With the arc"), (False, "Without it")):
        side = [run.summary for run in runs if run.entry.arc == arc and run.summary]
        if not side:
            continue
        done, planned = (sum(s[key] for s in side) for key in ("successes", "missions"))
        hits = sum(s["pedestrian_contacts_moving"] for s in side)
        hit_runs = sum(s["pedestrian_contacts_moving"] > 0 for s in side)
        struck = (
            f"hit pedestrians {hits} times while moving, in {hit_runs} of {len(side)} runs"
            if hits
            else ("never touched a pedestrian while moving")
        )
        sentences.append(f"{words} the robot did {done} of {planned} missions and {struck}.")
    return " ".join(sentences) or "No run left a summary."


def _template(name: str) -> str:
    return (resources.files("reflexarc.report") / "template" / name).read_text(encoding="utf-8")


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


def _tables(runs: Sequence[LoadedRun]) -> list[dict[str, Any]]:
    tables = []
    for clock, words, note in (
        ("live", "Live over ROS 2", ""),
        ("lockstep", "Lock-step", "; runs side by side, so tick times include waiting for busy cores"),
    ):
        sides = [
            [run for run in runs if run.entry.clock == clock and run.entry.arc == arc and run.summary]
            for arc in (True, False)
        ]
        if any(sides):
            rows = comparison_rows(*([run.summary for run in side] for side in sides))
            seeds = sorted({run.entry.seed for side in sides for run in side})
            tables.append({"caption": f"{words}, seeds {', '.join(map(str, seeds))}{note}", "rows": rows})
    return tables


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
        "runs": [player_data(log, _short(run.entry)) | {"arc": run.entry.arc} for run, log in drawn],
    }
    return Markup(json.dumps(data, separators=(",", ":"), allow_nan=False).replace("</", "<\\/"))


def _figures(
    info: RunInfo, drawn: list[tuple[LoadedRun, Any]], stages: tuple[str, ...]
) -> list[dict[str, Any]]:
    if not drawn:
        return []
    world = next((run.world for run, _ in drawn if run.world), None)
    lines = [(_short(run.entry), _colour(run.entry), log) for run, log in drawn]
    result = [_figure(map_figure(lines, world)), _figure(figures.distance_figure(lines))]
    for run, log in drawn:
        if run.entry.arc:
            result += [
                _figure(figures.speed_figure(log, stages)),
                _figure(figures.margin_figure(log, stages)),
            ]
            if np.isfinite(log.tick_time).any():
                result.append(_figure(figures.tick_figure(log, info.control_period)))
    return result


def _figure(text: str, caption: str = "") -> dict[str, Any]:
    return {"svg": Markup(text), "caption": caption}


def _films(run: LoadedRun, out: Path) -> list[dict[str, str]]:
    note = out / run.entry.folder / "film.txt"
    caption = note.read_text(encoding="utf-8").strip() if note.exists() else ""
    if run.film is not None:
        kind = run.film.suffix.lstrip(".")
        data = base64.b64encode(run.film.read_bytes()).decode()
        return [{"source": f"data:image/{kind};base64,{data}", "caption": f"{_short(run.entry)}: {caption}"}]
    return (
        [{"source": "", "caption": f"No film of the run {_short(run.entry)}: {caption}"}] if caption else []
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
    return {"title": f"{len(events)} events {_short(run.entry)}", "rows": rows, "more": more, "open": False}


def _event_text(event: dict[str, Any]) -> str:
    if event["kind"] != "intervention":
        return event["text"]
    return f"{event['stage']}, {event['until'] - event['time']:.2f} s: {event['text']}"


def _short(entry: RunEntry) -> str:
    return f"{'with' if entry.arc else 'without'} the arc"


def _colour(entry: RunEntry) -> str:
    return style.WITH_ARC if entry.arc else style.WITHOUT_ARC
