# SPDX-License-Identifier: Apache-2.0
"""Draw the film of docs/walker.md again: `python docs/films.py`. One push, left without reflexes, right with them."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from reflexarc.cli._film import FRAMES_PER_S, write_gif
from reflexarc.core.errors import ReflexArcError
from reflexarc_sim.scenario import load_scenario
from reflexarc_sim.walker_lockstep import run_walker

FILM = Path(__file__).parent / "quadruped_push.gif"
SIZE = (320, 240)
"""Of each half. [px]"""
PUSH = {"time_s": 3.0, "duration_s": 1.0, "force": [35.4, 35.4, 0.0]}
WALKS = {"walk.commands": [{"time_s": 0.5, "forward": 0.5}], "walk.pushes": {"magnitude": [0.0, 0.0]}}
FROM_S, TO_S = 2.5, 6.0
"""What is shown. [s]"""


def film(reflexes: bool) -> list[np.ndarray]:
    """Return the pictures of one run; after a fall the last one stands.

    Raises:
        ReflexArcError: the plant draws no pictures here.
    """
    pictures: list[np.ndarray] = []

    def look(run: Any) -> None:
        if run.plant.time < FROM_S + len(pictures) / FRAMES_PER_S - 1e-9:
            return
        picture = run.plant.render(*SIZE)
        if picture is None:
            raise ReflexArcError(run.plant.render_problem or "the plant draws no pictures")
        force = float(np.linalg.norm(run.plant.force()))
        words = [f"{'with' if reflexes else 'without'} reflexes, {run.plant.time:.1f} s"]
        pictures.append(_labelled(picture, [*words, f"pushed with {force:.0f} N"] if force else words))

    changes = WALKS | {"walk.planned": [PUSH], "arc.walker.critic": reflexes}
    run_walker(load_scenario("quadruped_push").with_overrides(changes), 0, TO_S, look)
    count = round((TO_S - FROM_S) * FRAMES_PER_S)
    return (pictures + pictures[-1:] * count)[:count]


def _labelled(picture: np.ndarray, lines: list[str]) -> np.ndarray:
    image = Image.fromarray(picture)
    ImageDraw.Draw(image).text((8, 6), "\n".join(lines), fill=(255, 255, 255))
    return np.asarray(image)


if __name__ == "__main__":
    write_gif(FILM, [np.hstack(pair) for pair in zip(film(False), film(True), strict=True)])
    print(f"{FILM}: {FILM.stat().st_size / 1024:.0f} KiB")
