# SPDX-License-Identifier: Apache-2.0
"""What is deployed in the maze part: units of work, each an agent before a row of mazes in one form or several.

An agent is deployed in MuJoCo on the whole arm. Of every unit all forms see the same mazes with the same noise, and so
does every method.
"""

import dataclasses
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configurations import FEW, SEEDS
from maze_agents import Agents, fingerprint, with_threshold
from maze_station import Row, Station

from reflexarc.reflex.methods import method
from reflexarc_sim.scenario import Scenario, load_scenario

SCENARIO = "maze_arm"
HELD_OUT, TRAIN = "held_out", "train"
FIRST, CALIBRATING, PROVING, SHORT = 100_000, 200_000, 300_000, 400_000
"""First maze of the comparison and of the ablations, of the calibration, of the proof and of a short run: all others
than those that were learned with, which begin at 0."""
APART = 1000
"""From the first maze of one seed to that of the next."""
MAZES, FEW_MAZES = 12, 4
"""Per seed in the comparison; per seed in an ablation."""
CHUNK = 25
"""Mazes of a unit of the proof and the calibration."""
ALONE = (("arc.contact.critic", False), ("arc.contact.barrier", False))
"""The task policy with nothing but the impedance: what reflexes are judged against."""
PLAIN, INNER = "plain", "inner"
"""Without and with the inner layer, the force barrier."""


@dataclass(frozen=True)
class Form:
    """One way to deploy an agent."""

    name: str
    barrier: bool = False
    """Whether the force barrier acts."""
    changes: tuple[tuple[str, Any], ...] = ()
    """Keys of the scenario and their values."""
    threshold: float | None = None
    """Instead of the agent's own."""


@dataclass(frozen=True)
class Ablation:
    """What is varied, with which agents."""

    subject: str
    """Their method."""
    seeds: int
    mazes: int
    """Per seed."""
    forms: tuple[Form, ...]
    replayed: bool = False
    """See `Unit`."""


@dataclass(frozen=True)
class Unit:
    """An agent before `count` mazes, in every form."""

    group: str
    method: str
    seed: int
    file: Path
    family: str
    first: int
    count: int
    forms: tuple[Form, ...]
    replayed: bool = False
    """Whether each episode with a reflex is run again without critic and inner layer."""

    @property
    def key(self) -> str:
        """Everything in it, as one text; the agent by what its file holds."""
        content = {**dataclasses.asdict(self), "file": fingerprint(self.file)}
        return json.dumps(content, sort_keys=True)


def measured(unit: Unit) -> dict[str, Any]:
    """Run a unit; return for each form a row per maze, and the processor time.

    Of a unit that is replayed a row has `false`: whether the same episode, from its start and without critic and inner
    layer, had no violation; None where there was no reflex.
    """
    started = time.process_time()
    mazes = range(unit.first, unit.first + unit.count)
    forms = {}
    for form in unit.forms:
        forms[form.name] = _rows(unit, form, mazes)
    if unit.replayed:
        acted = sorted({row["maze"] for rows in forms.values() for row in rows if row["reflexes"]})
        alone = {row["maze"]: row for row in _rows(unit, Form("alone", changes=ALONE), acted)}
        for row in (row for rows in forms.values() for row in rows):
            row["false"] = not alone[row["maze"]]["violation"] if row["reflexes"] else None
    return {"forms": forms, "cpu_s": round(time.process_time() - started, 2)}


def scenario_of(unit: Unit, form: Form, file: Path) -> Scenario:
    """Return the scenario of a form with the agent in a file."""
    changes: dict[str, Any] = {
        "policy.name": "contact_learned",
        "policy.params": {"weights": str(file)},
        "arc.contact.weights": str(file),
        "arc.contact.critic": method(unit.method).every is not None,
        "arc.contact.barrier": form.barrier,
        "cell.family": unit.family,
    }
    return load_scenario(SCENARIO, changes | dict(form.changes))


def _rows(unit: Unit, form: Form, mazes: Any) -> list[Row]:
    if not len(mazes):
        return []
    with tempfile.TemporaryDirectory() as folder:
        file = unit.file
        if form.threshold is not None:
            file = Path(folder) / file.name
            with_threshold(unit.file, file, form.threshold)
        station = Station(scenario_of(unit, form, file))
        try:
            return [station.episode(seed) for seed in mazes]
        finally:
            station.plant.close()


def comparison(agents: Agents) -> list[Unit]:
    """Return the units of the comparison for a method; ours also in its deployed form, with the inner layer."""
    forms = (Form(PLAIN), Form(INNER, True)) if agents.method == "ours" else (Form(PLAIN),)
    shielded = method(agents.method).every is not None
    return [
        Unit("methods", agents.method, seed, file, HELD_OUT, FIRST + APART * seed, MAZES, forms, shielded)
        for seed, file in enumerate(agents.files)
    ]


def ablations(agents: Mapping[str, Agents]) -> list[Unit]:
    """Return the units of the ablations, each of the agents that it says something about."""
    return [
        Unit(group, a.subject, seed, file, HELD_OUT, FIRST + APART * seed, a.mazes, a.forms, a.replayed)
        for group, a in ABLATIONS.items()
        for seed, file in enumerate(agents[a.subject].files[: a.seeds])
    ]


def proof(file: Path, count: int) -> list[Unit]:
    """Return the units of the proof: the deployed form before `count` mazes of shapes that were not learned on."""
    return [
        Unit("proof", "ours", 0, file, HELD_OUT, PROVING + k, min(CHUNK, count - k), (Form(INNER, True),))
        for k in range(0, count, CHUNK)
    ]


def calibrating(file: Path, threshold: float, count: int) -> list[Unit]:
    """Return the units of one threshold of the calibration, on shapes that were learned on."""
    form = Form(f"{threshold:g}", True, threshold=threshold)
    return [
        Unit("calibration", "ours", 0, file, TRAIN, CALIBRATING + k, min(CHUNK, count - k), (form,))
        for k in range(0, count, CHUNK)
    ]


def _both(name: str, *changes: tuple[str, Any]) -> tuple[Form, Form]:
    return Form(f"{name}, {PLAIN}", False, changes), Form(f"{name}, {INNER}", True, changes)


_FULL = (
    ("arc.contact.tank_j", 100.0),
    ("arc.contact.tank_most_j", 100.0),
    ("arc.contact.tank_refill_w", 50.0),
)
"""The fullest tank that the configuration allows: it never refuses anything."""
_BIAS = ("cell.sensor.force_bias", 2.0)
ABLATIONS = {
    "rates": Ablation(
        "bresa",
        SEEDS,
        MAZES,
        tuple(
            Form(f"{rate} Hz", changes=(("arc.contact.every_s", 1.0 / rate),)) for rate in (10, 50, 200, 1000)
        ),
        replayed=True,
    ),
    "tank": Ablation("bresa", SEEDS, MAZES, (Form("as configured"), Form("never empty", changes=_FULL))),
    "zeroing": Ablation(
        "bresa",
        SEEDS,
        MAZES,
        (
            Form("as it is", True, (_BIAS,)),
            Form("zeroed", True, (_BIAS, ("arc.contact.tare_s", 0.1))),
        ),
    ),
    "threshold": Ablation(
        "ours", FEW, FEW_MAZES, (Form("calibrated"), Form("0.15", threshold=0.15)), replayed=True
    ),
    "conditions": Ablation("ours", FEW, FEW_MAZES, (
        *_both("as scripted"),
        *_both("friction 0.1", ("cell.friction", 0.1)),
        *_both("friction 0.6", ("cell.friction", 0.6)),
        *_both("walls half as stiff", ("cell.wall_stiffness", 2_500.0)),
        *_both("walls twice as stiff", ("cell.wall_stiffness", 10_000.0)),
        *_both("sensor bias 2 N", _BIAS),
        *_both("sensor delay 0 ms", ("cell.sensor.delay_s", 0.0)),
        *_both("sensor delay 5 ms", ("cell.sensor.delay_s", 0.005)),
        *_both("sensor delay 10 ms", ("cell.sensor.delay_s", 0.010), ("arc.contact.wrench_s", 0.02)),
        *_both("three pushes of a person", ("cell.pushes.count", 3)),
    )),
}  # fmt: skip
"""By group. Those of `rates`, `tank` and `threshold` are without the inner layer, so that what is varied shows. Where
they are of `bresa`: it changes its stiffness freely, and its critic, with the threshold chosen by hand, acts."""
