# SPDX-License-Identifier: Apache-2.0
"""A probability with its provenance: taken from a source, assumed for a reason, or estimated from counts."""

from dataclasses import dataclass

from reflexarc.core.config import quantity
from reflexarc.core.intervals import clopper_pearson


@dataclass(frozen=True, slots=True)
class Probability:
    """One probability of a hazard model.

    Exactly one of `value` and `counts`; exactly one of `source` and `assumed`. Without counts, `low` and `high` may say
    in which range an assumed value is believed.
    """

    value: float | None = quantity(None, low=0.0, high=1.0, doc="nominal value")
    counts: tuple[int, ...] | None = quantity(
        None, low=0, doc="times that it happened, and times that it could"
    )
    low: float | None = quantity(None, low=0.0, high=1.0, doc="smallest believable value")
    high: float | None = quantity(None, low=0.0, high=1.0, doc="largest believable value")
    source: str = quantity("", doc="key of the file's sources")
    assumed: str = quantity("", doc="why this value was assumed")

    def __post_init__(self) -> None:
        if (self.value is None) == (self.counts is None):
            raise ValueError("a probability needs either value or counts")
        if bool(self.source.strip()) == bool(self.assumed.strip()):
            raise ValueError("a probability needs either a source or the reason why it is assumed")
        if self.counts is not None and (len(self.counts) != 2 or not self.counts[0] <= self.counts[1] > 0):
            raise ValueError(f"counts must be [hits, trials] with hits <= trials > 0, found {self.counts}")
        if (self.low is None) != (self.high is None) or (self.low is not None and self.counts is not None):
            raise ValueError("low and high belong together, and not beside counts")
        if self.low is not None and not self.low <= self.nominal <= (self.high or 0.0):
            raise ValueError(f"low {self.low} <= value {self.nominal} <= high {self.high} does not hold")

    @property
    def nominal(self) -> float:
        """The value, or hits over trials."""
        return self.counts[0] / self.counts[1] if self.counts is not None else self.value or 0.0

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the interval of the probability: Clopper-Pearson for counts, else the believable range, else a point.

        Raises:
            ConfigError: the confidence is outside (0, 1).
        """
        if self.counts is not None:
            return clopper_pearson(self.counts[0], self.counts[1], 1.0 - confidence)
        if self.low is not None and self.high is not None:
            return self.low, self.high
        return self.nominal, self.nominal

    @property
    def uncertain(self) -> bool:
        """Whether the interval is more than a point."""
        return self.counts is not None or self.low is not None
