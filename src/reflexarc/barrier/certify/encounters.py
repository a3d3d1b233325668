# SPDX-License-Identifier: Apache-2.0
"""Checking the certificate of a barrier over encounters, whose system is a robot among people, not a box of states.

How such a certificate is made, and what it claims, stands in `reflexarc.barrier.encounter_certificate`; the filter's
rows are those of the arc's default configuration.
"""

from pathlib import Path

from reflexarc.barrier.certify.certificate import Certificate
from reflexarc.barrier.learned import LearnedBarrier
from reflexarc.robots.systems import ROBOT_SYSTEMS, SYSTEMS


def is_over_encounters(barrier: LearnedBarrier) -> bool:
    """Return whether the barrier's states are encounters of a robot and a person."""
    if barrier.system in SYSTEMS or barrier.system in ROBOT_SYSTEMS:
        return False
    from reflexarc.barrier.encounter import STATE  # noqa: PLC0415 - only for barriers of robots

    return barrier.state == STATE


def recheck_encounters(
    certificate: Certificate, barrier: LearnedBarrier, weights: Path, most: int | None
) -> tuple[str, list[str]]:
    """Return the system's hash and what does not agree with the scenario claim.

    Args:
        certificate: to be checked.
        barrier: V, read from `weights`.
        weights: its file; the population lies beside it.
        most: hold-out episodes to recompute; None takes all.
    """
    # the filter's rows are configured in the arc, which itself asks this package for certificates
    from reflexarc.arc.config import ArcConfig  # noqa: PLC0415
    from reflexarc.arc.learned import row_parameters  # noqa: PLC0415
    from reflexarc.barrier.encounter_certificate import recheck, system_hash  # noqa: PLC0415
    from reflexarc.robots import load_robot  # noqa: PLC0415

    config = ArcConfig()
    robot = load_robot(config.robot)
    rows = row_parameters(config.learned, robot, barrier, weights)
    problems = recheck(weights, certificate.claims["scenario"], rows, robot, most)
    return system_hash(weights, rows, robot), problems
