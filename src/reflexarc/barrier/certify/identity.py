# SPDX-License-Identifier: Apache-2.0
"""What a certificate is about: the system of a barrier, and a hash of a system's definition."""

import hashlib
import json

import jax
import numpy as np

from reflexarc.barrier.learned import LearnedBarrier
from reflexarc.core.errors import ModelError
from reflexarc.core.types import Array
from reflexarc.robots.systems import find_system
from reflexarc.robots.systems.system import Ball, System

POINTS = 64
"""States at which the functions of a system are sampled for its hash."""
DIGITS = 6
"""Significant digits of the samples: fewer than two machines differ by, more than two systems agree by."""


def system_of(barrier: LearnedBarrier) -> System:
    """Return the system that a barrier was learned for.

    Raises:
        UnknownNameError: no such system.
        ModelError: its state has other coordinates, or an arm's kinematics are not installed.
    """
    system = find_system(barrier.system, "the barrier's file")
    names = tuple(c.name for c in system.state)
    if names != barrier.state:
        raise ModelError(f"the barrier is for the state {barrier.state}, {system.name} has {names}; refused")
    return system


def system_hash(system: System) -> str:
    """Return the SHA-256 of a system's definition.

    It covers names, units, bounds, box, period, episode, and f, g, l and the nominal controller at fixed states:
    whatever changes one of them makes it another system.
    """
    inputs = system.inputs
    bounds = (
        ["ball", _rounded(inputs.radius), inputs.size]
        if isinstance(inputs, Ball)
        else ["box", _rounded(inputs.lower), _rounded(inputs.upper)]
    )
    x = np.random.default_rng(0).uniform(system.low, system.high, (POINTS, system.n))
    with jax.enable_x64(True):
        samples = [
            _rounded(jax.vmap(function)(x))
            for function in (system.f, system.g, system.margin, system.nominal)
        ]
    content = {
        "name": system.name,
        "state": [list(c) for c in system.state],
        "input": [list(c) for c in system.input],
        "bounds": bounds,
        "low": _rounded(system.low),
        "high": _rounded(system.high),
        "period": _rounded(system.period),
        "steps": system.steps,
        "periodic": list(system.periodic),
        "samples": samples,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _rounded(values: Array | float) -> list[str]:
    numbers = np.asarray(values, dtype=np.float64).ravel() + 0.0
    # a number that is zero but for rounding is zero on every machine
    return ["0" if abs(v) < 1e-12 else f"{v:.{DIGITS - 1}e}" for v in numbers]
