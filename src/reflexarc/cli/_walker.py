# SPDX-License-Identifier: Apache-2.0
"""What `reflexarc run` knows of a quadruped."""

from typing import Any

from reflexarc.cli._joint_runs import PICTURE, JointRobot, RunColumn
from reflexarc.core.types import Array
from reflexarc.report.walker_page import WALKER_PAGE

WITHOUT = RunColumn("plain", "without reflexes", {"arc.walker.critic": False})


class Quadruped(JointRobot):
    """A quadruped that walks and is pushed."""

    words, page, launch, pace = "a quadruped", WALKER_PAGE, "quadruped", "REFLEXARC_WALKER_PACE"

    def fits(self, scenario: Any) -> bool:
        """Whether the robot of a scenario is a quadruped."""
        return scenario.of_walker

    def compared(self, scenario: Any) -> list[RunColumn]:
        """Return what is without reflexes, where there are any."""
        return [WITHOUT] if scenario.arc_enabled and scenario.arc_config.walker.critic else []

    def run(self, scenario: Any, seed: int, duration: float, progress: Any) -> Any:
        """Make one lock-step run."""
        from reflexarc_sim.walker_lockstep import run_walker  # noqa: PLC0415 - only where a simulator is wanted

        return run_walker(scenario, seed, duration, progress)

    def counters(self, run: Any) -> dict[str, Any]:
        """Return whether the trunk is being pushed."""
        return {"pushed": float(run.plant.force().any())}

    def picture(self, plant: Any) -> Array | None:
        """Return a view from beside the robot."""
        return plant.render(*PICTURE)
