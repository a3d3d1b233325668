# SPDX-License-Identifier: Apache-2.0
r"""Units of constants and signals: a factor to SI and the exponents of m, kg, s and rad.

Written as everywhere in the project: factors separated by spaces, each `/` before one factor of the denominator, `^`
before a whole exponent; `m/s^2`, `N s/m`, `1/s`. The radian counts as a dimension, so that angles are no plain numbers.
"""

import re
from typing import NamedTuple

from reflexarc.core.errors import ConfigError, UnknownNameError

BOOL = "bool"
"""Unit of a signal that is either 0 or 1."""
_FACTOR = re.compile(r"([A-Za-z%]+|1)(?:\^(-?\d))?")


class Unit(NamedTuple):
    """A unit as a multiple of coherent SI units."""

    factor: float
    """Value in SI of one of it."""
    dimension: tuple[int, int, int, int]
    """Exponents of m, kg, s, rad."""


NONE = (0, 0, 0, 0)
"""Dimension of plain numbers."""
_M, _KG, _S, _RAD = (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)
_NEWTON = (1, 1, -2, 0)
UNITS = {
    "1": Unit(1.0, NONE),
    "%": Unit(0.01, NONE),
    "m": Unit(1.0, _M),
    "cm": Unit(0.01, _M),
    "mm": Unit(0.001, _M),
    "km": Unit(1000.0, _M),
    "kg": Unit(1.0, _KG),
    "g": Unit(0.001, _KG),
    "s": Unit(1.0, _S),
    "ms": Unit(0.001, _S),
    "min": Unit(60.0, _S),
    "h": Unit(3600.0, _S),
    "Hz": Unit(1.0, (0, 0, -1, 0)),
    "rad": Unit(1.0, _RAD),
    "deg": Unit(0.017453292519943295, _RAD),
    "N": Unit(1.0, _NEWTON),
    "kN": Unit(1000.0, _NEWTON),
    "J": Unit(1.0, (2, 1, -2, 0)),
    "W": Unit(1.0, (2, 1, -3, 0)),
    "Pa": Unit(1.0, (-1, 1, -2, 0)),
}
_SYMBOLS = ("m", "kg", "s", "rad")


def parse_unit(text: str, where: str = "") -> Unit:
    """Return the unit that `text` names.

    Raises:
        UnknownNameError: a factor is not in `UNITS`.
        ConfigError: the text is no product of factors.
    """
    factor, dimension = 1.0, NONE
    place = f" in {where}" if where else ""
    for number, part in enumerate(text.split("/")):
        words = part.split()
        if not words:
            raise ConfigError(f"unit {text!r}{place}: a factor is missing; write it like m/s^2 or N s/m")
        for position, word in enumerate(words):
            match = _FACTOR.fullmatch(word)
            if match is None:
                raise ConfigError(
                    f"unit {text!r}{place}: {word!r} is no factor; write it like m/s^2 or N s/m"
                )
            if match[1] not in UNITS:
                raise UnknownNameError("unit", match[1], UNITS, where)
            below = number > 0 and position == 0
            power = int(match[2] or 1) * (-1 if below else 1)
            unit = UNITS[match[1]]
            factor *= unit.factor**power
            dimension = times(dimension, unit.dimension, power)
    return Unit(factor, dimension)


def si_unit(text: str, where: str) -> Unit:
    """Return a unit whose factor to SI is 1.

    Raises:
        ConfigError: it is another multiple, or no unit.
    """
    unit = parse_unit(text, where)
    if unit.factor != 1.0:
        raise ConfigError(
            f"{where}: the unit {text!r} is not SI; signals and robustness are in {describe(unit.dimension)}"
        )
    return unit


def times(
    a: tuple[int, int, int, int], b: tuple[int, int, int, int], power: int = 1
) -> tuple[int, int, int, int]:
    """Return the dimension of a b^power."""
    return (a[0] + power * b[0], a[1] + power * b[1], a[2] + power * b[2], a[3] + power * b[3])


def describe(dimension: tuple[int, int, int, int]) -> str:
    """Return a dimension in words of SI: `m/s^2`; `1` for plain numbers."""
    for name, unit in UNITS.items():
        if unit.factor == 1.0 and unit.dimension == dimension and name != "Hz":
            return name
    above = [_power(s, e) for s, e in zip(_SYMBOLS, dimension, strict=True) if e > 0]
    below = [_power(s, -e) for s, e in zip(_SYMBOLS, dimension, strict=True) if e < 0]
    return "/".join([" ".join(above) or "1", *below])


def _power(symbol: str, exponent: int) -> str:
    return symbol if exponent == 1 else f"{symbol}^{exponent}"
