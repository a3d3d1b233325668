# SPDX-License-Identifier: Apache-2.0
"""Part of the study: time and samples, beside Monte Carlo, interval cells and a grid solver in the same run.

Everything is compiled before it is timed. XLA divides work among the cores that there are, so that the processor's time
stands beside the clock's; the robot's check runs on as many threads as it says.

`flow`: particles that carry their log-density.
`robot`: the risk check of a delivery robot, 45 candidates in one batch, as a disc and as the rectangle that it is.
`box` and `rare` stand in `probability.py`.
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from probability import box_probability, rare_event

from reflexarc.reach.flow import Flow
from reflexarc.reach.initial import Gaussian, Truncated
from reflexarc.reach.obstacles import Discs, Footprint, surround
from reflexarc.reach.risk import estimate
from reflexarc.reach.systems import SYSTEMS
from reflexarc.reach.systems.driving import GAINS
from reflexarc.reach.systems.tracking import Reference, poses
from reflexarc.reach.tracked import tracked_touches
from reflexarc.robots import load_robot

PARTICLES = 10_000
FEWER = {"gcas": 1000, "toon": 1000}
"""Particles of the systems whose flow takes seconds."""
SHORT_SYSTEMS = ("vdp", "kop")
FLOW_S, ROBOT_S = 10.0, 60.0
"""Time after which a slow call is not repeated any more, once it was repeated `LEAST` times."""
LEAST = 3
OBSTACLES = 20
OUTPUTS, DT = 30, 0.1
"""Horizon of the robot's check: 3 s."""
ROBOT, CLEARANCE = "segway_e1", 0.05
"""The rectangle, and the distance that counts as a contact. [m]"""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Time everything.

    Args:
        full: all systems, many repeats and narrow intervals instead of a short look.
        progress: told what is going on.
    """
    systems = [name for name in SYSTEMS if name not in ("driving", "hovercraft")] if full else SHORT_SYSTEMS
    progress("robot's risk check")
    body = load_robot(ROBOT)
    outline = Footprint(CLEARANCE, heading=2, half_length=0.5 * body.length, half_width=0.5 * body.width)
    robots = [
        {"footprint": name, "threads": threads} | _robot(shape, threads, 100 if full else 5)
        for name, shape in (("disc", Footprint(0.3)), ("rectangle", outline))
        for threads in (1, 2)
    ]
    flows = []
    for name in systems:
        progress(f"flow of {name}")
        flows.append(_flow(name, 200 if full else 30))
    return {
        "whole": full,
        "flow": flows,
        "robot": robots,
        "box": box_probability(full, progress),
        "rare": rare_event(progress),
    }


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return the times that are promised, and what the others in the same run take or reach."""
    vdp = next(row for row in part["flow"] if row["system"] == "vdp")
    box = {row["method"]: row for row in part["box"]["rows"]}
    ours, crude = box["particles"], box["crude Monte Carlo, numpy"]
    return {
        "vdp_flow_p50_ms": vdp["p50_ms"],
        "vdp_flow_p99_ms": vdp["p99_ms"],
        **{
            f"robot_{row['footprint']}_{row['threads']}_threads_{key}": row[key]
            for row in part["robot"]
            for key in ("p50_ms_per_candidate", "p99_ms_per_candidate")
        },
        "box_particles_s": ours["seconds"],
        "box_crude_numpy_s": crude["seconds"],
        "rare_p": part["rare"]["truth"],
        "rare_samples_ratio": part["rare"]["rows"][0]["samples_ratio"],
        "rare_samples_ratio_with_cells": part["rare"]["rows"][1]["samples_ratio"],
    }


def _flow(name: str, repeats: int) -> dict[str, Any]:
    """Time particles in single precision: one step of the integrator per output, and the system's own."""
    system = SYSTEMS[name]
    particles = FEWER.get(name, PARTICLES)
    x0 = np.random.default_rng(0).uniform(system.low, system.high, (particles, system.n))
    row: dict[str, Any] = {"system": name, "n": system.n, "particles": particles}
    row |= {"steps": system.steps, "substeps": system.substeps}
    for key, substeps in (("", 1), ("own_", system.substeps)):
        flow = Flow(system, substeps=substeps)
        times = _times(lambda flow=flow: flow.run(x0), repeats, FLOW_S)
        row |= {f"{key}{name}": value for name, value in times.items()}
    return row


def _robot(footprint: Footprint, threads: int, repeats: int) -> dict[str, Any]:
    """Time the risk of 45 candidates: 10,000 particles each over 3 s, 20 moving discs that are uncertain.

    Particles carry errors, drift gain and one draw of every disc; they are shared by the candidates, and new in each
    repeat. A step of 0.1 s is taken in one step of the integrator; contacts are looked for between outputs too.
    """
    std = np.array([0.05, 0.05, 0.02])
    errors = Truncated(Gaussian(np.zeros(3), np.diag(std**2)), -3.0 * std, 3.0 * std)
    rng = np.random.default_rng(0)
    discs = Discs(
        rng.uniform([-1.0, -4.0], [6.0, 4.0], (OBSTACLES, 2)),
        rng.uniform(0.2, 0.4, OBSTACLES),
        rng.uniform(-1.0, 1.0, (OBSTACLES, 2)),
        np.full(OBSTACLES, 0.05),
        np.full(OBSTACLES, 0.1),
    )
    reference = _lattice()
    count = len(reference.speed)
    t = jnp.asarray(DT * np.arange(OUTPUTS + 1), jnp.float32)

    @jax.jit
    @jax.vmap
    def places(speed: Any, turn_rate: Any) -> Any:
        return poses(Reference(reference.time, speed, turn_rate), jnp.zeros(3, jnp.float32), t)

    def check() -> list[Any]:
        particles = np.hstack([errors.sample(rng, PARTICLES), rng.uniform(0.0, 0.5, (PARTICLES, 1))])
        around = surround(discs, PARTICLES, rng)
        met = tracked_touches(
            particles.astype(np.float32),
            reference,
            np.asarray(places(reference.speed, reference.turn_rate)),
            DT,
            GAINS,
            around,
            footprint,
            threads,
        )
        return [estimate(first, outputs=OUTPUTS + 1, statements=count) for first in met.first]

    risks = check()
    times = _times(check, repeats, ROBOT_S)
    return times | {
        "candidates": count,
        "particles": PARTICLES,
        "obstacles": OBSTACLES,
        "horizon_s": OUTPUTS * DT,
        "p50_ms_per_candidate": round(times["p50_ms"] / count, 3),
        "p99_ms_per_candidate": round(times["p99_ms"] / count, 3),
        "cpu_ms_per_candidate": round(times["cpu_ms"] / count, 3),
        "least_risk": min(r.p for r in risks),
        "largest_risk": max(r.p for r in risks),
    }


def _lattice() -> Reference:
    """Return 45 references of 3 s: a sideways shift within the first second, at one of five speeds."""
    knots = np.array([0.0, 0.25, 0.75, 1.0, 3.0], np.float32)
    offset, speed = np.meshgrid(np.linspace(-0.32, 0.32, 9), (0.6, 0.8, 1.0, 1.15, 1.3), indexing="ij")
    offset, speed = offset.reshape(-1, 1), speed.reshape(-1, 1)
    swerve = offset / (speed * 0.25) * np.array([0.0, 2.0, -2.0, 0.0, 0.0])
    return Reference(knots, np.repeat(speed, 5, axis=1).astype(np.float32), swerve.astype(np.float32))


def _times(function: Callable[[], Any], most: int, longest: float) -> dict[str, float]:
    """Return wall time, and the median of the process's own time, which a loaded machine does not stretch.

    Args:
        function: what is timed, after one call that is not.
        most: how often at most.
        longest: time after which it is not repeated any more, once it was repeated `LEAST` times. [s]
    """
    function()
    wall: list[float] = []
    own: list[float] = []
    while len(wall) < most and (len(wall) < LEAST or sum(wall) < longest):
        started = time.perf_counter(), time.process_time()
        function()
        wall.append(time.perf_counter() - started[0])
        own.append(time.process_time() - started[1])
    p50, p99 = np.percentile(1e3 * np.array(wall), [50, 99])
    return {
        "p50_ms": round(float(p50), 3),
        "p99_ms": round(float(p99), 3),
        "cpu_ms": round(1e3 * float(np.median(own)), 3),
        "repeats": len(wall),
    }
