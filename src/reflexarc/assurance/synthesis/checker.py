# SPDX-License-Identifier: Apache-2.0
"""Probabilistic model checking in a process of its own, with a time limit for every query.

A query that does not answer in time is ended with its process and reported as undecided; the rest goes on in a new one.
An undecided query has no value, and nothing without a value counts as satisfied.
"""

import contextlib
import json
import select
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from reflexarc.core.errors import ConfigError, ModelError

QUERY_LIMIT_S = 60.0
"""Longest time for the building of a model or for one query. [s]"""
START_LIMIT_S = 60.0
"""Longest time for the start of the process, which loads Storm. [s]"""


class Query(NamedTuple):
    """One question in PRISM's property language."""

    name: str
    formula: str
    over: str = ""
    """Label: least, mean and largest value over its states; without it the value of the initial state."""


@dataclass(slots=True)
class Answers:
    """What became of the queries on one model."""

    states: int = 0
    transitions: int = 0
    values: dict[str, Any] = field(default_factory=dict)
    """Query to its value: a number, or {min, mean, max, states}."""
    undecided: dict[str, str] = field(default_factory=dict)
    """Query to the reason why it has no value."""

    def number(self, name: str) -> float | None:
        """Return the value of the initial state, None if undecided."""
        return self.values.get(name)

    def over(self, name: str, key: str, empty: float) -> float | None:
        """Return the least ('min'), mean or largest ('max') value; `empty` over no state, None if undecided."""
        found = self.values.get(name)
        return None if found is None else found.get(key, empty)


class Checker:
    """Owns the process. Use as a context manager, from one thread.

    Raises:
        ConfigError: a time limit that is not positive, or Storm is not installed.
    """

    def __init__(self, limit_s: float = QUERY_LIMIT_S, command: Sequence[str] = ()) -> None:
        if not 0.0 < limit_s < 1e6:
            raise ConfigError(f"the time limit of a query is {limit_s} s; allowed: above 0")
        self._limit = limit_s
        self._command = list(command) or [sys.executable, "-m", "reflexarc.assurance.synthesis.worker"]
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def check(self, model: str, queries: Sequence[Query], explore: bool = False) -> Answers:
        """Build the model and answer every query.

        Args:
            model: text in the PRISM language.
            queries: the questions.
            explore: also answer `explore`: the states of the supervisor's turn, with labels and successors.

        Raises:
            ConfigError: Storm is not installed.
            ModelError: Storm refuses the model.
        """
        answers, waiting = Answers(), list(queries)
        while waiting or explore:
            names = [query.name for query in waiting] + (["explore"] if explore else [])
            self._ask({"model": model, "queries": [query._asdict() for query in waiting], "explore": explore})
            built = self._hear(self._limit)
            if built is None:
                answers.undecided.update(dict.fromkeys(names, self._silent("the model was not built")))
                return answers
            if "error" in built:
                raise ModelError(f"Storm refuses the model: {built['error']}")
            answers.states, answers.transitions = built["states"], built["transitions"]
            for name in names:
                heard = self._hear(self._limit)
                if heard is None:
                    answers.undecided[name] = self._silent("no answer")
                elif "error" in heard:
                    answers.undecided[name] = heard["error"]
                else:
                    answers.values[name] = heard["value"]
                waiting = waiting[1:]
                if name == "explore":
                    explore = False
                if heard is None:
                    break
        return answers

    def _ask(self, request: dict[str, Any]) -> None:
        for attempt in range(2):
            process = self._running()
            try:
                assert process.stdin is not None
                process.stdin.write(json.dumps(request).encode() + b"\n")
                process.stdin.flush()
            except BrokenPipeError:
                self._end()
                if attempt:
                    raise ModelError("the process of the model checker ends at once") from None
            else:
                return

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            self._rest = b""
            ready = self._hear(START_LIMIT_S)
            if ready is None or "fatal" in ready:
                self._end()
                raise ConfigError(
                    (ready or {}).get("fatal", "the process of the model checker did not start")
                )
        assert self._process is not None
        return self._process

    def _hear(self, limit: float) -> dict[str, Any] | None:
        """Return the next answer; None, and the process ended, if there is none in time."""
        assert self._process is not None and self._process.stdout is not None
        stream = self._process.stdout
        while b"\n" not in self._rest:
            ready, _, _ = select.select([stream], [], [], limit)
            chunk = stream.read1(1 << 20) if ready else b""  # type: ignore[attr-defined]
            if not chunk:
                self._end()
                return None
            self._rest += chunk
        line, self._rest = self._rest.split(b"\n", 1)
        return json.loads(line)

    def _silent(self, what: str) -> str:
        return f"undecided: {what} within {self._limit:g} s"

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
