# SPDX-License-Identifier: Apache-2.0
"""The MuJoCo twin of a logged robot: driven by logged commands, or by the same controller with the same seed."""

from pathlib import Path

import numpy as np

from reflexarc.assurance.twin.trace import PERIOD, Trace
from reflexarc.core.errors import ConfigError, PlantError
from reflexarc.core.plant import ContactEvent
from reflexarc.core.types import Array
from reflexarc_sim.scenario import Scenario
from reflexarc_sim.surrogate import Start, TwinPlant
from reflexarc_sim.surrogate_drives import bollard_place, empty_place
from reflexarc_sim.surrogate_run import check, record

_BLIND = {"sensors.lidar.rate_hz": "0.1", "sensors.lidar.rays": "8", "sensors.tracker.rate_hz": "0.5"}


def blind(scenario: Scenario) -> Scenario:
    """Return the scenario's robot in an empty place with as little sensing as there can be."""
    return empty_place(scenario).with_overrides(_BLIND)


def blind_bollard(scenario: Scenario) -> Scenario:
    """Return the same in a place with one bollard."""
    return bollard_place(scenario).with_overrides(_BLIND)


def touched(plant: TwinPlant, command: Array) -> tuple[ContactEvent, ...]:
    """Send commands of shape (n, 2) [m/s, rad/s], one per step, from standstill, and return what was touched.

    Raises:
        PlantError: the simulation diverged.
    """
    plant.reset(0)
    found = [event for sent in command for event in plant.step(sent)[1]]
    return tuple(event for event in (*found, *plant.finish()) if isinstance(event, ContactEvent))


def drive(plant: TwinPlant, command: Array) -> Trace:
    """Send commands of shape (n, 2) [m/s, rad/s], one per step, from standstill.

    Raises:
        PlantError: the simulation diverged, or the drive left the empty place.
    """
    state = plant.reset(0)
    rows, push = np.zeros((len(command), 5)), np.zeros(len(command))
    for k, sent in enumerate(command):
        rows[k] = (*state.pose, *state.twist)
        push[k] = plant.wheels[1].sum()
        state, events = plant.step(sent)
        for event in events:
            if isinstance(event, ContactEvent):
                raise PlantError(
                    f"the twin touched {event.partner} at {event.start:.2f} s; a drive must stay within 60 m along and "
                    "20 m beside where it began; nothing was compared"
                )
    rows[:, 2] = np.unwrap(rows[:, 2])
    return Trace(np.array(command), rows[:, :3], rows[:, 3:], push)


class MujocoTwin:
    """The twin of the robot of one scenario."""

    def __init__(self, scenario: Scenario):
        """Take the scenario.

        Raises:
            ConfigError: its step is not that of a trace, or as of `surrogate_run.check`.
        """
        check(scenario)
        if abs(scenario.plant.step_period - PERIOD) > 1e-9:
            raise ConfigError(
                f"{scenario.where}: plant.step_period is {scenario.plant.step_period} s, a twin is compared every "
                f"{PERIOD} s"
            )
        self.scenario = scenario
        self._plant = TwinPlant(blind(scenario), Start.MIDDLE)
        self._at_bollard = TwinPlant(blind_bollard(scenario), Start.BOLLARD)
        self.supervised = scenario.supervisor.enabled
        self.period = scenario.arc_config.period

    def drive(self, command: Array) -> Trace:
        """Return the twin's drive under logged commands, shape (n, 2). [m/s, rad/s]"""
        return drive(self._plant, command)

    def touch(self, command: Array) -> tuple[ContactEvent, ...]:
        """Return what the twin touches from in front of a bollard under logged commands, shape (n, 2)."""
        return touched(self._at_bollard, command)

    def rerun(self, seed: int, seconds: float, noise: float, path: Path) -> None:
        """Record the scenario driven by the same controller with the same seed, for as long as the log.

        Args:
            seed: of the log.
            seconds: longest drive. [s]
            noise: standard deviation of the twin's odometry velocity, as identified. [m/s, rad/s]
            path: of the recording to be written.
        """
        noisy = self.scenario.with_overrides({"sensors.odometry.twist_std": repr(noise)})
        plant = TwinPlant(noisy)
        try:
            record(plant, noisy, seed, path, seconds, None, {"source": "twin"})
        finally:
            plant.close()
