# SPDX-License-Identifier: Apache-2.0
"""The folder of one `reflexarc run`: what is in it and how it is read back.

```
OUT/run.json                        scenario, command, versions, machine, one entry per run
OUT/report.html                     the report
OUT/<clock>-seed<N>-<column>/       column: a key of `reflexarc.report.columns`, such as with-arc
    summary.json                    counts of the run
    run.mcap                        recording (live)
    log.npz                         the log as arrays (lock-step; live: written from run.mcap by the report)
    events.jsonl                    event log (live)
    world.json                      shapes of the world, for the map
    film.gif                        rendered film where rendering works
```
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reflexarc.core.errors import RecordingError
from reflexarc.report.columns import COLUMNS, WITH_ARC, WITHOUT_ARC, Column
from reflexarc.report.runlog import RunLog
from reflexarc.report.versions import machine, today, versions
from reflexarc.report.worldmap import WorldMap

SCHEMA = 1
"""Version of run.json; a reader refuses others."""


@dataclass(frozen=True, slots=True)
class RunEntry:
    """One run of the scenario: one seed under one clock, in one column of the comparison."""

    clock: str
    """`live` or `lockstep`."""
    seed: int
    arc: bool
    problem: str | None = None
    """What went wrong, in a sentence; None for a run that ended as it should."""
    column: str = ""
    """Key in `COLUMNS`; left empty it is the plain column with or without the arc."""

    def __post_init__(self) -> None:
        if not self.column:
            object.__setattr__(self, "column", (WITH_ARC if self.arc else WITHOUT_ARC).key)

    @classmethod
    def of(cls, clock: str, seed: int, column: Column) -> "RunEntry":
        """Return the entry of one seed in `column`."""
        return cls(clock, seed, column.arc, column=column.key)

    @property
    def folder(self) -> str:
        """Name of the run's folder."""
        return f"{self.clock}-seed{self.seed}-{self.column}"

    @property
    def title(self) -> str:
        """Words for headings."""
        clock = "live" if self.clock == "live" else "lock-step"
        return f"{clock} {COLUMNS[self.column].title}, seed {self.seed}"


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What all runs of the folder share."""

    scenario: str
    description: str
    scenario_yaml: str
    """The scenario as it was run, with every override applied."""
    command: str
    """How to repeat it."""
    robot: str
    robot_size: tuple[float, float]
    """Length and width of the footprint. [m]"""
    control_period: float
    """[s]"""
    entries: tuple[RunEntry, ...]
    versions: dict[str, str] = field(default_factory=versions)
    machine: dict[str, Any] = field(default_factory=machine)
    date: str = field(default_factory=today)
    schema: int = SCHEMA

    def save(self, out: Path) -> None:
        """Write OUT/run.json."""
        (out / "run.json").write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, out: Path) -> "RunInfo":
        """Read OUT/run.json.

        Raises:
            RecordingError: it is missing, damaged or of another version.
        """
        path = out / "run.json"
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RecordingError(f"{out} is not a folder of a run (it holds no run.json)") from None
        except (OSError, ValueError) as error:
            raise RecordingError(f"cannot read {path}: {error}") from error
        if data.get("schema") != SCHEMA:
            raise RecordingError(
                f"{path}: schema {data.get('schema')!r} is not {SCHEMA}; use the version that wrote it"
            )
        data["entries"] = tuple(RunEntry(**entry) for entry in data["entries"])
        for entry in data["entries"]:
            if entry.column not in COLUMNS:
                raise RecordingError(
                    f"{path}: unknown column {entry.column!r}; allowed: {', '.join(COLUMNS)}; "
                    "use the version that wrote it"
                )
        data["robot_size"] = tuple(data["robot_size"])
        return cls(**data)


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """One run with whatever of it is there; a run that broke may lack its log or summary."""

    entry: RunEntry
    summary: dict[str, Any] | None
    log: RunLog | None
    world: WorldMap | None
    film: Path | None
    notes: tuple[str, ...]
    """What was missing or damaged, in sentences."""


def load_run(out: Path, entry: RunEntry) -> LoadedRun:
    """Read one run's folder; what is missing becomes a note instead of an error."""
    folder = out / entry.folder
    notes = [entry.problem] if entry.problem else []
    summary = None
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        notes.append("no summary was written")
    except (OSError, ValueError) as error:
        notes.append(f"the summary cannot be read: {error}")
    log, loss = _load_log(folder)
    notes.extend(loss)
    world = None
    if (folder / "world.json").exists():
        world = WorldMap.load(folder / "world.json")
    film = next(
        (path for path in sorted(folder.glob("film.*")) if path.suffix in (".gif", ".webp", ".mp4")), None
    )
    return LoadedRun(entry, summary, log, world, film, tuple(notes))


def _load_log(folder: Path) -> tuple[RunLog | None, list[str]]:
    """Return the run's log, made from the recording where there is none yet, and what was lost."""
    path, recording = folder / "log.npz", folder / "run.mcap"
    try:
        if path.exists() and (not recording.exists() or path.stat().st_mtime >= recording.stat().st_mtime):
            return RunLog.load(path), []
        if not recording.exists():
            return None, ["nothing was recorded"]
        from reflexarc.report.from_recording import log_from_recording  # noqa: PLC0415 - only for live runs
        from reflexarc.report.recording import read_recording  # noqa: PLC0415

        content = read_recording(recording)
        log = log_from_recording(content)
        if not content.complete:
            return log, [content.describe_loss()]
        log.save(path)
    except RecordingError as error:
        return None, [str(error)]
    return log, []
