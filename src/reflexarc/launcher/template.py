# SPDX-License-Identifier: Apache-2.0
"""Syntax of attribute values: text with `$(name argument ...)` inside.

Arguments are separated by one blank; quotes of either kind keep blanks together; arguments may hold further
substitutions; a backslash takes the next character literally. A `$` not followed by `(` is plain text.
"""

import re
import shlex
from dataclasses import dataclass

from reflexarc.launcher.errors import LaunchFileError, Place
from reflexarc.launcher.grammar import SUBSTITUTIONS

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_FORBIDDEN_UNQUOTED = "'\"()"


@dataclass(frozen=True)
class Call:
    """One `$(name argument ...)`."""

    name: str
    arguments: tuple["Template", ...]


Template = tuple[str | Call, ...]
"""Text and calls in the order in which they are written."""


def parse_template(text: str, place: Place) -> Template:
    """Parse one attribute value.

    Raises:
        LaunchFileError: A substitution is not closed, not known, or has a wrong number of arguments.
    """
    return _Scanner(text, place).template(end=None)


def split_words(text: str, place: Place) -> tuple[Template, ...]:
    """Split an attribute that holds a command line into words, as a shell would; a substitution never splits.

    Raises:
        LaunchFileError: As `parse_template`, or a quote is not closed.
    """
    words: list[list[str | Call]] = [[]]
    for part in parse_template(text, place):
        if isinstance(part, Call):
            words[-1].append(part)
            continue
        try:
            tokens = shlex.split(part)
        except ValueError as error:
            raise LaunchFileError(place, f"cannot split {text!r} into words: {error}") from error
        if part[0].isspace() and words[-1]:
            words.append([])
        for index, token in enumerate(tokens):
            if index:
                words.append([])
            words[-1].append(token)
        if part[-1].isspace() and words[-1]:
            words.append([])
    return tuple(tuple(word) for word in words if word)


class _Scanner:
    """Recursive descent over one string."""

    def __init__(self, text: str, place: Place) -> None:
        self._text, self._place, self._at = text, place, 0

    def template(self, end: str | None) -> Template:
        """Read text and calls up to the quote `end`, or to the end of the string."""
        parts: list[str | Call] = []
        while self._at < len(self._text) and self._text[self._at] != end:
            if self._text.startswith("$(", self._at):
                parts.append(self._call())
            else:
                self._add(parts, self._character())
        return tuple(parts)

    def _call(self) -> Call:
        self._at += 2
        found = _NAME.match(self._text, self._at)
        if found is None:
            raise self._error("a substitution must start with a name")
        self._at = found.end()
        name, arguments = found.group(), []
        while self._peek() == " ":
            self._at += 1
            arguments.append(self._argument())
        if self._peek() != ")":
            raise self._error(f"substitution $({name} is not closed by ')'")
        self._at += 1
        if name not in SUBSTITUTIONS:
            raise LaunchFileError(
                self._place, f"unknown substitution $({name} ...) in {self._text!r}", SUBSTITUTIONS
            )
        rule = SUBSTITUTIONS[name]
        if len(arguments) not in rule.arguments:
            raise self._error(f"$({name}) is given {len(arguments)} arguments; its form is {rule.form}")
        return Call(name, tuple(arguments))

    def _argument(self) -> Template:
        quote = self._peek()
        if quote in ("'", '"'):
            self._at += 1
            inner = self.template(end=quote)
            if self._peek() != quote:
                raise self._error("a quote is not closed")
            self._at += 1
            return inner
        parts: list[str | Call] = []
        while (character := self._peek()) not in ("", " ", ")"):
            if self._text.startswith("$(", self._at):
                parts.append(self._call())
            elif character in _FORBIDDEN_UNQUOTED:
                raise self._error(f"character {character!r} must be escaped or quoted inside a substitution")
            else:
                self._add(parts, self._character())
        if not parts:
            raise self._error("an argument is empty; arguments are separated by exactly one blank")
        return tuple(parts)

    def _character(self) -> str:
        escaped = self._text[self._at] == "\\" and self._at + 1 < len(self._text)
        self._at += 1 + escaped
        return self._text[self._at - 1]

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    @staticmethod
    def _add(parts: list[str | Call], character: str) -> None:
        if parts and isinstance(parts[-1], str):
            parts[-1] += character
        else:
            parts.append(character)

    def _error(self, what: str) -> LaunchFileError:
        return LaunchFileError(self._place, f"{what}, in {self._text!r}")
