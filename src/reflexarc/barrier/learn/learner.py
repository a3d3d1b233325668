# SPDX-License-Identifier: Apache-2.0
"""What a learner is: a function from transitions, a seed and a configuration to something learned."""

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from reflexarc.barrier.learn.transitions import Transitions
from reflexarc.barrier.learned import LearnedBarrier
from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.training import Checkpoint
from reflexarc.core.types import Array

Progress = Callable[[int, int, Mapping[str, float]], None]
"""Told: steps done, steps in all, figures of the training."""
Config = TypeVar("Config")

LEARNERS = ("vocbf", "published", "bc", "fisor", "cpq", "bcq_lag", "ccbf")
"""Names of the learners; each is a module of this package with a function `train`."""


@dataclass(frozen=True)
class Learned:
    """What came out of a training. States are batches, shape (batch, n); units those of the data.

    V >= 0 is the safe set, whatever the learner's own sign convention.
    """

    learner: str
    config: dict[str, Any]
    """Every parameter that was used."""
    value: Callable[[Array], Array] | None = None
    """V: (batch, n) -> (batch,)."""
    value_and_gradient: Callable[[Array], tuple[Array, Array]] | None = None
    """V and its gradient: (batch, n) -> (batch,), (batch, n). A barrier to be used in a QP has it."""
    policy: Callable[[Array], Array] | None = None
    """Input of the learned policy: (batch, n) -> (batch, m)."""
    filter: Callable[[Array, Array], Array] | None = None
    """Learner's own filter of a nominal input: (batch, n), (batch, m) -> (batch, m)."""
    dynamics: Any = None
    """Learned control-affine model (`dynamics.LearnedDynamics`) where the learner made one."""
    barrier: LearnedBarrier | None = None
    """The barrier as it is written to its file, where the learner makes one."""
    tensors: dict[str, Array] = field(default_factory=dict)
    """Further weights worth keeping, by name."""
    log: list[dict[str, float]] = field(default_factory=list)
    """Figures during the training, with the key `step`."""


class Learner(Protocol):
    """The function `train` of a learner's module."""

    def __call__(
        self,
        data: Transitions,
        seed: int,
        config: Mapping[str, Any],
        progress: Progress | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> Learned:
        """Learn from `data`.

        Args:
            data: recorded transitions.
            seed: of weights and batches; the same seed gives the same result.
            config: parameters that differ from the learner's defaults, among them always `steps`.
            progress: told now and then.
            checkpoint: where to save and from where to go on.

        Raises:
            ConfigError: unknown or unacceptable parameter, or data that the learner cannot use.
        """
        ...


def learner(name: str) -> Learner:
    """Return the learner `name`.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name not in LEARNERS:
        raise UnknownNameError("learner", name, LEARNERS)
    return importlib.import_module(f"reflexarc.barrier.learn.{name}").train


def config_from(kind: type[Config], values: Mapping[str, Any], where: str) -> Config:
    """Build the configuration dataclass `kind` from `values`; numbers and lists are brought to the field's type.

    Raises:
        ConfigError: a name that is no field, or a value of the wrong type.
    """
    fields = {f.name: f for f in dataclasses.fields(kind)}  # pyright: ignore[reportArgumentType]
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        if name not in fields:
            raise UnknownNameError("parameter", name, fields, where)
        default = fields[name].default
        try:
            arguments[name] = tuple(value) if isinstance(default, tuple) else type(default)(value)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"{where}: {name} must be of type {type(default).__name__}, got {value!r}"
            ) from error
    return kind(**arguments)
