# SPDX-License-Identifier: Apache-2.0
"""A suite of one requirement whose runs cost nothing: gap > 0, and a flag that asks for it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from reflexarc.assurance.monitors.monitor import Signal
from reflexarc.assurance.monitors.recorded import Samples
from reflexarc.assurance.monitors.requirements import Requirement, Requirements
from reflexarc.assurance.regression.cases import Case, Outcome, Suite, UseCase

REQUIREMENTS = Requirements(
    Path("small.yaml"),
    "small",
    0.1,
    {"gap": Signal("m", 1.0), "asked": Signal("bool", 1.0)},
    {},
    (
        Requirement("GAP", "no touch", "gap > 0 [m]", "m", "the test", "critical"),
        Requirement("ASKED", "where asked, far", "asked -> gap > 1 [m]", "m", "the test", "major"),
    ),
    None,
)
USE_CASES = (
    UseCase("A", "left or right", {"side": ("left", "right"), "speed": ("slow", "fast")}),
    UseCase("B", "up or down", {"side": ("up", "down"), "speed": ("slow", "fast")}, known="down is bad"),
)


def small_suite(gap: Callable[[Case], float], asked: bool = True) -> Suite:
    """Return the suite; `gap` says the smallest gap of a case. [m]"""

    def run(case: Case) -> Outcome:
        time = 0.1 * np.arange(5)
        values = {"gap": np.array([9.0, 9.0, gap(case), 9.0, 9.0]), "asked": np.full(5, float(asked))}
        return Outcome(Samples(time, values, dict.fromkeys(values, time), 0.0), {"least": gap(case)})

    return Suite("small", USE_CASES, REQUIREMENTS, {"GAP": 0.1, "ASKED": 0.1}, run)


def down_is_bad(case: Case) -> float:
    """Return a gap that violates in every case that goes down."""
    return -0.5 if case.levels["side"] == "down" else 2.0
