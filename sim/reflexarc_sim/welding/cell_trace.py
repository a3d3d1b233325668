# SPDX-License-Identifier: Apache-2.0
"""A run of the simulated welding cell in the variables of its hazard model, one round of three turns at a time.

In a round a signal is true if it was true at any time of it, and None if it was ever unknown; the person is where they
were in most danger. State, activity and things are those at the beginning of a round. A contact above the permitted
force is the mishap of the most severe hazard that was really there, and ends the trace. Sensors that are not blind
count as working: that one does not look where somebody is, is a matter of the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reflexarc.assurance.conformance.trace import TURNS, CellTrace
from reflexarc.assurance.conformance.trace import Step as Entry
from reflexarc.core.errors import ConfigError
from reflexarc_sim.welding.controllers import welding_cell
from reflexarc_sim.welding.parameters import STEP_S, WeldingPlant
from reflexarc_sim.welding.simulation import Run, Step
from reflexarc_sim.welding.truth import place

SENSORS = {"range_finder": "range_finder", "light_curtain": "light_barrier"}
"""Name in the simulation to the name in the hazard model."""
DANGER = ("at_table", "shared_table", "in_cell", "weld_spot")
"""Locations, the most dangerous last."""


def cell_trace(plant: WeldingPlant, run: Run) -> CellTrace:
    """Return the trace of a run under a table.

    Raises:
        ConfigError: the run had no table, or is shorter than a round.
    """
    cell = welding_cell()
    length = round(3.0 * cell.step_s / STEP_S)
    begin = next((k for k, step in enumerate(run.steps) if step.state), None)
    if begin is None:
        raise ConfigError("a run without a table has no trace; give it a controller with one")
    rounds = [run.steps[k : k + length] for k in range(begin, len(run.steps) - length, length)]
    if not rounds:
        raise ConfigError(f"a run of {run.setup.duration} s is shorter than a round of {3.0 * cell.step_s} s")
    sensors = {name: "wrong" if key in run.setup.blind else "works" for key, name in SENSORS.items()}
    entries: list[Entry] = []
    mishap = ""
    for window in rounds:
        last = window[-1]
        after = run.steps[begin + length * (len(entries) // 3 + 1)]
        person = _location(plant, window)
        first = window[0]
        given = [
            (first, first, _things(first), _signals(window)),
            (first, after, _things(first), {}),
            (after, after, _after_arm(window, after), {}),
        ]
        for turn, (work, table, things, signals) in zip(TURNS, given, strict=True):
            entries.append(
                Entry(
                    len(entries) * cell.step_s,
                    turn,
                    person,
                    work.activity,
                    table.mode,
                    table.state,
                    things,
                    sensors,
                    signals,
                )
            )
        mishap = _mishap(run, window[0].time, last.time, window)
        if mishap:
            entries[-1] = replace(entries[-1], mishap=mishap)
            break
    return CellTrace(cell.name, cell.step_s, f"welding cell, seed {run.setup.seed}", tuple(entries))


def _location(plant: WeldingPlant, window: Sequence[Step]) -> str:
    return max((place(plant, step.torso, step.hand) for step in window), key=DANGER.index)


def _things(step: Step) -> Mapping[str, str]:
    return {"support": step.support, "gripper": step.gripper}


def _after_arm(window: Sequence[Step], after: Step) -> Mapping[str, str]:
    """Return the things as the arm leaves them in a round: of the bench, its own changes alone."""
    support = window[0].support
    for before, now in zip(window, (*window[1:], after), strict=True):
        if before.gripper != now.gripper and before.support != now.support:
            support = now.support
    return {"support": support, "gripper": after.gripper}


def _signals(window: Sequence[Step]) -> Mapping[str, bool | None]:
    found: dict[str, bool | None] = {}
    for step in window:
        for name, value in step.seen.items():
            before = found.get(name, False)
            found[name] = None if value is None or before is None else value or before
    return found


def _mishap(run: Run, begin: float, end: float, window: Sequence[Step]) -> str:
    hit = [c.stamp for c in run.contacts if begin <= c.stamp <= end and c.force > run.force_limit]
    if not hit:
        return ""
    severity = {name: hazard.severity for name, hazard in welding_cell().hazards.items()}
    there = {name for step in window for name, present in step.hazards.items() if present}
    return max(there, key=lambda name: severity[name], default="")
