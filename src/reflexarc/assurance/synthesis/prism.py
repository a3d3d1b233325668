# SPDX-License-Identifier: Apache-2.0
"""A cell and a policy as a model in the PRISM language: a Markov chain with a random person, or a Markov decision
process in which the person does whatever is worst.

`turn` goes round: 0 supervisor, 1 process, 2 person with the sensors. Ground truth (`present_H`) and what the
supervisor perceives (`perceived_H`) are different formulas: a sensor that is wrong or lost stands between them.
Without its default stop a supervisor has no transition for what its policy does not provide for: a deadlock.
"""

from collections.abc import Mapping

from reflexarc.assurance.hazards.cell import Cell, Move
from reflexarc.assurance.hazards.policies import Policy
from reflexarc.assurance.synthesis import prism_costs
from reflexarc.assurance.synthesis.prism_words import Words, any_of, first, number

SUPERVISOR, PROCESS, PERSON = 0, 1, 2
"""Values of `turn`."""


def model_text(
    cell: Cell,
    policy: Policy | None,
    alarms: Mapping[str, float],
    *,
    random_person: bool = True,
    default_stop: bool = True,
    values: Mapping[str, float] | None = None,
) -> str:
    """Return the model.

    Args:
        cell: the cell.
        policy: the supervisor's policy; None for no supervisor at all.
        alarms: intensity of every alarm, 0 to 1.
        random_person: a Markov chain; otherwise a decision process with the person's moves as choices.
        default_stop: whether the supervisor falls back on its default stop.
        values: probabilities by path that replace the nominal ones, such as `sensors.range_finder.failure`.
    """
    nominal = {path: probability.nominal for path, probability in cell.probabilities().items()}
    words = Words(cell, {**nominal, **(values or {})})
    parts = [
        "dtmc" if random_person else "mdp",
        *(f"const double alarm_{name} = {number(alarms[name])};" for name in cell.alarms),
        *_perception(words),
        *(_automaton(words, policy, default_stop) if policy else _no_supervisor(words)),
        *_sounds(words, policy),
        *_turns(),
        *_cell(words, random_person, policy is not None),
        *_sensors(words),
        *_release(words),
        *_harm(words),
        *prism_costs.labels(words),
        *(prism_costs.rewards(words, policy, default_stop)),
    ]
    return "\n".join(parts) + "\n"


def _perception(words: Words) -> list[str]:
    cell, lines = words.cell, []
    for name, hazard in cell.hazards.items():
        lines.append(f"formula present_{name} = {words.condition(hazard.when)};")
    for name, signal in cell.signals.items():
        said = words.condition(signal.when)
        if signal.sensor:
            sensor = words.variable(signal.sensor)
            wrong = f"!({said})" if cell.sensors[signal.sensor].reports == "opposite" else "false"
            said = f"({sensor} = 0 ? {said} : ({sensor} = 1 ? {wrong} : false))"
        lines.append(f"formula signal_{name} = {said};")
    for name, hazard in cell.hazards.items():
        lines.append(f"formula perceived_{name} = {any_of(f'signal_{s}' for s in hazard.detected_by)};")
    lines.append(f"formula perceived = {any_of(f'perceived_{name}' for name in cell.hazards)};")
    for name in cell.hazards:
        lines.append(f"formula closed_{name} = {any_of(f'perceived_{c}' for c in words.causes_of(name))};")
    return lines


def _automaton(words: Words, policy: Policy, default_stop: bool) -> list[str]:
    cell = words.cell
    latched = any_of(f"mode = {i}" for i, mode in enumerate(cell.modes.values()) if mode.latched)
    conflicts = [
        clash
        for name, hazard in cell.hazards.items()
        for clash in (
            *(f"perceived_{name} & !perceived_{other} & !held_{other}" for other in hazard.requires),
            *(f"perceived_{name} & perceived_{other}" for other in hazard.prevents),
        )
    ]
    lines = [
        f"formula latched = {latched};",
        f"formula unexpected = !stopped & {any_of(conflicts)};",
        "formula released = ready & !(latched & perceived);",
    ]
    for name in cell.hazards:
        kept = f"(closed_{name} | (held_{name} & !released))"
        lines.append(f"formula next_{name} = !stopped & !unexpected & {kept};")
    for name in cell.hazards:
        over = any_of(f"next_{g}" for g, hazard in cell.hazards.items() if name in hazard.blocks)
        lines.append(f"formula acts_{name} = next_{name} & !{over};")
    mitigate = [
        f"(acts_{name} ? {words.mode(policy.mitigate(cell, name).mode)} : 0)" for name in cell.hazards
    ]
    resume = [f"(held_{name} ? {words.mode(policy.resume(cell, name).mode)} : 0)" for name in cell.hazards]
    any_next, any_held = (any_of(f"{kind}_{name}" for name in cell.hazards) for kind in ("next", "held"))
    stop = words.mode(cell.default_stop.mode)
    lines += [
        "formula next_stopped = stopped ? !(ready & !perceived) : unexpected;",
        f"formula mitigation_mode = max(latched & !released ? mode : 0, {', '.join(mitigate)}, 0);",
        f"formula resumption_mode = max({', '.join(resume)}, 0);",
        f"formula calm_mode = {any_held} ? resumption_mode : (released ? 0 : mode);",
        f"formula next_mode = next_stopped ? {stop} : (stopped ? 0 : ({any_next} ? mitigation_mode : calm_mode));",
        f"formula next_activity = {_next_activity(words, policy)};",
    ]
    updates = [f"(held_{name}' = next_{name})" for name in cell.hazards]
    guard = "true" if default_stop else "!unexpected"
    return [
        *lines,
        "module supervisor",
        f"  mode : [0..{len(cell.modes) - 1}] init 0;",
        "  stopped : bool init false;",
        *(f"  held_{name} : bool init false;" for name in cell.hazards),
        f"  [supervise] {guard} -> (mode' = next_mode) & (stopped' = next_stopped) & {' & '.join(updates)};",
        "endmodule",
    ]


def _next_activity(words: Words, policy: Policy) -> str:
    """The activity that the supervisor asks for: of the most severe new mitigation, else of the resumption."""
    cell = words.cell
    severe = sorted(cell.hazards, key=lambda name: -cell.hazards[name].severity)
    cases = [("next_stopped & !stopped", cell.default_stop)]
    cases += [(f"acts_{name} & !held_{name}", policy.mitigate(cell, name)) for name in severe]
    ended = "held_{0} & !next_{0} & !unexpected"
    cases += [(ended.format(name), policy.resume(cell, name)) for name in severe]
    return first(
        [(f"({guard})", words.activity(action.activity)) for guard, action in cases if action.activity],
        "activity",
    )


def _no_supervisor(words: Words) -> list[str]:
    held = [f"formula held_{name} = false;" for name in words.cell.hazards]
    return [*held, "formula mode = 0;", "formula stopped = false;", "formula latched = false;"]


def _turns() -> list[str]:
    return [
        "module turns",
        f"  turn : [0..2] init {SUPERVISOR};",
        f"  [supervise] turn = {SUPERVISOR} & mishap = 0 -> (turn' = {PROCESS});",
        f"  [process] turn = {PROCESS} & mishap = 0 -> (turn' = {PERSON});",
        f"  [person] turn = {PERSON} & mishap = 0 -> (turn' = {SUPERVISOR});",
        "  [over] mishap > 0 -> true;",
        "endmodule",
    ]


def _cell(words: Words, random_person: bool, supervised: bool) -> list[str]:
    cell = words.cell
    lines, asked = ["module cell"], "(activity' = next_activity)"
    for name in (cell.person.name, "activity", *cell.things):
        states = cell.variables[name]
        lines.append(
            f"  {words.variable(name)} : [0..{len(states) - 1}] init {states.index(words.initial(name))};"
        )
    lines.append(f"  [supervise] true -> {asked if supervised else 'true'};")
    lines += _tasks(words)
    lines += _random_moves(words) if random_person else _chosen_moves(words)
    return [*lines, "endmodule"]


def _tasks(words: Words) -> list[str]:
    runs, lines, due = words.runs(), [], []
    for task in words.cell.process.tasks:
        guard = f"{words.condition(task.when)} & {runs}"
        due.append(f"({guard})")
        done = words.update(task.set)
        if task.probability is None:
            lines.append(f"  [process] {guard} -> {done};")
        else:
            p = words.value(f"process.{task.name}")
            lines.append(f"  [process] {guard} -> {number(p)} : {done} + {number(1.0 - p)} : true;")
    return [*lines, f"  [process] !{any_of(due)} -> true;"]


def _random_moves(words: Words) -> list[str]:
    shares, parts = [], []
    for move in words.cell.person.moves:
        share = f"({words.condition(move.when)} ? {_likelihood(words, move)} : 0)"
        shares.append(share)
        parts.append(f"{share} : {words.update(move.set)}")
    return [f"  [person] true -> {' + '.join(parts)} + 1 - ({' + '.join(shares)}) : true;"]


def _likelihood(words: Words, move: Move) -> str:
    p = words.value(f"person.{move.name}")
    if not (alarm := move.deterred_by or move.hurried_by):
        return number(p)
    loud = (
        f"{number(p)} * (1 - alarm_{alarm})"
        if move.deterred_by
        else f"{number(p)} + {number(1.0 - p)} * alarm_{alarm}"
    )
    return f"(sounds_{alarm} ? {loud} : {number(p)})"


def _chosen_moves(words: Words) -> list[str]:
    moves = [
        f"  [person] {words.condition(move.when)} -> {words.update(move.set)};"
        for move in words.cell.person.moves
    ]
    return [*moves, "  [person] true -> true;"]


def _sensors(words: Words) -> list[str]:
    lines = []
    for name, sensor in words.cell.sensors.items():
        variable, wrong = words.variable(name), words.value(f"sensors.{name}.failure")
        lines.append(f"module {variable}_module")
        lines.append(f"  {variable} : [0..2] init 0;")
        works, fails = f"({variable}' = 0)", f"({variable}' = 1)"
        if sensor.loss is None:
            lines.append(f"  [person] true -> {number(wrong)} : {fails} + {number(1.0 - wrong)} : {works};")
        else:
            lost, back = words.value(f"sensors.{name}.loss"), words.value(f"sensors.{name}.repair")
            present, misses = number(1.0 - lost), f"{number(1.0 - lost)} * {number(wrong)} : {fails}"
            goes, stays = (
                f"{number(lost)} : ({variable}' = 2)",
                f"{present} * {number(1.0 - wrong)} : {works}",
            )
            lines += [
                f"  [person] {variable} < 2 -> {goes} + {misses} + {stays};",
                f"  [person] {variable} = 2 -> {number(back)} : {works} + {number(1.0 - back)} : true;",
            ]
        lines.append("endmodule")
    return lines


def _release(words: Words) -> list[str]:
    dwell, acknowledge = (number(words.value(f"resuming.{key}")) for key in ("dwell", "acknowledge"))
    waits = any_of([*(f"held_{name}" for name in words.cell.hazards), "mode > 0"])
    return [
        f"formula ready_chance = latched ? {acknowledge} : ({waits} ? {dwell} : 1);",
        "module release",
        "  ready : bool init true;",
        "  [person] true -> ready_chance : (ready' = true) + 1 - ready_chance : (ready' = false);",
        "endmodule",
    ]


def _harm(words: Words) -> list[str]:
    cell, lines, parts = words.cell, [], []
    for name in cell.hazards:
        lines.append(f"formula risk_{name} = present_{name} ? {words.risk(name)} : 0;")
    spared = "1"
    for i, name in enumerate(sorted(cell.hazards, key=lambda n: -cell.hazards[n].severity), 1):
        parts.append(f"{spared} * risk_{name} : (mishap' = {i})")
        spared += f" * (1 - risk_{name})"
    return [
        *lines,
        "module harm",
        f"  mishap : [0..{len(cell.hazards)}] init 0;",
        f"  [process] true -> {' + '.join(parts)} + {spared} : true;",
        "endmodule",
    ]


def _sounds(words: Words, policy: Policy | None) -> list[str]:
    cell, lines = words.cell, []
    for alarm in cell.alarms:
        causes = [
            f"held_{name}" for name in cell.hazards if policy and policy.mitigate(cell, name).alarm == alarm
        ]
        if policy and cell.default_stop.alarm == alarm:
            causes.append("stopped")
        lines.append(f"formula sounds_{alarm} = {any_of(causes)};")
    return lines
