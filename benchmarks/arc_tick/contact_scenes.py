# SPDX-License-Identifier: Apache-2.0
"""What the arc of an arm in contact is given while it leads a peg through a maze, every tick of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reflexarc.arc import Arc
from reflexarc.core.types import Array, ImpedanceProposal, JointState, Mode, Verdict
from reflexarc_sim.arm_lockstep import ArmRun
from reflexarc_sim.scenario import load_scenario

SCENARIO = "maze_arm"
EVERY_S = 0.001
"""The critic looks at every tick. [s]"""


@dataclass(frozen=True, slots=True)
class Contact:
    """Inputs of one tick, and the torques with which the arc answered."""

    now: float
    state: JointState
    proposal: ImpedanceProposal | None
    command: Array


class Recorder:
    """An arc that writes down what it is given, and what its critic sees."""

    def __init__(self, arc: Arc):
        """Take the arc that answers."""
        self._arc = arc
        critic: Any = next(stage for stage in arc.stages if stage.name == "critic")
        self._motion = critic._motion
        self.scenes: list[Contact] = []
        self.views: list[Array] = []

    def tick(self, state: JointState, proposal: ImpedanceProposal | None, mode: Mode, now: float) -> Verdict:
        """Let the arc answer."""
        verdict = self._arc.tick(state, proposal, mode, now)
        self.scenes.append(Contact(now, state, proposal, verdict.command.copy()))
        if self._motion.looked == now:
            self.views.append(self._motion.view.copy())
        return verdict


def recorded(
    weights: Path, seeds: Sequence[int], seconds: float = 10.0
) -> tuple[Arc, list[list[Contact]], Array]:
    """Run `maze_arm` in lock-step, one run per seed.

    Args:
        weights: file of critic and recovery.
        seeds: of the runs.
        seconds: simulated time of a run at most.

    Returns:
        The arc, the ticks of each run, and what the critic looked at, shape (looks, 9).
    """
    scenario = load_scenario(
        SCENARIO, {"arc.contact.weights": str(weights), "arc.contact.every_s": str(EVERY_S)}
    )
    runs, views, arc = [], [], None
    for seed in seeds:
        run = ArmRun(scenario, seed, seconds)
        arc, recorder = run.arc, Recorder(run.arc)
        run.arc = recorder  # type: ignore[assignment]
        try:
            while not run.over:
                run.step()
        finally:
            run.plant.close()
        runs.append(recorder.scenes)
        views += recorder.views
    assert arc is not None
    return arc, runs, np.array(views)
