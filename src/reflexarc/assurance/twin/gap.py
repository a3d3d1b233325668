# SPDX-License-Identifier: Apache-2.0
r"""The gap between a log and its twin, which was sent the same commands.

With l the log, t the twin, v and w forward and yaw velocity:

    velocity NRMSE     rms(v_l - v_t) / (max v_l - min v_l), the same for w
    lag                Delta of the least squares fit  v_t - v_l = Delta dv_t/dt, the same for w
    yaw gain           slope of w_l over w_t where they turn, less 1
    effort gain        slope of the wheels' torque, log over twin, while speed changes, less 1
    drift              rms over windows of 2 s of |d_l - d_t|, d = R(-yaw(begin)) (p(end) - p(begin))
    slip               rms of lateral velocity (secants of 0.2 s of the pose), log less twin
    stop time          mean over brakings of the time from the command to v < 0.05 m/s, log less twin
    stop distance      mean over brakings of the way covered in it, log less twin

A first order fit gives the lag because a delayed signal is v(t - Delta) = v - Delta dv/dt + O(Delta^2).
"""

import numpy as np

from reflexarc.assurance.twin.trace import PERIOD, STANDSTILL, Trace
from reflexarc.core.types import Array

UNITS = {
    "velocity_nrmse": "1",
    "yaw_rate_nrmse": "1",
    "velocity_lag": "s",
    "yaw_rate_lag": "s",
    "yaw_gain": "1",
    "effort_gain": "1",
    "drift": "m",
    "slip": "m/s",
    "stop_time": "s",
    "stop_distance": "m",
}
"""Every metric of a drive and its unit."""
_WINDOW, _SECANT = 2.0, 0.2  # [s]
_BRAKING_FROM = 0.5  # [m/s]
_ACCELERATES, _TURNS = 0.4, 0.3  # [m/s^2], [rad/s]


def drive_gap(log: Trace, twin: Trace) -> dict[str, float]:
    """Return the metrics of `UNITS`; NaN where the drive has nothing to measure one on.

    Raises:
        ValueError: the traces differ in length.
    """
    if len(log.command) != len(twin.command):
        raise ValueError(f"log and twin have {len(log.command)} and {len(twin.command)} samples")
    (v_l, w_l), (v_t, w_t) = log.twist.T, twin.twist.T
    pairs = zip(_stops(log), _stops(twin), strict=True)
    stops = np.array([[a[0] - b[0], a[1] - b[1]] for a, b in pairs if a and b])
    return {
        "velocity_nrmse": _nrmse(v_l, v_t),
        "yaw_rate_nrmse": _nrmse(w_l, w_t),
        "velocity_lag": _lag(v_l, v_t),
        "yaw_rate_lag": _lag(w_l, w_t),
        "yaw_gain": _gain(w_l, w_t, np.abs(w_t) > _TURNS),
        "effort_gain": _gain(log.push, twin.push, np.abs(_rate(v_t)) > _ACCELERATES),
        "drift": _rms(_windows(log) - _windows(twin)) if log.seconds > _WINDOW else np.nan,
        "slip": _rms(_lateral(log) - _lateral(twin)),
        "stop_time": float(stops[:, 0].mean()) if len(stops) else np.nan,
        "stop_distance": float(stops[:, 1].mean()) if len(stops) else np.nan,
    }


def standstill_noise(log: Trace) -> float:
    """Return the standard deviation of the measured forward velocity before the first command; NaN if too short.
    [m/s]
    """
    moved = np.flatnonzero(np.abs(log.command).max(axis=1) > 0.0)
    still = log.twist[: moved[0] if len(moved) else len(log.twist), 0]
    return float(still.std()) if len(still) >= 20 else float("nan")


def _rms(difference: Array) -> float:
    squares = np.square(difference).reshape(len(difference), -1).sum(axis=1)
    return float(np.sqrt(squares.mean())) if len(squares) else float("nan")


def _nrmse(log: Array, twin: Array) -> float:
    span = float(np.ptp(log))
    return _rms(log - twin) / span if span > STANDSTILL else float("nan")


def _rate(signal: Array) -> Array:
    return np.gradient(signal, PERIOD)


def _lag(log: Array, twin: Array) -> float:
    slope = _rate(twin)
    power = float(slope @ slope)
    return float((twin - log) @ slope) / power if power > 1.0 else float("nan")


def _gain(log: Array, twin: Array, where: np.ndarray) -> float:
    where = where & np.isfinite(log) & np.isfinite(twin)
    power = float(twin[where] @ twin[where])
    return (
        float(log[where] @ twin[where]) / power - 1.0 if where.sum() >= 40 and power > 0.0 else float("nan")
    )


def _turned(vector: Array, yaw: Array) -> Array:
    cosine, sine = np.cos(yaw), np.sin(yaw)
    return np.stack(
        [cosine * vector[:, 0] + sine * vector[:, 1], cosine * vector[:, 1] - sine * vector[:, 0]], axis=1
    )


def _windows(trace: Trace) -> Array:
    """Displacement of each window in the frame of its begin, shape (k, 2). [m]"""
    marks = np.arange(0, len(trace.pose), round(_WINDOW / PERIOD))
    pose = trace.pose[marks]
    return _turned(np.diff(pose[:, :2], axis=0), pose[:-1, 2])


def _lateral(trace: Trace) -> Array:
    """Velocity to the left of the mean heading of each secant, shape (n - s,). [m/s]"""
    span = round(_SECANT / PERIOD)
    if len(trace.pose) <= span:
        return np.zeros(0)
    moved = (trace.pose[span:, :2] - trace.pose[:-span, :2]) / _SECANT
    return _turned(moved, 0.5 * (trace.pose[span:, 2] + trace.pose[:-span, 2]))[:, 1]


def _stops(trace: Trace) -> list[tuple[float, float] | None]:
    """Time and way of each braking that the commands ask for; None where the robot did not stop. [s, m]"""
    v = trace.command[:, 0]
    asked = np.flatnonzero((v[1:] == 0.0) & (v[:-1] > _BRAKING_FROM)) + 1
    found: list[tuple[float, float] | None] = []
    for begin in asked:
        later = np.flatnonzero(v[begin:] != 0.0)
        end = begin + (later[0] if len(later) else len(v) - begin)
        slow = np.flatnonzero(trace.twist[begin:end, 0] < STANDSTILL)
        way = float(trace.twist[begin : begin + slow[0], 0].sum()) * PERIOD if len(slow) else 0.0
        found.append((float(slow[0]) * PERIOD, way) if len(slow) else None)
    return found
