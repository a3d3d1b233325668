# SPDX-License-Identifier: Apache-2.0
"""Range finder and light curtain: sampled, late, noisy, and now and then without an answer.

A sample that does not arrive is noticed by its age: then the signals are None, which the supervisor answers with its
default stop. A sensor that is `blind` answers in time and sees nobody, which nothing notices.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from reflexarc_sim.welding.geometry import Point, distance_to_box, segments_cross
from reflexarc_sim.welding.operator import Operator
from reflexarc_sim.welding.parameters import LightCurtainConfig, RangeFinderConfig, WeldingPlant

_ROUNDING = 1e-9
"""[s]"""


class Sample(NamedTuple):
    """What a sensor has to say."""

    stamp: float
    """When it was measured. [s]"""
    known: float
    """From when it is known. [s]"""
    place: Point | None
    """Range finder: where the person is, None if nobody is within its reach. [m]"""
    interrupted: bool
    """Light curtain."""


class _Sampled:
    """Takes a sample every period; the newest one that has arrived counts."""

    def __init__(
        self, config: RangeFinderConfig | LightCurtainConfig, rng: np.random.Generator, blind: bool
    ) -> None:
        self._config, self._rng, self._blind = config, rng, blind
        self._due = 0.0
        self._under_way: list[Sample] = []
        self._newest: Sample | None = None

    def step(self, person: Operator, now: float) -> None:
        """Let the sensor look at time `now`. [s]"""
        config = self._config
        if now >= self._due - _ROUNDING:
            self._due += config.period_s
            lost = bool(self._rng.random() < config.lost)
            place, interrupted = self._look(person)
            if self._blind:
                place, interrupted = None, False
            if not lost:
                self._under_way.append(Sample(now, now + config.latency_s, place, interrupted))
        while self._under_way and self._under_way[0].known <= now + _ROUNDING:
            self._newest = self._under_way.pop(0)

    def read(self, now: float) -> Sample | None:
        """Return the newest sample; None where it is too old."""
        newest = self._newest
        if newest is None or not abs(now - newest.stamp) <= self._config.max_age_s + _ROUNDING:
            return None
        return newest

    def _look(self, person: Operator) -> tuple[Point | None, bool]:
        raise NotImplementedError


class RangeFinder(_Sampled):
    """Sees the torso's disc within its reach."""

    def __init__(self, plant: WeldingPlant, rng: np.random.Generator, blind: bool = False) -> None:
        """Take the cell, the source of noise, and whether it is blind."""
        super().__init__(plant.range_finder, rng, blind)
        self._finder, self._radius = plant.range_finder, plant.person.torso_radius_m

    def _look(self, person: Operator) -> tuple[Point | None, bool]:
        noise = self._finder.noise_m * self._rng.standard_normal(2)
        x, y = person.torso[0] + float(noise[0]), person.torso[1] + float(noise[1])
        seen = math.dist((x, y), self._finder.at) - self._radius <= self._finder.reach_m
        return ((x, y) if seen else None), False


class LightCurtain(_Sampled):
    """Is interrupted by a body or a limb that crosses its plane."""

    def __init__(self, plant: WeldingPlant, rng: np.random.Generator, blind: bool = False) -> None:
        """Take the cell, the source of lost samples, and whether it is blind."""
        super().__init__(plant.light_curtain, rng, blind)
        a, b = plant.light_curtain.ends
        self._ends = (float(a[0]), float(a[1])), (float(b[0]), float(b[1]))
        self._radius = plant.person.torso_radius_m

    def _look(self, person: Operator) -> tuple[Point | None, bool]:
        (ax, ay), (bx, by) = self._ends
        box = (min(ax, bx), min(ay, by), max(ax, bx), max(ay, by))
        body = distance_to_box(person.torso, box) <= self._radius
        return None, body or segments_cross(person.torso, person.hand, *self._ends)


class Sensing:
    """Both sensors, and the signals of the hazard model that come from them."""

    def __init__(self, plant: WeldingPlant, rng: np.random.Generator, blind: tuple[str, ...] = ()) -> None:
        """Take the cell, the source of noise, and which sensors are blind: `range_finder`, `light_curtain`."""
        self._plant = plant
        self._finder = RangeFinder(plant, rng, "range_finder" in blind)
        self._curtain = LightCurtain(plant, rng, "light_curtain" in blind)

    def step(self, person: Operator, now: float) -> None:
        """Let both look at time `now`. [s]"""
        self._finder.step(person, now)
        self._curtain.step(person, now)

    def signals(self, activity: str, now: float) -> Mapping[str, bool | None]:
        """Return every signal of the table; None where nothing can be said."""
        scan, curtain, config = self._finder.read(now), self._curtain.read(now), self._plant.range_finder
        near = close = None
        if scan is not None:
            gap = math.inf
            if scan.place is not None:
                gap = math.dist(scan.place, config.at) - self._plant.person.torso_radius_m
            near, close = gap <= config.near_m, gap <= config.close_m
        shared = None if curtain is None else curtain.interrupted and activity == "exchange"
        return {"range_near": near, "range_close": close, "arm_at_shared_table": shared}

    def distance(self, tool: Point, radius: float, now: float) -> float:
        """Return a distance that the nearest perceived person surely keeps from the tool, 0 at least. [m]

        Nobody seen: a person just out of the range finder's reach. A curtain interrupted: a hand anywhere on the bench.
        """
        scan, curtain = self._finder.read(now), self._curtain.read(now)
        if scan is None or curtain is None:
            return 0.0
        config = self._plant.range_finder
        if scan.place is None:
            gap = config.reach_m - math.dist(tool, config.at)
        else:
            gap = math.dist(scan.place, tool) - self._plant.person.torso_radius_m
        if curtain.interrupted:
            gap = min(gap, distance_to_box(tool, self._plant.layout.bench))
        return max(gap - radius, 0.0)
