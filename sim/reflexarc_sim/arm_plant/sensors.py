# SPDX-License-Identifier: Apache-2.0
"""The force and torque sensor behind the tool: at its own rate, noisy, biased and late; the tool's weight taken out."""

from collections import deque

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array, Wrench
from reflexarc_sim.cell import ForceSensorConfig

_BLOCK = 1024
"""Numbers are drawn for so many measurements at once."""


class ForceSensor:
    """Turns what truly acts on the tool into measurements."""

    def __init__(
        self, config: ForceSensorConfig, step_period: float, frame_id: str, rng: np.random.Generator
    ):
        """Draw the bias.

        Args:
            config: noise, bias, delay and rate.
            step_period: time between two calls of `measure`. [s]
            frame_id: whose axes forces are given in.
            rng: stream of this sensor alone.

        Raises:
            ConfigError: rate or delay is no whole number of steps.
        """
        self._every = _whole(1.0 / (config.rate_hz * step_period), "rate_hz", config.rate_hz, step_period)
        delay = round(config.delay_s / step_period)
        if abs(delay * step_period - config.delay_s) > 1e-9:
            raise ConfigError(
                f"cell.sensor.delay_s {config.delay_s} s must be a whole number of steps of {step_period} s"
            )
        self._frame, self._rng = frame_id, rng
        self._scale = np.repeat([config.force_std, config.torque_std], 3)
        self.bias = np.concatenate([rng.normal(0.0, config.force_bias, 3), np.zeros(3)])
        """Added to every measurement, shape (6,). [N, N m]"""
        self._pending: deque[tuple[int, Wrench]] = deque()
        self._delay, self._step = delay, 0
        self._noise = np.zeros((0, 6))
        self._next = 0
        self._newest: Wrench | None = None

    def measure(self, time: float, force: Array, torque: Array) -> Wrench:
        """Take in what acts now and return the newest measurement that has been delivered; the first is at once.

        Args:
            time: of the measurement. [s]
            force: on the tool, shape (3,). [N]
            torque: about the tip, shape (3,). [N m]
        """
        if self._step % self._every == 0:
            if self._next == len(self._noise):
                self._noise = self._rng.standard_normal((_BLOCK, 6)) * self._scale + self.bias
                self._next = 0
            error = self._noise[self._next]
            self._next += 1
            measured = Wrench(time, self._frame, force + error[:3], torque + error[3:])
            self._pending.append((self._step + self._delay, measured))
            if self._newest is None:
                self._newest = measured  # it was on before the run began
        while self._pending and self._pending[0][0] <= self._step:
            self._newest = self._pending.popleft()[1]
        self._step += 1
        assert self._newest is not None
        return self._newest


def _whole(steps: float, name: str, value: float, step_period: float) -> int:
    count = round(steps)
    if count < 1 or abs(steps - count) > 1e-6:
        raise ConfigError(
            f"cell.sensor.{name} {value} must give a whole number of steps of {step_period} s between two measurements"
        )
    return count
