# SPDX-License-Identifier: Apache-2.0
"""From the episode table to the columns of a model: what counts, what it costs, how the run really ended.

The published rules (CostNav metrics.py, injury.py, mission manager) are applied to contact episodes with
their resultant impulse, where the published code takes the first contact point of a callback; a run whose
counted impulses use up the impulse health before it ends becomes a physical assistance, and what comes later
does not count.
"""

import numpy as np
import numpy.typing as npt

from reflexarc.core.types import Array
from reflexarc.economics.catalogue import PROPERTY, PUBLISHED_PROPERTY
from reflexarc.economics.episodes import CONTACT_CLASSES, Episodes
from reflexarc.economics.injury import injury_cost, limit_delta_v, severity_cost
from reflexarc.economics.outcomes import OUTCOMES, Outcome
from reflexarc.economics.parameters import Parameters

STANDING_SPEED = 0.1
"""A robot slower than this stands; as in the run summary. [m/s]"""
KW_PER_W = 1e-3
Mask = npt.NDArray[np.bool_]
_LEVEL_NAMES = ("0", "1", "2", "3", "4", "5", "fatal")


def published(episodes: Episodes, p: Parameters) -> dict[str, Array]:
    """Return the columns of v2, v5 and v6, each of shape (n,)."""
    _, counted, outcome = _health(episodes, p)
    c = episodes.contacts
    people = counted & (c.kind == 0)
    injuries = injury_cost(c.impulse / p["robot_mass"], level_costs(p), p["injury_adjustment"])
    return _shares(outcome) | {
        "power_kw": mean_power(episodes, p),
        "injury_usd": _given_or(episodes.injury_usd, _sum(episodes, injuries, people)),
        "property_usd": _property(episodes, p, counted, PUBLISHED_PROPERTY, np.ones(len(PROPERTY))),
    }


def legacy(episodes: Episodes, p: Parameters) -> dict[str, Array]:
    """Return the columns of v1: every contact's impulse counts, whatever was hit."""
    c = episodes.contacts
    return _shares(episodes.outcome) | {
        "power_kw": mean_power(episodes, {"rolling_force": 18.179}),
        "impulse_ns": _sum(episodes, c.impulse, np.ones(len(c), bool)),
    }


def measured(episodes: Episodes, p: Parameters) -> dict[str, Array]:
    """Return the columns of `reflexarc`, each of shape (n,)."""
    alive, _, outcome = _health(episodes, p)
    c = episodes.contacts
    pushed = c.impulse / p["pedestrian_mass"]
    delta_v = np.where(np.isnan(c.delta_v), pushed, np.minimum(c.delta_v, pushed))
    limit = limit_delta_v(
        p["contact_force_limit"], p["contact_stiffness"], p["robot_mass"], p["pedestrian_mass"]
    )
    costs = severity_cost(
        delta_v, c.peak_force, level_costs(p), p["injury_adjustment"], p["contact_force_limit"], limit
    )
    costs = costs * np.where(c.robot_speed <= STANDING_SPEED, p["standing_liability"], 1.0)
    share = np.array([p["glass_share"] if name == "building_glass" else 1.0 for name in PROPERTY])
    energy = np.where(
        np.isnan(episodes.energy_kwh),
        mean_power(episodes, p) * episodes.duration_s / 3600.0,
        episodes.energy_kwh,
    )
    return _shares(outcome) | {
        "injury_usd": _given_or(episodes.injury_usd, _sum(episodes, costs, alive & (c.kind == 0))),
        "property_usd": _property(episodes, p, alive, PROPERTY, share),
        "km": episodes.distance_m / 1000.0,
        "hours": episodes.duration_s / 3600.0,
        "traction_kwh": energy,
    }


def mean_power(episodes: Episodes, p: Parameters | dict[str, float]) -> Array:
    """Return the mean mechanical power of each run, shape (n,): as given, else F v with v and then P cut
    (not rounded) to four decimals, as CostNav's scripts/eval.sh does. [kW]
    """
    v = _cut(episodes.distance_m / np.where(episodes.duration_s > 0.0, episodes.duration_s, np.inf))
    return _given_or(episodes.power_kw, _cut(p["rolling_force"] * v * KW_PER_W))


def level_costs(p: Parameters) -> Array:
    """Return the cost of exactly MAIS 0..5 and fatal, shape (7,). [usd]"""
    return np.array([p[f"injury_cost_{name}"] for name in _LEVEL_NAMES])


def unpriced(episodes: Episodes, p: Parameters) -> dict[str, int]:
    """Return how many contacts of each class have no price in a model with parameters `p`."""
    names = [CONTACT_CLASSES[k] for k in episodes.contacts.kind]
    totals = {name: names.count(name) for name in CONTACT_CLASSES[1:]}
    for i, name in enumerate(PROPERTY):
        totals[name] += int(np.nansum(episodes.property_counts[:, i]))
    return {name: count for name, count in totals.items() if count and f"{name}_price" not in p}


def _health(episodes: Episodes, p: Parameters) -> tuple[Mask, Mask, npt.NDArray[np.int64]]:
    """Return which contacts happen before the run's health is used up and which of them count towards it, each of shape
    (c,), and the outcome with the impulse health applied, shape (n,).
    """
    c = episodes.contacts
    counted = c.impulse >= p["contact_impulse"]
    total = np.concatenate(([0.0], np.cumsum(np.where(counted, c.impulse, 0.0))))
    base = total[np.searchsorted(c.row, c.row, side="left")]  # what earlier runs have used
    alive = total[:-1] - base < p["health_impulse"]
    emptied = (total[1:] - base >= p["health_impulse"]) & (c.time < episodes.duration_s[c.row])
    outcome = episodes.outcome.copy()
    outcome[c.row[emptied]] = OUTCOMES.index(Outcome.ASSISTANCE)
    return alive, counted & alive, outcome


def _shares(outcome: npt.NDArray[np.int64]) -> dict[str, Array]:
    names = {"spoiled": Outcome.SPOILED, "timeout": Outcome.TIMEOUT, "assistance": Outcome.ASSISTANCE}
    return {name: (outcome == OUTCOMES.index(kind)).astype(np.float64) for name, kind in names.items()}


def _property(
    episodes: Episodes, p: Parameters, counted: npt.NDArray[np.bool_], classes: tuple[str, ...], share: Array
) -> Array:
    c, total = episodes.contacts, np.zeros(len(episodes))
    for i, name in enumerate(PROPERTY):
        if name not in classes:
            continue
        hit = counted & (c.kind == i + 1) & (c.impulse >= p["property_impulse"])
        counts = _given_or(episodes.property_counts[:, i], _sum(episodes, np.ones(len(c)), hit))
        total += counts * share[i] * p[f"{name}_price"]
    return total


def _sum(episodes: Episodes, values: Array, mask: npt.NDArray[np.bool_]) -> Array:
    sums = np.bincount(episodes.contacts.row[mask], weights=values[mask], minlength=len(episodes))
    return sums.astype(np.float64)


def _given_or(given: Array, computed: Array) -> Array:
    return np.where(np.isnan(given), computed, given)


def _cut(values: Array) -> Array:
    """Cut to four decimals; the small term keeps 0.0212 from becoming 0.0211 by its binary representation."""
    return np.floor(values * 1e4 + 1e-9) / 1e4
