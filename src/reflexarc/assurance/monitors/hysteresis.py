# SPDX-License-Identifier: Apache-2.0
"""On above one threshold, off after a dwell below a lower one; used by monitors that warn."""

import math

from reflexarc.core.errors import ConfigError


class Hysteresis:
    """A switch that does not chatter. It is on until the first good value: silence is no all-clear."""

    def __init__(self, on: float, off: float, dwell: float) -> None:
        """Take the thresholds.

        Args:
            on: switches on from this value.
            off: switches off once values have been below this one.
            dwell: for so long. [s]

        Raises:
            ConfigError: off is above on, or a number is not finite or the dwell negative.
        """
        if not (math.isfinite(on) and math.isfinite(off) and off <= on and 0.0 <= dwell < math.inf):
            raise ConfigError(
                f"thresholds on {on}, off {off}, dwell {dwell} s; needed: off <= on, dwell >= 0, finite"
            )
        self.on, self.off, self.dwell = on, off, dwell
        self.reset()

    def reset(self) -> None:
        """Forget everything; the switch is on."""
        self.active = True
        self._last = -math.inf
        self._below: float | None = -math.inf

    def update(self, time: float, value: float) -> str:
        """Take a value and return why it cannot be trusted, or nothing; then `active` is on.

        Args:
            time: of the value, after the last one. [s]
            value: what is compared.
        """
        if not (math.isfinite(time) and time > self._last):
            return self._distrust(f"the time {time} s is not after {self._last} s")
        self._last = time
        if not math.isfinite(value):
            return self._distrust(f"the value is {value}")
        if value >= self.off:
            self._below = None
            self.active = self.active or value >= self.on
        elif self._below is None:
            self._below = time
        if self.active and self._below is not None and time - self._below >= self.dwell:
            self.active = False
        return ""

    def distrust(self, time: float, reason: str) -> str:
        """Switch on because there is no usable value at `time` [s]; return the reason."""
        if math.isfinite(time):
            self._last = max(self._last, time)
        return self._distrust(reason)

    def _distrust(self, reason: str) -> str:
        self.active, self._below = True, None
        return reason
