# SPDX-License-Identifier: Apache-2.0
"""The table of cost models: what each takes from the runs and how it charges.

A model turns the episode table into one row of numbers per run (its columns). Everything else is a function
of the means of these columns, so a resample of the runs is a resample of rows, and arrays of resampled means
go through the same formulas as the one statement.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.types import Array
from reflexarc.economics import charges, extraction
from reflexarc.economics.catalogue import REFLEXARC, V1, V5
from reflexarc.economics.episodes import Episodes
from reflexarc.economics.outcomes import V2_THRESHOLDS, V5_THRESHOLDS, Thresholds
from reflexarc.economics.parameters import Parameters

CONVENTIONS = ("gross", "sla_scaled", "no_double_refund")
"""Revenue: the fee of every run with refunds as costs; the fee of successes with refunds as costs on top
(charged twice); the fee of successes and no refund of a fee that was never booked.
"""
PUBLISHED_COMPONENTS = ("electricity", "service", "pedestrian", "property", "repair")
COMPONENTS = (*PUBLISHED_COMPONENTS, "operator", "rescue")

Means = Mapping[str, Array | float]


@dataclass(frozen=True, slots=True)
class Capex:
    """What one robot costs before its first run."""

    robot: float = 0.0
    """[usd]"""
    lidar: float = 0.0
    """[usd]"""
    gps: float = 0.0
    """[usd]"""
    data_collection_hours: float = 0.0
    """[h]"""
    compute: float = 0.0
    """Only priced by v1. [usd]"""
    camera: float = 0.0
    """Only priced by v1. [usd]"""
    training_impulse_ns: float = 0.0
    """Mean impulse of a collision in training; v1 prices the wear. [N s]"""
    training_collision_rate: float = 0.0
    """Share of training episodes with a collision; only v1."""
    training_episodes: float = 0.0
    """Only v1."""


@dataclass(frozen=True, slots=True)
class CostModel:
    """One cost model with its parameters."""

    name: str
    title: str
    parameters: Parameters
    convention: str
    """Its own revenue convention."""
    columns: tuple[str, ...]
    """What it takes from each run, apart from `success`."""
    components: tuple[str, ...]
    """Components of its operating cost."""
    extract: Callable[[Episodes, Parameters], dict[str, Array]] = field(repr=False)
    charge: Callable[[Means, Parameters, str, float], dict[str, Array]] = field(repr=False)
    capital: Callable[[Capex, Parameters], float] = field(repr=False)
    thresholds: Thresholds = V5_THRESHOLDS
    refuses_rank_without_success: bool = False
    """Whether a policy that never delivers has no rank."""

    def with_parameters(self, parameters: Parameters) -> "CostModel":
        """Return the model with other values."""
        return dataclasses.replace(self, parameters=parameters)

    def features(self, episodes: Episodes) -> Array:
        """Return one row per run with `columns`, shape (n, len(columns))."""
        values = self.extract(episodes, self.parameters)
        return np.column_stack([values[name] for name in self.columns])

    def means(self, table: Array) -> dict[str, Array]:
        """Name the columns of means or of resampled means, shape (..., len(columns)), and add the success
        share.
        """
        named: dict[str, Any] = {name: table[..., i] for i, name in enumerate(self.columns)}
        named["success"] = 1.0 - sum(
            named[name] for name in ("spoiled", "timeout", "assistance") if name in named
        )
        return named

    def figures(self, means: Means, capex: float, convention: str | None = None) -> dict[str, Array]:
        """Return every figure of the statement from the means of the columns, in usd and usd per run."""
        convention = self.convention if convention is None else convention
        if convention not in CONVENTIONS:
            raise UnknownNameError("revenue convention", convention, CONVENTIONS)
        return self.charge(means, self.parameters, convention, capex)


_SHARES = ("spoiled", "timeout", "assistance")
_V5_COLUMNS = (*_SHARES, "power_kw", "injury_usd", "property_usd")


def _v5(name: str, title: str, convention: str, thresholds: Thresholds) -> CostModel:
    return CostModel(
        name, title, V5, convention, _V5_COLUMNS, PUBLISHED_COMPONENTS, extraction.published, charges.published,
        charges.published_capital, thresholds,
    )  # fmt: skip


MODELS: dict[str, CostModel] = {
    "v1": CostModel(
        "v1", "CostNav v1, 2025-11", V1, "sla_scaled", (*_SHARES, "power_kw", "impulse_ns"), PUBLISHED_COMPONENTS,
        extraction.legacy, charges.legacy, charges.legacy_capital,
    ),
    "v2": _v5("v2", "CostNav v2, 2026-02", "gross", V2_THRESHOLDS),
    "v5": _v5("v5", "CostNav v5, 2026-03", "gross", V5_THRESHOLDS),
    "v6": _v5("v6", "CostNav v6, 2026", "sla_scaled", V5_THRESHOLDS),
    "reflexarc": CostModel(
        "reflexarc", "ReflexArc", REFLEXARC, "no_double_refund",
        (*_SHARES, "injury_usd", "property_usd", "km", "hours", "traction_kwh"), COMPONENTS, extraction.measured,
        charges.per_trip, charges.shared_capital, refuses_rank_without_success=True,
    ),
    "reflexarc_run": CostModel(
        "reflexarc_run", "ReflexArc, per run as driven", REFLEXARC, "no_double_refund",
        (*_SHARES, "injury_usd", "property_usd", "km", "hours", "traction_kwh"), COMPONENTS, extraction.measured,
        charges.per_run, charges.shared_capital, refuses_rank_without_success=True,
    ),
}  # fmt: skip
"""The cost models by name."""


def cost_model(name: str, parameters: Parameters | None = None) -> CostModel:
    """Return a model of the table, with other parameters if given.

    Raises:
        UnknownNameError: no such model; the message lists those that exist.
    """
    if name not in MODELS:
        raise UnknownNameError("cost model", name, MODELS)
    model = MODELS[name]
    return model if parameters is None else model.with_parameters(parameters)


def check_fractions(success: float, spoiled: float, timeout: float, assistance: float, where: str) -> None:
    """Refuse outcome shares that are no distribution.

    Raises:
        ConfigError: one lies outside [0, 1], or they do not sum to one within 1e-6.
    """
    shares = {"S_SLA": success, "S_Spoiled": spoiled, "S_Timeout": timeout, "S_Phys": assistance}
    for name, value in shares.items():
        if not 0.0 <= value <= 1.0:
            raise ConfigError(
                f"{where}: field {name!r}: {value} is not a share between 0 and 1; nothing was computed"
            )
    total = sum(shares.values())
    if not abs(total - 1.0) <= 1e-6:
        listed = " + ".join(f"{name} {value:g}" for name, value in shares.items())
        raise ConfigError(
            f"{where}: the outcome shares must sum to 1 (within 1e-6), but {listed} = {total:.9g}; nothing was computed"
        )
