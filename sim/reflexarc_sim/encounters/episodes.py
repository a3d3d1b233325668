# SPDX-License-Identifier: Apache-2.0
"""Encounters to replay, cut out of logged runs: `reflexarc.barrier.encounter_rollout.Encounters`."""

from collections.abc import Sequence

import numpy as np

from reflexarc.barrier.encounter import relative_states
from reflexarc.barrier.encounter_rollout import Encounters
from reflexarc.core.types import Array
from reflexarc_sim.encounters.log import EncounterRun
from reflexarc_sim.encounters.transitions import tracks

REACH = 5.0
"""Largest distance between the centres at the start. [m]"""
CLOSING = 0.3
"""Least speed at which the two come closer at the start: others cannot fail soon. [m/s]"""
LENGTH = 3.0
"""How long an encounter is. [s]"""
EVERY = 2
"""Samples of the log per sample of an encounter."""
PER_PAIR = 8
"""Encounters cut out of one pair and run at most."""


def cut_encounters(runs: Sequence[EncounterRun], seed: int) -> Encounters:
    """Return encounters of all runs; the person is known for the whole length of each.

    Args:
        runs: logged runs.
        seed: of the choice among the samples of a pair.
    """
    rng = np.random.default_rng(seed)
    period = EVERY * runs[0].period
    samples = round(LENGTH / period)
    paths: list[Array] = []
    twists: list[Array] = []
    for run in runs:
        position, velocity = tracks(run)
        for k in range(position.shape[1]):
            x = relative_states(run.pose, run.twist, position[:, k], velocity[:, k])
            with np.errstate(invalid="ignore"):
                distance = np.hypot(x[:, 0], x[:, 1])
                closing = -(x[:, 0] * (x[:, 2] - x[:, 4]) + x[:, 1] * x[:, 3]) / distance
                starts = np.flatnonzero((distance < REACH) & (closing > CLOSING))
            kept = 0
            for start in rng.permutation(starts):
                window = slice(start, start + EVERY * samples + 1, EVERY)
                path = position[window, k]
                if len(path) < samples + 1 or not np.isfinite(velocity[start : window.stop, k]).all():
                    continue
                yaw = run.pose[start, 2]
                turn = np.array(((np.cos(yaw), -np.sin(yaw)), (np.sin(yaw), np.cos(yaw))))
                paths.append((path - run.pose[start, :2]) @ turn)
                twists.append(run.twist[start])
                kept += 1
                if kept == PER_PAIR:
                    break
    return Encounters(period, np.array(paths), np.array(twists))
