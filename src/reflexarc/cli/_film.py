# SPDX-License-Identifier: Apache-2.0
"""Short rendered films for the report.

A film shows the most interesting moment of a lock-step run: the first contact with a pedestrian while the
robot moved, else the smallest clearance. The plant is reset with the run's seed and fed the logged commands,
which repeats the run exactly; only the seconds of the film are rendered. Where rendering does not work the
report says why.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reflexarc.cli._display import RunDisplay
from reflexarc.cli._request import RunRequest
from reflexarc.core.errors import RecordingError, ReflexArcError
from reflexarc.mission.summary import MOVING_SPEED
from reflexarc.report.rundir import RunEntry
from reflexarc.report.runlog import RunLog

BEFORE_S, AFTER_S = 3.5, 1.5
"""Seconds shown before and after the moment."""
FRAMES_PER_S = 10
WIDTH_PIXELS = 480
CAMERA = "chase"


def film_runs(request: RunRequest, out: Path, entries: Sequence[RunEntry], display: RunDisplay) -> None:
    """Render the lock-step runs of the first seed; write `film.gif` and `film.txt` into their folders."""
    candidates = [entry for entry in entries if entry.clock == "lockstep" and not entry.problem]
    if not candidates:
        return
    for entry in candidates:
        if entry.seed == candidates[0].seed:
            display.say(f"rendering a film {entry.title}")
            caption = film_run(request, out / entry.folder, entry)
            (out / entry.folder / "film.txt").write_text(caption + "\n", encoding="utf-8")


def film_run(request: RunRequest, folder: Path, entry: RunEntry) -> str:
    """Render one run and return the caption, which says why there is no film if there is none."""
    try:
        log = RunLog.load(folder / "log.npz")
        moment, what = interesting_moment(log)
        frames = _frames(request.scenario, entry.seed, log, moment - BEFORE_S, moment + AFTER_S)
    except RecordingError as error:
        return str(error)
    except (ReflexArcError, ImportError, RuntimeError, OSError) as error:
        return f"rendering does not work here: {error}"
    if not frames:
        return "the run is too short for a film"
    write_gif(folder / "film.gif", frames)
    return f"{what} at {moment:.1f} s of simulated time, lock-step, seed {entry.seed}"


def interesting_moment(log: RunLog) -> tuple[float, str]:
    """Return when the most interesting thing of a run happened and what it was."""
    for event in log.events_of("contact"):
        if event["contact_class"] == "pedestrian" and event["robot_speed"] > MOVING_SPEED:
            return event["time"], "first contact with a pedestrian"
    if np.isfinite(log.min_distance).any():
        return float(log.time[int(np.nanargmin(log.min_distance))]), "closest approach to a pedestrian"
    return float(log.time[len(log.time) // 2]), "the middle of the run"


def write_gif(path: Path, frames: Iterable[np.ndarray]) -> None:
    """Write frames of shape (h, w, 3), uint8, as a looping GIF."""
    from PIL import Image  # noqa: PLC0415 - part of the simulation's dependencies

    images = [Image.fromarray(frame).quantize(96, method=Image.Quantize.FASTOCTREE) for frame in frames]
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=1000 // FRAMES_PER_S, loop=0, optimize=True
    )


def _frames(scenario: Any, seed: int, log: RunLog, start: float, end: float) -> list[np.ndarray]:
    """Repeat the run from its commands and return the frames between `start` and `end` [s]."""
    from reflexarc_sim import make_plant  # noqa: PLC0415 - only where a simulator is wanted

    plant = make_plant(scenario)
    try:
        plant.reset(seed)
        frames: list[np.ndarray] = []
        due = start
        for command in log.command:
            if plant.time > end:
                break
            if plant.time >= due:
                frame = plant.render(CAMERA)
                if frame is None:
                    raise ReflexArcError(plant.render_problem or "the plant draws no pictures")
                frames.append(_shrink(frame))
                due += 1 / FRAMES_PER_S
            plant.step(command)
        return frames
    finally:
        plant.close()


def _shrink(frame: np.ndarray) -> np.ndarray:
    from PIL import Image  # noqa: PLC0415

    height, width = frame.shape[:2]
    if width <= WIDTH_PIXELS:
        return frame
    return np.asarray(Image.fromarray(frame).resize((WIDTH_PIXELS, round(height * WIDTH_PIXELS / width))))
