# SPDX-License-Identifier: Apache-2.0
"""Oracle: the distribution over a cell's states, carried forward turn by turn. Shares no code with the PRISM model."""

from collections import defaultdict

from reflexarc.assurance.synthesis.automaton import initial, successor


def run(cell, policy, alarms, steps, failure=None):
    """Return (P(mishap within the steps), expected productivity, expected disruption)."""
    failure = failure or {name: sensor.failure.nominal for name, sensor in cell.sensors.items()}
    world = {cell.person.name: cell.person.initial, "activity": cell.process.initial}
    world |= {name: thing.initial for name, thing in cell.things.items()}
    world |= dict.fromkeys(cell.sensors, "works")
    distribution = {(frozenset(world.items()), initial(cell), True): 1.0}
    mishap = productivity = disruption = 0.0
    for step in range(steps):
        following = defaultdict(float)
        for (items, state, ready), p in distribution.items():
            world = dict(items)
            if step % 3 == 0:
                after, activity, cost = _supervise(cell, policy, world, state, ready)
                disruption += p * cost
                following[frozenset({**world, "activity": activity}.items()), after, ready] += p
            elif step % 3 == 1:
                alive = p
                for name, hazard in cell.hazards.items():
                    if _true(hazard.when, {**world, "mode": state.mode}):
                        alive *= 1.0 - hazard.mishap.nominal * cell.modes[state.mode].mishap[name]
                mishap += p - alive
                for after, q, value in _work(cell, world, state):
                    productivity += p * q * value
                    following[frozenset(after.items()), state, ready] += alive * q
            else:
                for after, q in _live(cell, policy, alarms, world, state, failure):
                    for flag, r in _ready(cell, state):
                        following[frozenset(after.items()), state, flag] += p * q * r
        distribution = {key: p for key, p in following.items() if p > 0.0}
    return mishap, productivity, disruption


def _supervise(cell, policy, world, state, ready):
    if policy is None:
        return state, world["activity"], 0.0
    perceived = frozenset(
        name for name, h in cell.hazards.items() if any(_says(cell, world, s) for s in h.detected_by)
    )
    after = successor(cell, policy, state, perceived, ready)
    if after.stopped:
        stop = cell.default_stop
        return (
            after,
            (stop.activity if not state.stopped and stop.activity else world["activity"]),
            (0.0 if state.stopped else stop.disruption),
        )
    severe = sorted(cell.hazards, key=lambda name: -cell.hazards[name].severity)
    begun = [
        policy.mitigate(cell, h)
        for h in severe
        if h in after.held
        and h not in state.held
        and not any(h in cell.hazards[g].blocks for g in after.held)
    ]
    ended = [policy.resume(cell, h) for h in severe if h in state.held and h not in after.held]
    asked = [action.activity for action in [*begun, *ended] if action.activity]
    return after, (asked or [world["activity"]])[0], sum(a.disruption for a in [*begun, *ended])


def _work(cell, world, state):
    factor = cell.modes[state.mode].productivity
    for task in cell.process.tasks:
        if factor > 0.0 and _true(task.when, world):
            q = 1.0 if task.probability is None else task.probability.nominal
            return [({**world, **task.set}, q, task.value * factor), (world, 1.0 - q, 0.0)]
    return [(world, 1.0, 0.0)]


def _live(cell, policy, alarms, world, state, failure):
    loud = {policy.mitigate(cell, h).alarm for h in state.held} if policy else set()
    if state.stopped:
        loud = {cell.default_stop.alarm}
    moves, rest = [], 1.0
    for move in cell.person.moves:
        if _true(move.when, world):
            q = move.probability.nominal
            if move.deterred_by in loud and move.deterred_by:
                q *= 1.0 - alarms[move.deterred_by]
            if move.hurried_by in loud and move.hurried_by:
                q += (1.0 - q) * alarms[move.hurried_by]
            moves.append(({**world, **move.set}, q))
            rest -= q
    outcomes = [*moves, (world, rest)]
    for name, sensor in cell.sensors.items():
        f = failure[name]
        if sensor.loss is None:
            nexts = [("wrong", f), ("works", 1.0 - f)]
        elif world[name] == "lost":
            nexts = [("works", sensor.repair.nominal), ("lost", 1.0 - sensor.repair.nominal)]
        else:
            here = 1.0 - sensor.loss.nominal
            nexts = [("lost", sensor.loss.nominal), ("wrong", here * f), ("works", here * (1.0 - f))]
        outcomes = [({**after, name: s}, q * r) for after, q in outcomes for s, r in nexts if r > 0.0]
    return outcomes


def _ready(cell, state):
    resting = not state.held and not state.stopped and state.mode == cell.base_mode
    chance = cell.resuming.dwell.nominal
    if cell.modes[state.mode].latched:
        chance = cell.resuming.acknowledge.nominal
    elif resting:
        chance = 1.0
    return [(True, chance), (False, 1.0 - chance)]


def _says(cell, world, name):
    signal = cell.signals[name]
    truth = _true(signal.when, world)
    if not signal.sensor or world[signal.sensor] == "works":
        return truth
    return world[signal.sensor] == "wrong" and cell.sensors[signal.sensor].reports == "opposite" and not truth


def _true(when, world):
    if "any_of" in when:
        return any(_true(part, world) for part in when["any_of"])
    return all(world[n] in (states if isinstance(states, list) else [states]) for n, states in when.items())
