# SPDX-License-Identifier: Apache-2.0
"""What of a scenario's configuration and files can be corrupted, and what of it is not refused."""

from pathlib import Path
from typing import Any

from reflexarc.arc import ArcConfig
from reflexarc.arc.learned import LearnedRows
from reflexarc.assurance.injection.refusals import accepted, tampered
from reflexarc.assurance.supervision import SupervisionConfig
from reflexarc.assurance.supervisor.table import read_table
from reflexarc.barrier.certify.gate import barrier_path
from reflexarc.core.config import from_mapping
from reflexarc.core.paths import model_file
from reflexarc.robots import load_robot
from reflexarc_sim.scenario import Scenario

FLIPS = 50
"""Flipped bits per file."""


def refusals(scenario: Scenario, seed: int = 0, flips: int = FLIPS) -> dict[str, Any]:
    """Return per kind how many corruptions were tried and which were accepted.

    Args:
        scenario: names the configuration and the files.
        seed: of the flipped bits.
        flips: how many per file.
    """
    found: dict[str, Any] = {}
    count, let_through = accepted(ArcConfig.from_dict, ArcConfig())
    found["arc parameters"] = {"tried": count, "accepted": let_through}
    if scenario.supervisor.enabled:
        count, let_through = accepted(
            lambda data: from_mapping(SupervisionConfig, data, "supervisor"), SupervisionConfig()
        )
        found["supervisor parameters"] = {"tried": count, "accepted": let_through}
        let_through = tampered(read_table, model_file(scenario.supervisor.table), seed, flips)
        found["supervisor table"] = {"tried": flips, "accepted": let_through}
    config = scenario.arc_config
    if config.learned.enabled:
        robot = load_robot(scenario.robot)

        def load(file: Path) -> LearnedRows:
            learned = {"enabled": True, "file": str(file)}
            return LearnedRows(ArcConfig.from_dict({"robot": scenario.robot, "learned": learned}), robot)

        let_through = tampered(load, barrier_path(config.learned.file), seed, flips)
        found["learned barrier"] = {"tried": flips, "accepted": let_through}
    return found
