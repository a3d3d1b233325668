# SPDX-License-Identifier: Apache-2.0
"""State that a launch file changes while it is read, and the value of substitutions in it."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from reflexarc.launcher.errors import LaunchFileError, Place
from reflexarc.launcher.expression import evaluate
from reflexarc.launcher.grammar import SUBSTITUTIONS
from reflexarc.launcher.packages import executable_in_package, package_prefix, package_share
from reflexarc.launcher.template import Template, parse_template

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
"""The spellings that ROS 2 takes for a condition, in any case."""


@dataclass
class Scope:
    """What `<group>` saves and restores."""

    variables: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    namespace: str | None = None
    parameters: tuple[tuple[str, object], ...] = ()
    remaps: tuple[tuple[str, str], ...] = ()


class Context:
    """The current scope and the file being read."""

    def __init__(self, variables: Mapping[str, str], environment: Mapping[str, str]) -> None:
        self.scope = Scope(dict(variables), dict(environment))
        self.file = Path()

    @contextmanager
    def nested(self) -> Iterator[None]:
        """Undo every change of the scope on the way out."""
        saved = self.scope
        self.scope = replace(saved, variables=dict(saved.variables), environment=dict(saved.environment))
        try:
            yield
        finally:
            self.scope = saved

    @contextmanager
    def reading(self, file: Path) -> Iterator[None]:
        """Make `file` the one that `$(dirname)` and `$(filename)` mean."""
        saved, self.file = self.file, file
        try:
            yield
        finally:
            self.file = saved

    def text(self, value: str, place: Place) -> str:
        """Return `value` with every substitution replaced."""
        return self.render(parse_template(value, place), place)

    def truth(self, value: str, place: Place) -> bool:
        """Return whether `value` is true or false after substitution; anything else is an error."""
        return self._truth_of(parse_template(value, place), place)

    def render(self, template: Template, place: Place) -> str:
        """Return the text of a parsed value."""
        return "".join(
            part if isinstance(part, str) else _CALLS[part.name](self, part.arguments, place)
            for part in template
        )

    def _truth_of(self, template: Template, place: Place) -> bool:
        text = self.render(template, place)
        if text.strip().lower() not in _BOOLEANS:
            raise LaunchFileError(
                place, f"condition {text!r} is neither true nor false; allowed: true, 1, false, 0"
            )
        return _BOOLEANS[text.strip().lower()]

    def _lookup(
        self, kind: str, table: Mapping[str, str], arguments: tuple[Template, ...], place: Place
    ) -> str:
        name = self.render(arguments[0], place)
        if name in table:
            return table[name]
        if len(arguments) > 1:
            return self.render(arguments[1], place)
        known = f"; known: {', '.join(sorted(table)) or 'none'}" if table is self.scope.variables else ""
        raise LaunchFileError(place, f"{kind} {name!r} does not exist and has no default{known}")

    def _in_package(self, find: Callable[..., Path], arguments: tuple[Template, ...], place: Place) -> str:
        names = [self.render(argument, place) for argument in arguments]
        try:
            return str(find(*names, self.scope.environment))
        except LookupError as error:
            raise LaunchFileError(place, str(error.args[0])) from error

    def _equals(self, arguments: tuple[Template, ...], place: Place) -> bool:
        left, right = (self.render(argument, place) for argument in arguments)
        if left.lower() in _BOOLEANS and right.lower() in _BOOLEANS:
            return _BOOLEANS[left.lower()] == _BOOLEANS[right.lower()]
        try:
            return math.isclose(float(left), float(right))
        except ValueError:
            return left == right

    def _choose(self, arguments: tuple[Template, ...], place: Place) -> str:
        chosen = arguments[1:2] if self._truth_of(arguments[0], place) else arguments[2:3]
        return "".join(self.render(argument, place) for argument in chosen)

    def _eval(self, arguments: tuple[Template, ...], place: Place) -> str:
        try:
            return str(evaluate(self.render(arguments[0], place)))
        except ValueError as error:
            raise LaunchFileError(place, f"$(eval): {error}") from error


def _word(truth: bool) -> str:
    return "true" if truth else "false"


_CALLS: dict[str, Callable[[Context, tuple[Template, ...], Place], str]] = {
    "var": lambda c, a, p: c._lookup("variable", c.scope.variables, a, p),
    "env": lambda c, a, p: c._lookup("environment variable", c.scope.environment, a, p),
    "dirname": lambda c, _a, _p: str(c.file.parent),
    "filename": lambda c, _a, _p: str(c.file),
    "find-pkg-share": lambda c, a, p: c._in_package(package_share, a, p),
    "find-pkg-prefix": lambda c, a, p: c._in_package(package_prefix, a, p),
    "exec-in-pkg": lambda c, a, p: c._in_package(executable_in_package, a, p),
    "equals": lambda c, a, p: _word(c._equals(a, p)),
    "not-equals": lambda c, a, p: _word(not c._equals(a, p)),
    "not": lambda c, a, p: _word(not c._truth_of(a[0], p)),
    "and": lambda c, a, p: _word(c._truth_of(a[0], p) and c._truth_of(a[1], p)),
    "or": lambda c, a, p: _word(c._truth_of(a[0], p) or c._truth_of(a[1], p)),
    "if": Context._choose,
    "eval": Context._eval,
}
assert _CALLS.keys() == SUBSTITUTIONS.keys(), "every documented substitution is implemented and vice versa"
