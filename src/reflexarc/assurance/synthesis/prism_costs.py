# SPDX-License-Identifier: Apache-2.0
"""Labels and rewards of a model: what is asked of it and what it is charged for."""

from reflexarc.assurance.hazards.cell import Action
from reflexarc.assurance.hazards.policies import Policy
from reflexarc.assurance.synthesis.prism_words import Words, any_of, number

REWARDS = ("productivity", "disruption", "effort", "nuisance", "weighted_risk")
"""Reward structures of every model."""


def labels(words: Words) -> list[str]:
    """Return the labels.

    `mishap`; `running` (no mishap); `stopped` (the default stop); `goal`; `hazard` (any is present); `says_S` of each
    signal; of each hazard `present_H`, `held_H` and `noticed_H` (perceived in the supervisor's turn).
    """
    cell, safe = words.cell, "mishap = 0"
    lines = [
        'label "mishap" = mishap > 0;',
        f'label "running" = {safe};',
        'label "stopped" = stopped;',
        f'label "goal" = {safe} & {words.condition(cell.process.goal)};',
        f'label "hazard" = {safe} & {any_of(f"present_{name}" for name in cell.hazards)};',
    ]
    lines += [f'label "says_{name}" = signal_{name};' for name in cell.signals]
    for name in cell.hazards:
        lines += [
            f'label "present_{name}" = {safe} & present_{name};',
            f'label "held_{name}" = {safe} & held_{name};',
            f'label "noticed_{name}" = {safe} & turn = 0 & perceived_{name};',
        ]
    return lines


def rewards(words: Words, policy: Policy | None, default_stop: bool) -> list[str]:
    """Return the reward structures `REWARDS`."""
    cell = words.cell
    factor = words.by_mode([mode.productivity for mode in cell.modes.values()])
    runs = words.runs()
    lines = ['rewards "productivity"', "  true : 0;"]
    for task in cell.process.tasks:
        if task.value > 0.0:
            p = words.value(f"process.{task.name}") if task.probability else 1.0
            lines.append(
                f"  [process] {words.condition(task.when)} & {runs} : {number(p * task.value)} * {factor};"
            )
    lines.append("endrewards")
    taken = _taken(words, policy, default_stop) if policy else []
    for cost in ("disruption", "effort", "nuisance"):
        lines += [f'rewards "{cost}"', "  true : 0;"]
        for guard, action in taken:
            value = number(getattr(action, cost))
            if cost == "nuisance":
                value += f" * alarm_{action.alarm}" if action.alarm else " * 0"
            lines.append(f"  [supervise] {guard} : {value};")
        lines.append("endrewards")
    lines.append('rewards "weighted_risk"')
    for name, hazard in cell.hazards.items():
        lines.append(
            f"  [process] present_{name} : {number(hazard.weight * hazard.severity)} * ({words.risk(name)});"
        )
    lines.append("endrewards")
    return lines


def _taken(words: Words, policy: Policy, default_stop: bool) -> list[tuple[str, Action]]:
    """Return every action with the condition under which the supervisor takes it."""
    cell = words.cell
    taken = [(f"acts_{name} & !held_{name}", policy.mitigate(cell, name)) for name in cell.hazards]
    taken += [
        (f"held_{name} & !next_{name} & !unexpected", policy.resume(cell, name)) for name in cell.hazards
    ]
    return [*taken, ("unexpected", cell.default_stop)] if default_stop else taken
