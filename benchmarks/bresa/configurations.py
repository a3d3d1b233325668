# SPDX-License-Identifier: Apache-2.0
"""What is learned in the navigation part, and what one configuration leads to: trained seed by seed, then deployed.

Every seed is deployed on the same held-out episodes whatever it learned with, so that configurations can be compared
seed by seed. Calibration sees other episodes.
"""

import dataclasses
import json
import math
import time
from dataclasses import dataclass, replace
from typing import Any

import jax

from reflexarc.reflex.evaluation import calibrated, critic_reliability, judged, tested
from reflexarc.reflex.learner import Training
from reflexarc.reflex.loop import Shield
from reflexarc.reflex.methods import EPISODES, METHODS, Method, method, train_method
from reflexarc.reflex.navigation import NAVIGATION, Navigation, navigation
from reflexarc.reflex.networks import Networks

ALPHA = 0.01
"""Wanted rate of failed episodes, where a threshold is calibrated."""
SEEDS, FEW = 10, 5
"""Seeds of the comparison, and of what would take too long with all of them."""
HELD_OUT, PROBED = 100_000, 200_000
"""First seed of the held-out episodes and of the probes of the critic; calibration draws from below both."""
DEPLOYED, PROBES = 1000, 2000
"""Held-out episodes per seed and shield; probes of the critic."""
HOLD, CONTROL = 5, 20
"""Published steps of a decision and control steps of one, where the rate of the critic is varied."""
EVERY = {10: 100, 50: 20, 200: 5, 1000: 1}
"""Rate of the critic to control steps between two looks, if one decision is taken to last 0.1 s. [Hz]"""


@dataclass(frozen=True)
class Configuration:
    """One training, repeated over seeds."""

    group: str
    """What it is compared within."""
    problem: str
    method: str
    seeds: int = SEEDS
    calibrated: int = 0
    """Of how many of the seeds a threshold is calibrated, too; if of any, one is tested for all."""
    rate: int | None = None
    """Of the critic, where it is varied. [Hz]"""
    bootstrap: str | None = None
    """Instead of the method's."""
    training: Training = Training()

    @property
    def key(self) -> str:
        """Everything in it, as one text; of the training what is not its default."""
        content = dataclasses.asdict(self)
        usual = dataclasses.asdict(Training())
        content["training"] = {k: v for k, v in content["training"].items() if v != usual[k]}
        return json.dumps(content, sort_keys=True)

    @property
    def name(self) -> str:
        """What tells it from the others."""
        parts = [self.problem, self.method]
        parts += [f"{self.rate} Hz"] if self.rate else []
        parts += [f"backup {self.bootstrap}"] if self.bootstrap else []
        return " ".join(parts)

    @property
    def where(self) -> Navigation:
        """The problem, cut into decisions and control steps."""
        return navigation(self.problem, HOLD, CONTROL) if self.rate else navigation(self.problem)

    @property
    def how(self) -> Method:
        """The method with what differs; thresholds are calibrated afterwards."""
        m = replace(method(self.method), calibrate=False)
        if self.rate:
            m = replace(m, every=EVERY[self.rate])
        return replace(m, bootstrap=self.bootstrap) if self.bootstrap else m


def configurations() -> list[Configuration]:
    """Return the full part, the comparison of methods first."""
    kept = {"ours": SEEDS, "recovery_rl": FEW, "bresa": FEW}
    found = [
        Configuration("methods", p, m, calibrated=kept.get(m, 0))
        for p in NAVIGATION
        for m in METHODS
        if not method(m).contact
    ]
    # as many gradient steps for the time driven as where a decision lasts one published step
    often = Training(updates=Training().updates * HOLD)
    found += [
        Configuration("rates", p, "bresa", FEW, rate=r, training=often) for p in NAVIGATION for r in EVERY
    ]
    return found + [Configuration("backups", p, "ours", FEW, bootstrap="composite") for p in NAVIGATION]


def measured(c: Configuration) -> dict[str, Any]:
    """Train every seed and deploy it; return a row per seed and the processor time."""
    started = time.process_time()
    learned, _ = train_method(c.how, c.where, c.training, list(range(c.seeds)), ALPHA)
    trained = time.process_time()
    rows = []
    for seed, (one, shield) in enumerate(learned):
        passed = tested(c.where, one.networks, shield, ALPHA, EPISODES, seed + 1) if c.calibrated else None
        shields = _shields(c, one.networks, shield, seed, passed)
        rows.append(
            {
                "seed": seed,
                "training": one.totals,
                "deployments": {
                    name: deployed(c.where, one.networks, guard, seed) for name, guard in shields.items()
                },
                "passed": passed,
                "calibration_error": calibration_error(c.where, one.networks, seed),
            }
        )
    jax.clear_caches()  # nothing of it fits another configuration
    spent = {"training": round(trained - started, 1), "deployment": round(time.process_time() - trained, 1)}
    return {"rows": rows, "cpu_s": spent}


def deployed(problem: Navigation, networks: Networks, shield: Shield, seed: int) -> dict[str, Any]:
    """Return what happens in the held-out episodes of a seed behind a shield."""
    found = judged(problem, networks, shield, DEPLOYED, HELD_OUT + 2 * seed)
    return {
        "threshold": _number(shield.threshold),
        "episodes": DEPLOYED,
        "reached": round(found.success * DEPLOYED),
        "failed": round(found.failure * DEPLOYED),
        "steps": _number(found.steps / problem.control),
        "reflexes": round(found.reflexes, 4),
        "false_reflexes": _number(found.false_reflexes),
    }


def calibration_error(problem: Navigation, networks: Networks, seed: int) -> float:
    """Return the expected calibration error of the critic, for the task's policy without a shield."""
    return round(critic_reliability(problem, networks, PROBES, PROBED + seed).error, 5)


def _shields(
    c: Configuration, networks: Networks, shield: Shield, seed: int, passed: float | None
) -> dict[str, Shield]:
    """Return the shields to deploy a seed with; `_at_once`: without hysteresis and dwell.

    Where no threshold passed the test, the published one stays.
    """
    if c.how.every is None:
        return {"none": Shield()}
    found = {"published": shield}
    if seed < c.calibrated:
        threshold = calibrated(c.where, networks, shield, ALPHA, EPISODES, seed + 1)
        found["calibrated"] = shield._replace(threshold=threshold)
    if c.calibrated:
        found["tested"] = shield if passed is None else shield._replace(threshold=passed)
    if c.how.dwell:
        found |= {f"{name}_at_once": s._replace(dwell=1, release=1.0) for name, s in found.items()}
    return {"none": Shield()} | found


def _number(value: float) -> float | None:
    return round(float(value), 5) if math.isfinite(value) else None
