# SPDX-License-Identifier: Apache-2.0
"""What `reflexarc run` knows of an arm in contact."""

from typing import Any

import numpy as np

from reflexarc.cli._joint_runs import PICTURE, JointRobot, RunColumn
from reflexarc.core.types import Array
from reflexarc.report.arm_page import ARM_PAGE

WITHOUT = RunColumn("plain", "without reflexes", {"arc.contact.critic": False})
BARE = RunColumn(
    "bare", "without reflexes and barrier", {"arc.contact.critic": False, "arc.contact.barrier": False}
)
FIXED = RunColumn(
    "fixed",
    "fixed stiffness, without both",
    {
        **BARE.overrides,
        "policy": {
            "name": "contact_follower",
            "params": {"strategy": "follow", "stiffness_n_m": 1000.0, "step_m": 0.02},
        },
    },
)
"""The yardstick of SRL-VIC: one stiffness for everything."""


class ArmInContact(JointRobot):
    """An arm whose tool touches things."""

    words, page, launch, pace = "an arm in contact", ARM_PAGE, "arm", "REFLEXARC_ARM_PACE"

    def fits(self, scenario: Any) -> bool:
        """Whether the robot of a scenario is an arm."""
        return scenario.of_arm

    def compared(self, scenario: Any) -> list[RunColumn]:
        """Return what is without reflexes, without barrier too, and in the maze the yardstick."""
        fixed = scenario.cell.task == "maze" and scenario.policy.name != "contact_follower"
        return [WITHOUT, BARE, FIXED] if fixed else [WITHOUT, BARE]

    def longest(self, scenario: Any, duration: float) -> float:
        """Return the longest simulated time, which the task bounds as well. [s]"""
        return min(duration, scenario.cell.horizon_s)

    def run(self, scenario: Any, seed: int, duration: float, progress: Any) -> Any:
        """Make one lock-step run."""
        from reflexarc_sim.arm_lockstep import run_arm  # noqa: PLC0415 - only where a simulator is wanted

        return run_arm(scenario, seed, duration, progress)

    def counters(self, run: Any) -> dict[str, Any]:
        """Return how often the tool has touched something."""
        return {"contacts": len(run.contacts)}

    def picture(self, plant: Any) -> Array | None:
        """Return the whole arm, and beside it the tool from above."""
        halves = [plant.render(view, *PICTURE) for view in ("side", "above")]
        return None if any(half is None for half in halves) else np.hstack(halves)
