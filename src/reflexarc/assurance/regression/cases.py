# SPDX-License-Identifier: Apache-2.0
"""Use cases with factors, the cases that cover them in pairs, and the suite that knows how to run one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from reflexarc.assurance.monitors.recorded import Samples
from reflexarc.assurance.monitors.requirements import Requirements
from reflexarc.assurance.regression.pairwise import Levels, Pair, cover
from reflexarc.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class UseCase:
    """What a person does, and in which ways it may differ."""

    name: str
    text: str
    factors: Levels
    forbidden: Sequence[Levels] = ()
    known: str = ""
    """Why some of its cases violate a requirement, where that is known and nobody claims otherwise."""


@dataclass(frozen=True, slots=True)
class Case:
    """One row."""

    use_case: str
    levels: Mapping[str, str]

    @property
    def id(self) -> str:
        """The name by which a baseline knows it, such as `U1 angle=0 speed=1.6`."""
        return " ".join([self.use_case, *(f"{name}={level}" for name, level in self.levels.items())])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of a case left."""

    samples: Samples
    """Every signal of the suite's requirements."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """What else is worth telling, such as mishaps and productivity."""


@dataclass(frozen=True, slots=True)
class Suite:
    """Everything that a regression needs."""

    name: str
    use_cases: Sequence[UseCase]
    requirements: Requirements
    tolerances: Mapping[str, float]
    """Requirement to the drop of its minimum that is no regression, in its unit."""
    run: Callable[[Case], Outcome]
    seed: int = 0
    """Of the covering arrays."""

    def __post_init__(self) -> None:
        names = {requirement.id for requirement in self.requirements.requirements}
        if set(self.tolerances) != names:
            raise ConfigError(
                f"suite {self.name}: tolerances for {', '.join(sorted(self.tolerances))}, needed exactly: "
                f"{', '.join(sorted(names))}"
            )
        for name, value in self.tolerances.items():
            if not 0.0 <= value < float("inf"):
                raise ConfigError(
                    f"suite {self.name}: tolerance of {name} is {value}; it must be finite and >= 0"
                )


@dataclass(frozen=True, slots=True)
class Plan:
    """The cases of a suite."""

    cases: tuple[Case, ...]
    impossible: Mapping[str, tuple[Pair, ...]]
    """Use case to the pairs that its constraints exclude."""


def plan(suite: Suite) -> Plan:
    """Return the cases of every use case: each pair of levels at least once."""
    cases: list[Case] = []
    impossible = {}
    for item in suite.use_cases:
        found = cover(item.factors, item.forbidden, suite.seed)
        cases += [Case(item.name, row) for row in found.rows]
        impossible[item.name] = found.impossible
    return Plan(tuple(cases), impossible)
