# SPDX-License-Identifier: Apache-2.0
"""Cell traces drawn from a hazard model, by the oracle that carries distributions forward."""

from reflexarc.assurance.conformance.trace import CellTrace, Step
from reflexarc.assurance.hazards.policies import policy_from
from reflexarc.assurance.synthesis.automaton import initial
from tests.assurance import cell_distribution as oracle


def draw(cell, table, turns, rng):
    """Return traces of so many turns in all; one ends where a mishap happens."""
    made, left = [], turns
    while left > 0:
        trace = _one(cell, table, left, rng, f"drawn {len(made)}")
        made.append(trace)
        left -= len(trace.steps) - 1
    return made


def _one(cell, table, turns, rng, source):
    policy, alarms = policy_from(cell, table.policy), table.alarms
    failure = {name: sensor.failure.nominal for name, sensor in cell.sensors.items()}
    world = {cell.person.name: cell.person.initial, "activity": cell.process.initial}
    world |= {name: thing.initial for name, thing in cell.things.items()}
    world |= dict.fromkeys(cell.sensors, "works")
    state, ready, steps = initial(cell), True, []
    for k in range(turns + 1):
        said = {name: oracle._says(cell, world, name) for name in cell.signals} if k % 3 == 0 else {}
        steps.append(_step(cell, k, world, state, said))
        if k % 3 == 0:
            state, activity, _ = oracle._supervise(cell, policy, world, state, ready)
            world = {**world, "activity": activity}
        elif k % 3 == 1:
            hit = _mishap(cell, world, state, rng)
            world = _pick([(after, q) for after, q, _ in oracle._work(cell, world, state)], rng)
            if hit:
                steps.append(_step(cell, k + 1, world, state, {}, hit))
                break
        else:
            after = _pick(oracle._live(cell, policy, alarms, world, state, failure), rng)
            ready, world = _pick(oracle._ready(cell, state), rng), after
    return CellTrace(cell.name, cell.step_s, source, tuple(steps))


def _mishap(cell, world, state, rng):
    for name in sorted(cell.hazards, key=lambda n: -cell.hazards[n].severity):
        hazard = cell.hazards[name]
        there = oracle._true(hazard.when, {**world, "mode": state.mode})
        if there and rng.random() < hazard.mishap.nominal * cell.modes[state.mode].mishap[name]:
            return name
    return ""


def _pick(outcomes, rng):
    x = rng.random()
    for outcome, q in outcomes:
        x -= q
        if x < 0.0:
            return outcome
    return outcomes[-1][0]


def _step(cell, k, world, state, signals, mishap=""):
    held = [name for name in cell.hazards if name in state.held]
    return Step(
        k * cell.step_s,
        ("supervisor", "process", "person")[k % 3],
        world[cell.person.name],
        world["activity"],
        state.mode,
        "default_stop" if state.stopped else ":".join([state.mode, *held]),
        {name: world[name] for name in cell.things},
        {name: world[name] for name in cell.sensors},
        signals,
        mishap,
    )
