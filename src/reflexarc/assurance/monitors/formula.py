# SPDX-License-Identifier: Apache-2.0
r"""Formulas of past-time signal temporal logic, as the parser builds them.

Robustness at sample t of a formula phi over signals x (Fainekos and Pappas 2009; the past operators as in Maler and
Nickovic 2004), windows [a, b] in whole samples:

    x <= y               y(t) - x(t)
    not phi              -rho(phi, t)
    phi and psi          min;      phi or psi: max;      phi -> psi: max(-rho(phi), rho(psi))
    once[a, b] phi       max over t' in [t - b, t - a] of rho(phi, t')
    historically[a, b]   min over the same
    phi since[a, b] psi  max over t' in [t - b, t - a] of min(rho(psi, t'), min over t'' in (t', t] of rho(phi, t''))
    previously phi       rho(phi, t - 1)
    rise phi             min(-rho(phi, t - 1), rho(phi, t));      fall phi: min(rho(phi, t - 1), -rho(phi, t))

A formula holds where its robustness is positive. Every window ends: memory is bounded.
"""

from dataclasses import dataclass
from typing import TypeAlias

from reflexarc.assurance.monitors.units import Unit


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: float
    """In `unit`."""
    unit: Unit


@dataclass(frozen=True, slots=True)
class Name:
    """A signal or a named constant."""

    name: str
    column: int
    """Where it stands in the text, from 1."""


@dataclass(frozen=True, slots=True)
class Sum:
    """a + sign b."""

    a: "Term"
    b: "Term"
    sign: float


@dataclass(frozen=True, slots=True)
class Product:
    """A constant times a term."""

    a: "Term"
    b: "Term"
    column: int


@dataclass(frozen=True, slots=True)
class Call:
    """`abs`, `min` or `max` of terms."""

    function: str
    arguments: tuple["Term", ...]


Term: TypeAlias = Number | Name | Sum | Product | Call


@dataclass(frozen=True, slots=True)
class Predicate:
    """smaller <= larger, or smaller < larger where strict."""

    smaller: Term
    larger: Term
    strict: bool
    column: int


@dataclass(frozen=True, slots=True)
class Flag:
    """A signal of unit bool; its robustness is infinity of either sign, so that it selects and never measures."""

    name: Name


@dataclass(frozen=True, slots=True)
class Not:
    """Negation."""

    of: "Formula"


@dataclass(frozen=True, slots=True)
class Join:
    """`and`, `or` or `->` of two formulas."""

    word: str
    a: "Formula"
    b: "Formula"


@dataclass(frozen=True, slots=True)
class Window:
    """Times before now, both included. [s]"""

    first: float
    last: float
    column: int


@dataclass(frozen=True, slots=True)
class Past:
    """`once` or `historically`."""

    word: str
    window: Window
    of: "Formula"


@dataclass(frozen=True, slots=True)
class Since:
    """a since[window] b."""

    window: Window
    a: "Formula"
    b: "Formula"


@dataclass(frozen=True, slots=True)
class Before:
    """`previously`, `rise` or `fall`: what looks at the sample before."""

    word: str
    of: "Formula"


Formula: TypeAlias = Predicate | Flag | Not | Join | Past | Since | Before
