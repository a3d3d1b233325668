# SPDX-License-Identifier: Apache-2.0
r"""A cell: a person, a process, sensors, safety modes, hazards and what may be done about them.

Turn-based, one step per turn: supervisor, process, person. The supervisor sees the signals of the sensors and chooses a
mode; in the process's turn every present hazard h turns into a mishap with probability p_h f_h(mode), otherwise one
task goes on; in the person's turn one of their moves happens and every sensor may fail. After Gleirscher et al.,
Verified Synthesis of Optimal Safety Controllers for Human-Robot Collaboration, arXiv 2106.06604.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reflexarc.assurance.hazards.probability import Probability
from reflexarc.core.config import quantity
from reflexarc.core.types import Mode

SENSOR_STATES = ("works", "wrong", "lost")


@dataclass(frozen=True, slots=True)
class Move:
    """One thing that the person may do."""

    name: str = quantity(doc="name")
    when: dict[str, Any] = quantity(doc="condition under which it is possible")
    set: dict[str, Any] = quantity(doc="what it changes: the person's location, objects")
    probability: Probability = quantity(doc="per turn")
    deterred_by: str = quantity("", doc="alarm of intensity a; while it sounds, the probability is p (1 - a)")
    hurried_by: str = quantity(
        "", doc="alarm of intensity a; while it sounds, the probability is p + (1 - p) a"
    )

    def __post_init__(self) -> None:
        if self.deterred_by and self.hurried_by:
            raise ValueError(
                f"move {self.name} is both deterred and hurried by an alarm; allowed: one of them"
            )


@dataclass(frozen=True, slots=True)
class Task:
    """One step of the process; it takes place unless the mode's productivity is 0."""

    name: str = quantity(doc="name")
    when: dict[str, Any] = quantity(doc="condition under which it is due; exclusive among the tasks")
    set: dict[str, Any] = quantity({}, doc="what it changes: the activity, objects")
    probability: Probability | None = quantity(None, doc="that it is done within the turn (default: surely)")
    value: float = quantity(0.0, low=0.0, doc="productivity when it is done in a mode of factor 1")


@dataclass(frozen=True, slots=True)
class Person:
    """The person: locations and moves."""

    name: str = quantity(doc="what the person is called; also the variable in conditions")
    locations: tuple[str, ...] = quantity(doc="states")
    initial: str = quantity(doc="first location")
    moves: tuple[Move, ...] = quantity(doc="what they may do")


@dataclass(frozen=True, slots=True)
class Process:
    """The robot's process: activities and tasks."""

    activities: tuple[str, ...] = quantity(doc="states; the variable in conditions is `activity`")
    initial: str = quantity(doc="first activity")
    tasks: tuple[Task, ...] = quantity(doc="its steps")
    goal: dict[str, Any] = quantity(doc="condition that a finished task fulfils")


@dataclass(frozen=True, slots=True)
class Thing:
    """Anything else with states: a workpiece, a door."""

    states: tuple[str, ...] = quantity(doc="states")
    initial: str = quantity(doc="first state")


@dataclass(frozen=True, slots=True)
class Sensor:
    """What signals come from."""

    failure: Probability = quantity(doc="per turn: its signals are wrong in this turn, unnoticed")
    reports: str = quantity(
        "opposite", choices=("opposite", "nothing"), doc="what a wrong sensor's signals show"
    )
    loss: Probability | None = quantity(None, doc="per turn: it is lost, which is noticed")
    repair: Probability | None = quantity(None, doc="per turn: it returns")
    lost_signal: str = quantity(
        "", doc="signal that says that it is lost; excuses that its others are unknown"
    )

    def __post_init__(self) -> None:
        if len({self.loss is None, self.repair is None, not self.lost_signal}) > 1:
            raise ValueError("loss, repair and lost_signal belong together")


@dataclass(frozen=True, slots=True)
class Signal:
    """A boolean that the supervisor is given."""

    when: dict[str, Any] = quantity(doc="what it says while its sensor works")
    sensor: str = quantity("", doc="its sensor; none for what is always known")


@dataclass(frozen=True, slots=True)
class SafetyMode:
    """A mode of the cell; modes are listed from the most permissive to the strictest."""

    arc: Mode
    """What the arc executes."""
    productivity: float
    """Factor on the value of tasks; the process halts at 0."""
    mishap: Mapping[str, float]
    """Hazard to the factor on its probability of a mishap."""

    @property
    def latched(self) -> bool:
        """Whether the mode ends only with an acknowledgement."""
        return self.arc >= Mode.PROTECTIVE_STOP


@dataclass(frozen=True, slots=True)
class Hazard:
    """A dangerous situation."""

    description: str = quantity(doc="what it is")
    when: dict[str, Any] = quantity(doc="condition under which it is really there")
    mishap: Probability = quantity(doc="per turn of the process, at factor 1")
    severity: float = quantity(low=0.0, doc="of the mishap")
    detected_by: tuple[str, ...] = quantity(doc="signals; any of them makes it perceived")
    mitigations: tuple[str, ...] = quantity(doc="actions to choose from")
    resumptions: tuple[str, ...] = quantity(doc="actions to choose from")
    weight: float = quantity(1.0, low=0.0, doc="in the weighted risk")
    requires: tuple[str, ...] = quantity((), doc="hazards that must have been perceived before or together")
    prevents: tuple[str, ...] = quantity((), doc="hazards that cannot be there at the same time")
    causes: tuple[str, ...] = quantity((), doc="hazards that are there whenever this one is")
    blocks: tuple[str, ...] = quantity((), doc="hazards whose mitigation gives way to this one's")


@dataclass(frozen=True, slots=True)
class Action:
    """A mitigation or a resumption."""

    mode: str = quantity(doc="target mode")
    activity: str = quantity("", doc="target activity; empty leaves it")
    alarm: str = quantity("", doc="alarm that sounds while the mitigation holds")
    disruption: float = quantity(0.0, low=0.0, doc="cost, each time it is taken")
    nuisance: float = quantity(0.0, low=0.0, doc="cost at alarm intensity 1, each time it is taken")
    effort: float = quantity(0.0, low=0.0, doc="cost, each time it is taken")


@dataclass(frozen=True, slots=True)
class Resuming:
    """How soon a mitigation ends after its hazard."""

    dwell: Probability = quantity(doc="per turn: the dwell is over")
    acknowledge: Probability = quantity(doc="per turn: somebody acknowledges a stop")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a policy must keep to be chosen."""

    mishap_probability: float = quantity(low=0.0, high=1.0, doc="largest P(mishap within the horizon)")
    confidence: float = quantity(0.95, low=0.5, high=0.9999, doc="of intervals from counts")


@dataclass(frozen=True, slots=True)
class Cell:
    """The whole model."""

    name: str
    description: str
    step_s: float
    """Duration of one turn. [s]"""
    horizon_steps: int
    sources: Mapping[str, str]
    person: Person
    process: Process
    things: Mapping[str, Thing]
    sensors: Mapping[str, Sensor]
    signals: Mapping[str, Signal]
    modes: Mapping[str, SafetyMode]
    hazards: Mapping[str, Hazard]
    actions: Mapping[str, Action]
    alarms: tuple[str, ...]
    default_stop: Action
    resuming: Resuming
    limits: Limits
    sha256: str
    """Of the canonical content of the file."""

    @property
    def variables(self) -> dict[str, tuple[str, ...]]:
        """Every variable that conditions may name, with its states."""
        return {
            self.person.name: self.person.locations,
            "activity": self.process.activities,
            "mode": tuple(self.modes),
            **{name: thing.states for name, thing in self.things.items()},
            **dict.fromkeys(self.sensors, SENSOR_STATES),
        }

    @property
    def base_mode(self) -> str:
        """The most permissive mode."""
        return next(iter(self.modes))

    @property
    def excused_by(self) -> dict[str, str]:
        """Signal to the one that excuses that it is unknown."""
        return {
            name: self.sensors[signal.sensor].lost_signal
            for name, signal in self.signals.items()
            if signal.sensor and self.sensors[signal.sensor].lost_signal
        }

    def probabilities(self) -> dict[str, Probability]:
        """Return every probability by its path, such as `hazards.HC.mishap`."""
        found = {f"person.{move.name}": move.probability for move in self.person.moves}
        found |= {f"process.{task.name}": task.probability for task in self.process.tasks if task.probability}
        for name, sensor in self.sensors.items():
            parts = {"failure": sensor.failure, "loss": sensor.loss, "repair": sensor.repair}
            found |= {f"sensors.{name}.{key}": part for key, part in parts.items() if part}
        found |= {f"hazards.{name}.mishap": hazard.mishap for name, hazard in self.hazards.items()}
        found |= {"resuming.dwell": self.resuming.dwell, "resuming.acknowledge": self.resuming.acknowledge}
        return found
