# SPDX-License-Identifier: Apache-2.0
"""Does twin validation find planted model errors, and does it leave a right model alone?

Each trial draws a surrogate with a seed that tolerances were not calibrated with, drives the manoeuvres and the touch
of a bollard once, and judges their metrics as a held-out session. A planted error is detected, and a surrogate without
one is a false alarm, if any metric fails. Rates come with their exact (Clopper-Pearson) 95 % interval.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from reflexarc.assurance.twin.contact import CONTACT_UNITS, contact_gap
from reflexarc.assurance.twin.gap import UNITS, drive_gap
from reflexarc.assurance.twin.judgement import judge
from reflexarc.assurance.twin.latency import EFFECT, effect_gap
from reflexarc.assurance.twin.tolerances import read_tolerances
from reflexarc.assurance.twin.trace import PERIOD
from reflexarc.core.intervals import clopper_pearson
from reflexarc.core.types import Array
from reflexarc_sim.scenario import load_scenario
from reflexarc_sim.surrogate import PLANTED, Start, SurrogatePlant, draw_parameters
from reflexarc_sim.surrogate_drives import MANOEUVRES, TOUCH
from reflexarc_sim.surrogate_twin import MujocoTwin, blind, blind_bollard, drive, touched

SCENARIO = "sidewalk_delivery"
FIRST_SEED = 200
"""Of the surrogates judged here; tolerances were calibrated with 100 to 106."""
METRICS = UNITS | EFFECT | CONTACT_UNITS
"""Those of the drives judged here."""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run 20 robots per kind of error, or 1 in a short run.

    Args:
        full: the whole study.
        progress: told after each trial.
    """
    return trials(range(FIRST_SEED, FIRST_SEED + (20 if full else 1)), progress)


def trials(seeds: Sequence[int], progress: Callable[[str], None]) -> dict[str, Any]:
    """Judge one robot per seed and kind of error."""
    scenario = load_scenario(SCENARIO)
    place, bollard = blind(scenario), blind_bollard(scenario)
    tolerances = {name: item for name, item in read_tolerances().items() if name in METRICS}
    command, slow = _samples(MANOEUVRES), _samples(TOUCH)
    model = MujocoTwin(scenario)
    twin, contacts = model.drive(command), model.touch(slow)
    figures: dict[str, Any] = {"robots": len(seeds)}
    for planted in PLANTED:
        failed: dict[str, int] = {}
        alarms, values = 0, []
        for seed in seeds:
            parameters = draw_parameters(seed, planted)
            log = drive(SurrogatePlant(place, parameters, Start.MIDDLE), command)
            against = touched(SurrogatePlant(bollard, parameters, Start.BOLLARD), slow)
            gap = drive_gap(log, twin) | effect_gap(log, twin) | contact_gap(against, contacts)
            wrong = [item.name for item in judge([gap], tolerances) if not item.passed]
            alarms += bool(wrong)
            values.append(gap)
            for name in wrong:
                failed[name] = failed.get(name, 0) + 1
            progress(f"twin, {planted}, robot {seed}: {', '.join(wrong) or 'within every tolerance'}")
        low, high = clopper_pearson(alarms, len(seeds), 0.05)
        figures[planted] = {
            "failed": alarms,
            "rate": alarms / len(seeds),
            "interval": [low, high],
            "by_metric": failed,
            "largest": {name: max((gap[name] for gap in values), key=abs) for name in METRICS},
        }
    return figures


def _samples(parts: Sequence[tuple[float, float, float]]) -> Array:
    """Return the commands of a list of parts, one per sample, shape (n, 2). [m/s, rad/s]"""
    return np.concatenate([np.tile((v, w), (round(d / PERIOD), 1)) for d, v, w in parts])


def headline(figures: dict[str, Any]) -> dict[str, Any]:
    """Return detection and false alarm rates."""
    return {
        f"twin_{'false_alarm' if name == 'none' else name + '_detected'}_rate": figures[name]["rate"]
        for name in PLANTED
    }
