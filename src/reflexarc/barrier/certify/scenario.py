# SPDX-License-Identifier: Apache-2.0
r"""Scenario (hold-out) certificate: "V(x0) > delta implies a safe rollout", up to probability epsilon.

    P( min_t l(x(t)) < 0  |  V(x0) > delta ) <= epsilon      with confidence 1 - beta over the draw of the sample,

where x0 is uniform over the part of the system's box with V(x0) > delta and x(t) is the closed loop of
`reflexarc.barrier.certify.rollout`, whose filter keeps V - delta >= 0 for one episode. It speaks about this
distribution of starts, this nominal controller and this model; not about the worst case.

delta is chosen first, on a calibration sample of its own. The score of a start is V(x0) if its rollout violates, else
-infinity; a level delta calibrates itself when the split-conformal level of the scores under the filter at delta
does not exceed delta. The smallest of a ladder of levels that does so is taken (Lin & Bansal, arXiv 2312.08604:
scenario and conformal are equivalent; the ladder repeats the calibration because delta changes the filter).
The hold-out sample is looked at once, after that. Both seeds follow from the hash of the weights and the
settings, so that nobody can try samples until one passes.
"""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from reflexarc.barrier.certify.rollout import FilterSettings, closed_loop, values_and_gradients
from reflexarc.barrier.certify.statistics import conformal_level, required_samples, upper_bound
from reflexarc.barrier.learned import LearnedBarrier
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.core.types import Array
from reflexarc.robots.systems.system import System

LADDER = (0.0, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32)
"""Candidate levels, as shares of the median of V over the starts with V > 0."""
DRAW = 4096
"""Candidate starts drawn at once."""
MAX_DRAWS = 200
"""Draws until {V > delta} is called empty."""
SPOT = 32
"""Hold-out episodes whose smallest margin is written into the certificate, to be compared when it is checked."""

Say = Callable[[str, float], None]
"""Told what is being done and which share of it is done."""


@dataclass(frozen=True, slots=True)
class ScenarioSettings:
    """What is to be certified."""

    epsilon: float = 1e-2
    """Largest probability of a violation."""
    beta: float = 1e-6
    """One minus the confidence."""
    alpha: float = 5.0
    """Gain of the deployed filter's row. [1/s]"""
    model_error: float = 0.0
    """Robust term of the deployed filter's row. [units of x']"""
    violations: int = 0
    """Violations that the hold-out sample is sized for."""

    def __post_init__(self) -> None:
        required_samples(self.epsilon, self.beta, self.violations)
        if not (np.isfinite(self.alpha) and self.alpha > 0.0):
            raise ConfigError(f"alpha: {self.alpha} must be a positive number")
        if not (np.isfinite(self.model_error) and self.model_error >= 0.0):
            raise ConfigError(f"model_error: {self.model_error} must be a number >= 0")

    @property
    def samples(self) -> int:
        """Size of the hold-out sample, and of each calibration sample."""
        return required_samples(self.epsilon, self.beta, self.violations)

    @property
    def filter(self) -> FilterSettings:
        """Settings of the deployed filter."""
        return FilterSettings(self.alpha, self.model_error)


class ScenarioResult(NamedTuple):
    """The hold-out sample's answer."""

    settings: ScenarioSettings
    delta: float
    """Calibrated level, in the units of l, on top of the file's own level shift."""
    calibration: tuple[tuple[float, int], ...]
    """Levels tried and violations found at each."""
    samples: int
    """N."""
    violating: tuple[int, ...]
    """Indices of the hold-out starts whose rollout violated."""
    bound: float
    """Clopper-Pearson upper bound on the probability of a violation."""
    holds: bool
    """Whether the bound is at most epsilon."""
    least_margin: float
    """Smallest l over all hold-out episodes."""
    spot: tuple[float, ...]
    """Smallest l of each of the first hold-out episodes."""
    counterexample: tuple[float, ...]
    """Start of the worst violating episode, else empty."""
    intervened: float
    """Share of steps in which the filter changed the nominal input."""
    infeasible: float
    """Share of steps in which no admissible input satisfied the row."""
    return_mean: float
    """Mean return of the episodes."""


def scenario(
    system: System,
    barrier: LearnedBarrier,
    weights_hash: str,
    settings: ScenarioSettings,
    say: Say | None = None,
) -> ScenarioResult:
    """Calibrate delta and judge it on the hold-out sample.

    Args:
        system: the system of the closed loop.
        barrier: V.
        weights_hash: SHA-256 of the weight file; the seeds follow from it.
        settings: what is to be certified.
        say: progress.

    Raises:
        ModelError: no start has V > 0.
    """
    delta, tried = calibrate(system, barrier, weights_hash, settings, say)
    starts = hold_out_starts(system, barrier, weights_hash, settings, delta)
    return judge(system, barrier, settings, delta, tried, starts, say)


def calibrate(
    system: System,
    barrier: LearnedBarrier,
    weights_hash: str,
    settings: ScenarioSettings,
    say: Say | None = None,
) -> tuple[float, tuple[tuple[float, int], ...]]:
    """Return the smallest level of the ladder that calibrates itself (the last where none does), and what was tried."""
    seed = seed_of(weights_hash, settings, "calibration")
    unit = float(np.median(barrier.values(starts_above(system, barrier, 0.0, DRAW, seed))))
    tried: list[tuple[float, int]] = []
    for rung, share in enumerate(LADDER):
        delta = share * unit
        starts = starts_above(system, barrier, delta, settings.samples, seed + 1 + rung)
        shifted = barrier.shifted(barrier.delta + delta)
        run = closed_loop(system, shifted, settings.filter, starts, _part(say, f"calibration at {delta:.4g}"))
        scores = np.where(run.violated, barrier.values(starts), -np.inf)
        tried.append((delta, int(run.violated.sum())))
        if conformal_level(scores, (settings.violations + 1.0) / (settings.samples + 1.0)) <= delta:
            break
    return tried[-1][0], tuple(tried)


def hold_out_starts(
    system: System, barrier: LearnedBarrier, weights_hash: str, settings: ScenarioSettings, delta: float
) -> Array:
    """Return the hold-out sample's starts, shape (N, n)."""
    seed = seed_of(weights_hash, settings, "hold-out")
    return starts_above(system, barrier, delta, settings.samples, seed)


def judge(
    system: System,
    barrier: LearnedBarrier,
    settings: ScenarioSettings,
    delta: float,
    tried: tuple[tuple[float, int], ...],
    starts: Array,
    say: Say | None = None,
) -> ScenarioResult:
    """Run the closed loop at level `delta` from `starts` (N, n) and bound the probability of a violation."""
    shifted = barrier.shifted(barrier.delta + delta)
    run = closed_loop(system, shifted, settings.filter, starts, _part(say, "hold-out"))
    violating = np.flatnonzero(run.violated)
    bound = upper_bound(len(violating), len(starts), settings.beta)
    worst = tuple(starts[np.argmin(run.margin)].tolist()) if len(violating) else ()
    return ScenarioResult(
        settings=settings,
        delta=delta,
        calibration=tried,
        samples=len(starts),
        violating=tuple(violating.tolist()),
        bound=bound,
        holds=bound <= settings.epsilon * (1.0 + 1e-9),
        least_margin=float(run.margin.min()),
        spot=tuple(run.margin[:SPOT].tolist()),
        counterexample=worst,
        intervened=float(run.intervened.mean()),
        infeasible=float(run.infeasible.mean()),
        return_mean=float(run.reward.mean()),
    )


def starts_above(system: System, barrier: LearnedBarrier, level: float, count: int, seed: int) -> Array:
    """Return `count` starts, uniform over the part of the system's box with V > level.

    Raises:
        ModelError: that part is empty or too small to be sampled.
    """
    rng = np.random.default_rng(seed)
    kept, have = [], 0
    for _ in range(MAX_DRAWS):
        x = rng.uniform(system.low, system.high, (DRAW, system.n))
        x = x[values_and_gradients(barrier, x)[0] > level]
        kept.append(x)
        have += len(x)
        if have >= count:
            return np.concatenate(kept)[:count]
    raise ModelError(
        f"{system.name}: {have} of {MAX_DRAWS * DRAW} states of the box have V > {level:.4g}, {count} are needed; "
        "nothing can be certified about a safe set this small"
    )


def seed_of(weights_hash: str, settings: ScenarioSettings, purpose: str) -> int:
    """Return the seed of a sample: the first 8 bytes of SHA-256 of weights, settings and purpose."""
    text = f"{weights_hash} {sorted(asdict(settings).items())} {purpose}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def as_claim(result: ScenarioResult) -> dict[str, Any]:
    """Return the result in the words of a certificate file."""
    s = result.settings
    verdict = "holds" if result.holds else "does not hold"
    return {
        "statement": (
            f"starts uniform over the box with V > {result.delta:.6g}: P(violation) <= {s.epsilon:g} with confidence "
            f"1 - {s.beta:g} {verdict} ({len(result.violating)} violations in {result.samples} hold-out episodes)"
        ),
        "holds": result.holds,
        "epsilon": s.epsilon,
        "beta": s.beta,
        "alpha": s.alpha,
        "model_error": s.model_error,
        "sized_for_violations": s.violations,
        "delta": result.delta,
        "calibration": [list(pair) for pair in result.calibration],
        "samples": result.samples,
        "violating": list(result.violating),
        "bound": result.bound,
        "least_margin": result.least_margin,
        "spot": list(result.spot),
        "counterexample": list(result.counterexample),
        "intervened": result.intervened,
        "infeasible": result.infeasible,
        "return_mean": result.return_mean,
    }


def settings_of(claim: dict[str, Any]) -> ScenarioSettings:
    """Return the settings that a claim was made with."""
    return ScenarioSettings(
        claim["epsilon"], claim["beta"], claim["alpha"], claim["model_error"], claim["sized_for_violations"]
    )


def _part(say: Say | None, what: str) -> Callable[[float], None] | None:
    return None if say is None else lambda share: say(what, share)
