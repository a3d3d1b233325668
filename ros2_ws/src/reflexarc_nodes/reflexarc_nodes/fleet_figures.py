# SPDX-License-Identifier: Apache-2.0
"""Running figures and summary of a live run of a fleet."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from reflexarc.core.plant import ContactClass, ContactEvent
from reflexarc.core.types import Array
from reflexarc.mission.summary import MOVING_SPEED

if TYPE_CHECKING:
    from reflexarc_sim.fleet_tasks import FleetTasks


class FleetFigures:
    """Counts contacts, deliveries and the least distance of two robots."""

    def __init__(self, tasks: "FleetTasks", goals: int):
        """Start with nothing counted; `goals` is how many deliveries there will be."""
        self._tasks, self._goals = tasks, goals
        self._contacts: list[tuple[str, ContactEvent]] = []
        self._least_gap = math.inf

    def contact(self, robot: str, event: ContactEvent) -> None:
        """Count a contact of a robot."""
        self._contacts.append((robot, event))

    def places(self, places: Mapping[str, Array]) -> None:
        """Take where the robots are, each (2,). [m]"""
        at = np.array(list(places.values()))
        if len(at) > 1:
            gaps = np.hypot(*np.moveaxis(at[:, None] - at[None], 2, 0))
            self._least_gap = min(self._least_gap, float(gaps[~np.eye(len(at), dtype=bool)].min()))

    def counters(self) -> dict[str, Any]:
        """Return the running figures."""
        kinds = [event.contact_class for _, event in self._contacts]
        return {
            "missions": self._goals,
            "missions_done": len(self._tasks.deliveries),
            "successes": sum(math.isfinite(d.end) for d in self._tasks.deliveries),
            "contacts": len(kinds),
            "pedestrian_contacts": kinds.count(ContactClass.PEDESTRIAN),
            "robot_contacts": (kinds.count(ContactClass.ROBOT) + 1) // 2,  # both robots report each
            "interventions": 0,
            "min_distance_m": self._least_gap,
            "plans": self._tasks.fleet.plans,
            "kept": self._tasks.fleet.kept,
        }

    def summary(self, seed: int, now: float) -> dict[str, Any]:
        """Return what a run of so many seconds came to, with the names that a lock-step run gives them."""
        counters, tasks = self.counters(), self._tasks
        deliveries = sorted(tasks.deliveries, key=lambda d: (d.robot, d.number))
        return {
            "seed": seed,
            "robots": len(tasks.names),
            "goals": self._goals,
            "reached": counters["successes"],
            "duration_s": now,
            "robot_contacts": counters["robot_contacts"],
            "pedestrian_contacts": counters["pedestrian_contacts"],
            "pedestrian_contacts_moving": sum(
                e.contact_class is ContactClass.PEDESTRIAN and e.robot_speed > MOVING_SPEED
                for _, e in self._contacts
            ),
            "other_contacts": sum(
                e.contact_class not in (ContactClass.PEDESTRIAN, ContactClass.ROBOT)
                for _, e in self._contacts
            ),
            "least_gap_m": self._least_gap if math.isfinite(self._least_gap) else None,
            "plans": counters["plans"],
            "kept": counters["kept"],
            "deliveries": [
                {
                    "robot": d.robot,
                    "number": d.number,
                    "goal": tasks.road.graph.positions[d.goal].tolist(),
                    "begin": d.begin,
                    "end": d.end if math.isfinite(d.end) else None,
                }
                for d in deliveries
            ],
            "contacts": [
                {
                    "robot": robot,
                    "contact_class": str(e.contact_class),
                    "partner": e.partner,
                    "start": e.start,
                    "robot_speed": e.robot_speed,
                }
                for robot, e in self._contacts
            ],
        }
