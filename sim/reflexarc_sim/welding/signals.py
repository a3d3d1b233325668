# SPDX-License-Identifier: Apache-2.0
"""The signals of `models/requirements/welding.yaml`, from the truth of a run."""

import numpy as np

from reflexarc.assurance.monitors.recorded import Samples
from reflexarc.assurance.monitors.requirements import Requirements
from reflexarc.assurance.regression.answers import Moment, answers
from reflexarc.barrier.analytic.separation import protective_distance
from reflexarc.core.errors import ConfigError
from reflexarc_sim.welding.controllers import mode_ranks, required_ranks, welding_cell, welding_table
from reflexarc_sim.welding.parameters import STEP_S, WeldingPlant
from reflexarc_sim.welding.simulation import Run


def check_agreement(requirements: Requirements, plant: WeldingPlant) -> None:
    """Check that the requirements are about this plant.

    Raises:
        ConfigError: reaction, deceleration, dwell or period differ.
    """
    separation, constants = requirements.separation, requirements.constants
    if separation is None:
        raise ConfigError(f"{requirements.path}: the section 'separation' is needed")
    pairs = (
        ("separation.reaction_s", separation.reaction_s, plant.separation.reaction_s),
        ("constants.reaction", constants["reaction"].value, plant.separation.reaction_s),
        ("separation.deceleration_m_s2", separation.deceleration_m_s2, plant.separation.deceleration_m_s2),
        ("constants.dwell", constants["dwell"].value, plant.supervisor.dwell_s),
        ("period_s", requirements.period, STEP_S),
    )
    for name, here, there in pairs:
        if abs(here - there) > 1e-9:
            raise ConfigError(f"{requirements.path}: {name} is {here}, the simulated cell has {there}")


def samples(run: Run, requirements: Requirements) -> Samples:
    """Return the signals of a run; each is measured at the time of its sample.

    Raises:
        ConfigError: there is no section 'separation'.
    """
    if requirements.separation is None:
        raise ConfigError(f"{requirements.path}: the section 'separation' is needed")
    steps, n = run.steps, len(run.steps)
    p = requirements.separation.parameters
    needed = [protective_distance(step.tool_towards, p, step.person_towards) for step in steps]
    cell = welding_cell()
    ranks = mode_ranks(cell)
    moments = [Moment(step.time, ranks[step.mode], step.hazards) for step in steps]
    answered = answers(moments, required_ranks(cell, welding_table()))
    values = {
        "separation": np.array([step.gap for step in steps]),
        "protective_distance": np.array(needed),
        "tool_speed": np.array([step.speed for step in steps]),
        "region_speed": np.array([step.region_speed for step in steps]),
        "force": np.array([step.force for step in steps]),
        "force_limit": np.full(n, run.force_limit),
        **answered._asdict(),
    }
    time = np.array([step.time for step in steps])
    return Samples(time, values, dict.fromkeys(values, time), 0.0)
