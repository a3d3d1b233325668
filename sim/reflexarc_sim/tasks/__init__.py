# SPDX-License-Identifier: Apache-2.0
"""Safety-Gymnasium's Goal, Circle and velocity tasks, ported to current MuJoCo and Gymnasium; importing registers them.

import reflexarc_sim.tasks
env = gymnasium.make("reflexarc/PointGoal1-v0")
"""

import gymnasium

from reflexarc_sim.tasks.robots import ROBOTS
from reflexarc_sim.tasks.velocity import RUNNERS

_HERE = __name__


def _table() -> dict[str, dict]:
    table: dict[str, dict] = {}
    for robot in ROBOTS:
        for level in (1, 2):
            for task, steps in (("Goal", 1000), ("Circle", 500)):
                if (robot, task) == ("Car", "Circle"):
                    continue  # not part of the suite
                table[f"reflexarc/{robot}{task}{level}-v0"] = {
                    "entry_point": f"{_HERE}.navigation:{task}Task",
                    "kwargs": {"robot": robot, "level": level},
                    "max_episode_steps": steps,
                }
    for robot in RUNNERS:
        table[f"reflexarc/{robot}Velocity-v0"] = {
            "entry_point": f"{_HERE}.velocity:VelocityTask",
            "kwargs": {"robot": robot},
            "max_episode_steps": 1000,
        }
    return table


def register() -> None:
    """Make the tasks known to Gymnasium; a second call changes nothing."""
    for name, spec in _table().items():
        if name not in gymnasium.registry:
            gymnasium.register(name, **spec)


TASKS = tuple(_table())
"""Names of all tasks."""
register()
