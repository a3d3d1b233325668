# SPDX-License-Identifier: Apache-2.0
"""A requirement judged online: the sample is checked first, then the formula is evaluated.

A sample that cannot be trusted is a violation with a reason and never a satisfied requirement, and it enters the
formula's windows as unknown:

    time not finite, before the last sample or the same    violated, the sample is left out
    samples missing before this one                        violated; the missing ones are unknown
    a value or its stamp not finite, a flag not 0 or 1     violated; the sample is unknown
    a value older, or further ahead, than its maximum age  violated; the sample is unknown
    a number of values other than that of the signals      violated; the sample is unknown

Samples lie on a grid of the declared period that starts at the first one; each may be half a period off.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from reflexarc.assurance.monitors.compiled import Dimension, compile_formula
from reflexarc.assurance.monitors.formula import Number
from reflexarc.assurance.monitors.parser import KEYWORDS, parse
from reflexarc.assurance.monitors.units import BOOL, NONE, describe, si_unit
from reflexarc.core.errors import ConfigError


class Outcome(StrEnum):
    """What is known of a requirement at a sample."""

    SATISFIED = "satisfied"
    VIOLATED = "violated"
    UNKNOWN = "unknown"


class Judgement(NamedTuple):
    """Result of one sample."""

    outcome: Outcome
    low: float
    """Smallest possible robustness, in the requirement's unit; -inf at a sample that could not be trusted."""
    high: float
    """Largest; equal to `low` once every window is filled."""
    reason: str = ""
    """Why the sample could not be trusted; empty otherwise."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What a formula may name."""

    unit: str
    """SI, or `bool`."""
    max_age: float
    """Oldest value that counts. [s]"""
    text: str = ""
    """What it is."""


class Monitor:
    """One formula over sampled signals."""

    def __init__(
        self,
        formula: str,
        signals: Mapping[str, Signal],
        period: float,
        unit: str,
        constants: Mapping[str, Number] | None = None,
        scales: Mapping[Dimension, float] | None = None,
    ) -> None:
        """Read and check a formula.

        Args:
            formula: in the syntax of `reflexarc.assurance.monitors.parser`.
            signals: by name.
            period: of the samples. [s]
            unit: of the robustness; `1` with scales or for flags alone.
            constants: named numbers.
            scales: what counts as 1, per dimension; see `compile_formula`.

        Raises:
            ConfigError: the formula cannot be read, uses an unknown name, mixes units or is not in `unit`.
        """
        for name, signal in signals.items():
            if name in KEYWORDS or not name.isidentifier():
                raise ConfigError(f"{name!r} cannot be the name of a signal")
            if not (math.isfinite(signal.max_age) and signal.max_age > 0.0):
                raise ConfigError(f"{name}: the maximum age {signal.max_age} s must be positive and finite")
            if signal.unit != BOOL:
                si_unit(signal.unit, name)
        units = {name: signal.unit for name, signal in signals.items()}
        compiled = compile_formula(parse(formula), units, period, constants, scales)
        stated = si_unit(unit, "robustness").dimension
        if (compiled.dimension or NONE) != stated:
            found = describe(compiled.dimension or NONE)
            raise ConfigError(f"the robustness is in {found}, the requirement says {unit}")
        self.period = period
        self.signals = compiled.signals
        """Names in the order in which `update` expects their values."""
        self.horizon = compiled.horizon
        """Samples before now on which the robustness depends."""
        self._node = compiled.node
        self._ages = tuple(signals[name].max_age for name in self.signals)
        self._flags = tuple(i for i, name in enumerate(self.signals) if signals[name].unit == BOOL)
        self.reset()

    def reset(self) -> None:
        """Forget every sample; the next one starts a new grid."""
        self._node.reset()
        self._start = math.nan
        self._index = -1

    def update(
        self, time: float, values: Sequence[float], stamps: Sequence[float] | None = None
    ) -> Judgement:
        """Judge the requirement at one sample.

        Args:
            time: of the sample. [s]
            values: of `signals`, in SI; flags are 0 or 1.
            stamps: when each value was measured; now if None. [s]
        """
        if not math.isfinite(time):
            return _violated(f"the time {time} s of the sample is not finite")
        if self._index < 0:
            self._start, index = time, 0
        else:
            index = round((time - self._start) / self.period)
            if index <= self._index:
                return _violated(f"the sample at {time:g} s is not after the last one")
        missing = index - self._index - 1
        self._skip(missing)
        self._index = index
        reason = self._fault(time, values, stamps)
        if reason:
            self._node.update(None)
            return _violated(reason)
        low, high = self._node.update(values)
        if missing:
            return _violated(f"{missing} samples are missing before {time:g} s")
        if low > 0.0:
            return Judgement(Outcome.SATISFIED, low, high)
        return Judgement(Outcome.VIOLATED if high < 0.0 else Outcome.UNKNOWN, low, high)

    def _skip(self, missing: int) -> None:
        if missing > self.horizon:
            self._node.reset()
            return
        for _ in range(missing):
            self._node.update(None)

    def _fault(self, time: float, values: Sequence[float], stamps: Sequence[float] | None) -> str:
        """Say why a sample cannot be trusted, or nothing."""
        if len(values) != len(self.signals) or (stamps is not None and len(stamps) != len(self.signals)):
            return f"{len(values)} values for the {len(self.signals)} signals {', '.join(self.signals)}"
        isfinite = math.isfinite
        for name, value in zip(self.signals, values, strict=True):
            if not isfinite(value):
                return f"{name} is {value}"
        for index in self._flags:
            if values[index] not in (0.0, 1.0):
                return f"{self.signals[index]} is {values[index]}, neither 0 nor 1"
        if stamps is not None:
            for name, stamp, limit in zip(self.signals, stamps, self._ages, strict=True):
                if not abs(time - stamp) <= limit:
                    return _age(name, time - stamp, limit)
        return ""


def _violated(reason: str) -> Judgement:
    return Judgement(Outcome.VIOLATED, -math.inf, -math.inf, reason)


def _age(name: str, age: float, limit: float) -> str:
    if not math.isfinite(age):
        return f"{name} has no usable stamp: it is missing or out of order"
    side = "old" if age > 0.0 else "ahead"
    return f"{name} is {abs(age):.3g} s {side}, allowed: {limit:g} s"
