# SPDX-License-Identifier: Apache-2.0
r"""Distributions of latencies, log against twin.

    loop     of a tick, from the measurement of the persons to the command: now - obstacles_stamp + time_used
    effect   of a step of the command, from the step to where the measured velocity has changed by `_MOVED` its way
    tick     of a tick, lateness + time used, against what the twin assumes: that it is on time and takes none

For two samples with distribution functions F and G:

    W1 = int |F(x) - G(x)| dx     Wasserstein-1, in seconds: how far times must be moved on average
    KS = sup |F(x) - G(x)|        Kolmogorov-Smirnov: largest share of times that lie on another side of some limit

The twin's tick takes no time at all, so KS of `tick` would be 1 for every computer. In its place stands the one-sided
distance to the assumed bound of one period, which is the share of ticks beyond it (`tick_over`).
"""

import numpy as np
from scipy.stats import ks_2samp, wasserstein_distance

from reflexarc.assurance.twin.trace import PERIOD, Trace
from reflexarc.core.types import Array
from reflexarc.report.recording import Recording

EFFECT = {"effect_w1": "s", "effect_ks": "1"}
"""Metrics of a drive and their units."""
LOOP = {"loop_w1": "s", "loop_ks": "1", "tick_w1": "s", "tick_over": "1"}
"""Metrics of a closed-loop pair and their units."""
_STEP = 0.3  # [m/s, rad/s] a change of the command that is followed
_MOVED = 0.1  # [m/s, rad/s]
_SMOOTH = 5  # samples of a centred mean against the odometry's noise
_LEAST = 5  # steps, or ticks, that make a distribution


def distances(log: Array, twin: Array) -> tuple[float, float]:
    """Return W1 [unit of the samples] and KS of two samples, shapes (n,) and (m,); NaN where one is too short."""
    if min(len(log), len(twin)) < _LEAST or not (np.isfinite(log).all() and np.isfinite(twin).all()):
        return float("nan"), float("nan")
    return float(wasserstein_distance(log, twin)), float(ks_2samp(log, twin, method="asymp").statistic)  # type: ignore[attr-defined]


def effect_gap(log: Trace, twin: Trace) -> dict[str, float]:
    """Return the metrics of `EFFECT`; NaN where the commands have too few steps."""
    return dict(zip(EFFECT, distances(effect_times(log), effect_times(twin)), strict=True))


def loop_gap(log: Recording, twin: Recording, period: float) -> dict[str, float]:
    """Return the metrics of `LOOP`; NaN where nothing measured them.

    Args:
        log: of the robot.
        twin: closed-loop run of the twin.
        period: of the arc. [s]

    Raises:
        RecordingError: one has no verdicts.
    """
    w1, ks = distances(loop_times(log), loop_times(twin))
    ticks = tick_times(log)
    if len(ticks) < _LEAST or not np.isfinite(ticks).all():
        return {"loop_w1": w1, "loop_ks": ks, "tick_w1": float("nan"), "tick_over": float("nan")}
    over = float((ticks > period).mean())
    return {"loop_w1": w1, "loop_ks": ks, "tick_w1": float(np.abs(ticks).mean()), "tick_over": over}


def loop_times(recording: Recording) -> Array:
    """Return the time from measurement to command of each tick that had persons to look at, shape (n,). [s]"""
    messages = [entry.message for entry in recording.topic("verdict")]
    return np.array([m.now - m.obstacles_stamp + m.time_used for m in messages if m.obstacles_stamp >= 0.0])


def tick_times(recording: Recording) -> Array:
    """Return lateness and duration of each tick together, shape (n,); empty where durations were not measured. [s]"""
    messages = [entry.message for entry in recording.topic("verdict")]
    if not any(m.time_used > 0.0 for m in messages):
        return np.zeros(0)
    return np.array([m.tick_lateness + m.time_used for m in messages])


def effect_times(trace: Trace) -> Array:
    """Return the time from each step of a command to its effect, shape (n,); one that has none until the next step
    counts as long as it waited. [s]
    """
    found: list[float] = []
    for command, measured in zip(trace.command.T, trace.twist.T, strict=True):
        smooth = np.convolve(measured, np.full(_SMOOTH, 1.0 / _SMOOTH), mode="same")
        steps = np.flatnonzero(np.abs(np.diff(command)) >= _STEP) + 1
        for begin, end in zip(steps, np.append(steps, len(command))[1:], strict=True):
            if begin < _SMOOTH or end - begin < 2 * _SMOOTH:
                continue
            way = np.sign(command[begin] - command[begin - 1])
            found.append(_crossing(way * (smooth[begin - 1 : end - _SMOOTH] - smooth[begin - 1])))
    return np.array(found)


def _crossing(moved: Array) -> float:
    """Return when a movement, one sample per `PERIOD`, passes `_MOVED`, between samples; its length if never. [s]"""
    beyond = np.flatnonzero(moved >= _MOVED)
    if not len(beyond):
        return len(moved) * PERIOD
    k = int(beyond[0])
    return (k - (moved[k] - _MOVED) / (moved[k] - moved[k - 1])) * PERIOD
