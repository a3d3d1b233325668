# SPDX-License-Identifier: Apache-2.0
"""Conditions on the state of a cell.

`{operator: [in_cell], activity: welding}` holds where every variable has one of the named states; `{any_of: [...]}`
holds where at least one of its conditions does.
"""

from collections.abc import Mapping
from typing import Any

from reflexarc.core.errors import ConfigError, UnknownNameError

Clause = Mapping[str, tuple[str, ...]]
"""Variable to the states that it may have."""


def clauses(when: Mapping[str, Any]) -> tuple[Clause, ...]:
    """Return a checked condition as a disjunction of clauses."""
    if "any_of" in when:
        return tuple(clause for part in when["any_of"] for clause in clauses(part))
    return ({name: _listed(states) for name, states in when.items()},)


def holds(when: Mapping[str, Any], state: Mapping[str, str]) -> bool:
    """Return whether a checked condition holds in the state, variable to its value."""
    return any(all(state[name] in states for name, states in clause.items()) for clause in clauses(when))


def check_condition(when: Any, variables: Mapping[str, tuple[str, ...]], where: str) -> None:
    """Check a condition against the variables and their states.

    Raises:
        UnknownNameError: a variable or state that does not exist.
        ConfigError: it is no mapping, or `any_of` stands beside other keys or is empty.
    """
    if not isinstance(when, Mapping):
        raise ConfigError(f"{where}: expected a mapping of variables to states, found {when!r}")
    if "any_of" in when:
        if len(when) > 1 or not isinstance(when["any_of"], list) or not when["any_of"]:
            raise ConfigError(f"{where}: any_of must stand alone and hold a list of conditions")
        for i, part in enumerate(when["any_of"]):
            check_condition(part, variables, f"{where}.any_of[{i}]")
        return
    for name, states in when.items():
        if name not in variables:
            raise UnknownNameError("variable", str(name), variables, where)
        if not _listed(states):
            raise ConfigError(f"{where}.{name}: at least one state is needed")
        for state in _listed(states):
            if state not in variables[name]:
                raise UnknownNameError("state", str(state), variables[name], f"{where}.{name}")


def check_update(update: Any, variables: Mapping[str, tuple[str, ...]], where: str) -> None:
    """Check an assignment, variable to its new state.

    Raises:
        UnknownNameError: a variable or state that does not exist.
        ConfigError: it is no mapping.
    """
    if not isinstance(update, Mapping):
        raise ConfigError(f"{where}: expected a mapping of variables to a state, found {update!r}")
    for name, state in update.items():
        if name not in variables:
            raise UnknownNameError("variable", str(name), variables, where)
        if state not in variables[name]:
            raise UnknownNameError("state", str(state), variables[name], f"{where}.{name}")


def _listed(states: Any) -> tuple[str, ...]:
    return tuple(states) if isinstance(states, list | tuple) else (states,)
