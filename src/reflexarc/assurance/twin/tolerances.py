# SPDX-License-Identifier: Apache-2.0
"""How far a twin may be from a log, per metric, with the reason."""

import math
from dataclasses import dataclass
from pathlib import Path

from reflexarc.assurance.twin.contact import CONTACT_UNITS
from reflexarc.assurance.twin.gap import UNITS
from reflexarc.assurance.twin.latency import EFFECT, LOOP
from reflexarc.assurance.twin.modes import MODES
from reflexarc.core.config import from_mapping, quantity, read_yaml
from reflexarc.core.errors import ConfigError, UnknownNameError

DEFAULT = Path(__file__).resolve().parents[1] / "twin_tolerances.yaml"
PAIRED = {"event_time": "s", "stl_sign": "1"}
"""Metrics of paired closed-loop drives and their units."""
ALL = UNITS | EFFECT | CONTACT_UNITS | PAIRED | LOOP | MODES
"""Every metric and its unit."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Of one metric, in its own unit."""

    tolerance: float = quantity(low=1e-9, high=1e3, doc="largest magnitude allowed")
    unit: str = quantity(doc="unit of the metric")
    reason: str = quantity(doc="why this much")
    seen: float | None = quantity(None, low=0.0, high=1e3, doc="largest magnitude when calibrated")


def read_tolerances(path: Path = DEFAULT) -> dict[str, Tolerance]:
    """Read a file of tolerances; every metric must have one.

    Raises:
        UnknownNameError: a key is no metric.
        ConfigError: a metric is missing, has another unit, no reason, or a tolerance below what calibration saw.
    """
    data, known = read_yaml(path), ALL
    for name in data:
        if name not in known:
            raise UnknownNameError("metric", str(name), known, str(path))
    found = {}
    for name, unit in known.items():
        if name not in data:
            raise ConfigError(f"{path}: the metric {name!r} has no tolerance; nothing was judged")
        found[name] = item = from_mapping(Tolerance, data[name], f"{path}: {name}")
        if item.unit != unit or not item.reason.strip():
            raise ConfigError(f"{path}: {name}: unit must be {unit!r}, found {item.unit!r}, with a reason")
        if item.seen is not None and not math.fabs(item.seen) < item.tolerance:
            raise ConfigError(
                f"{path}: {name}: tolerance {item.tolerance} is not above {item.seen}, seen before"
            )
    return found
