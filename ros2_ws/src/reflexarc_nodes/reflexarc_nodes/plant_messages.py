# SPDX-License-Identifier: Apache-2.0
"""What a plant publishes: each topic at its rate in plant time, each measurement once."""

import math

from rclpy.node import Node

from reflexarc.core.interfaces import BODY_FRAME, interface
from reflexarc.core.plant import CargoEvent, ContactEvent, PlantEvent, RolloverEvent
from reflexarc.core.types import BaseState
from reflexarc_nodes import convert
from reflexarc_nodes.markers import markers_of
from reflexarc_nodes.qos import advertise, message_class

_EVENTS = {
    ContactEvent: ("contact_events", convert.contact_to),
    CargoEvent: ("cargo_events", convert.cargo_to),
    RolloverEvent: ("rollover_events", convert.rollover_to),
}
_HORIZON = 1e3
"""Upper end of the clearance's range. [m]"""


class PlantMessages:
    """Publishers of a plant and the times at which each is due."""

    def __init__(self, node: Node, plant, scan_period: float, markers: bool, under: str = ""):
        """Advertise everything; `scan_period` is the time between two scans [s].

        With a namespace `under` this is one robot of a fleet: clock and pedestrians are published once, by
        `FleetMessages`, and no transform, since all robots' frames have the same name.
        """
        self.plant, self.scan_period = plant, scan_period
        names = [
            *(() if under else ("clock", "pedestrians")),
            "odom",
            "scan",
            "obstacles",
            "clearance",
            "joint_states",
            *(["markers"] if markers else []),
        ]
        self._topics = {
            name: advertise(node, name, under) for name in (*names, *(name for name, _ in _EVENTS.values()))
        }
        self._due = {name: 0 for name in (*names, "/tf")}
        self._seen = {"scan": math.nan, "obstacles": math.nan}
        self._nearest = math.inf
        self._transforms = None
        if under:
            return
        try:
            self._transforms = message_class(interface("/tf"))
            self._topics["/tf"] = advertise(node, "/tf")
        except ImportError:  # not on PyPI; the topic is optional
            pass

    def reset(self) -> None:
        """Publish everything again at the next `state`."""
        self._due = dict.fromkeys(self._due, 0)
        self._seen = dict.fromkeys(self._seen, math.nan)
        self._nearest = math.inf

    def state(self, state: BaseState, *, waiting: bool = False) -> None:
        """Publish what is due at the state's time; all of it while the plant `waiting` stands at time
        zero.
        """
        step = round(state.stamp / self.plant.step_period)
        if waiting:
            self.reset()
        self._nearest = min(self._nearest, self.plant.min_pedestrian_distance())
        if "clock" in self._topics and self._is_due("clock", step):
            self._topics["clock"].publish(convert.clock_to(state.stamp))
        if self._is_due("odom", step):
            self._topics["odom"].publish(convert.odometry_to(state))
        if self._is_due("joint_states", step):
            self._topics["joint_states"].publish(convert.wheels_to(state.stamp, *self.plant.wheels))
        scan = self.plant.scan()
        if scan is not None and scan.stamp != self._seen["scan"]:
            self._seen["scan"] = scan.stamp
            self._topics["scan"].publish(convert.scan_to(scan, self.scan_period))
        if state.obstacles.stamp != self._seen["obstacles"]:
            self._seen["obstacles"] = state.obstacles.stamp
            self._topics["obstacles"].publish(convert.obstacles_to(state.obstacles))
        if self._is_due("clearance", step):
            self._topics["clearance"].publish(convert.clearance_to(state.stamp, self._nearest, _HORIZON))
            self._nearest = math.inf
        if "pedestrians" in self._topics and self._is_due("pedestrians", step):
            self._topics["pedestrians"].publish(convert.obstacles_to(self.plant.pedestrians))
        if "markers" in self._topics and self._is_due("markers", step):
            self._topics["markers"].publish(markers_of(state, self.plant.pedestrians, self.plant.robot))
        if self._transforms is not None and self._is_due("/tf", step):
            self._topics["/tf"].publish(convert.transform_to(state, BODY_FRAME))

    def events(self, events: tuple[PlantEvent, ...]) -> None:
        """Publish what happened."""
        for event in events:
            topic, to_message = _EVENTS[type(event)]
            self._topics[topic].publish(to_message(event))

    def _is_due(self, name: str, step: int) -> bool:
        """Whether the topic's period has passed; counted in whole steps, so that nothing drifts."""
        if step < self._due[name]:
            return False
        self._due[name] = step + max(1, round(1.0 / (interface(name).rate_hz * self.plant.step_period)))
        return True


class FleetMessages:
    """What a plant of several robots publishes once for all: clock and pedestrians."""

    def __init__(self, node: Node, plant):
        """Advertise."""
        self.plant = plant
        self._clock, self._pedestrians = advertise(node, "clock"), advertise(node, "pedestrians")
        self._every = max(1, round(1.0 / (interface("pedestrians").rate_hz * plant.step_period)))

    def publish(self, step: int) -> None:
        """Publish the time of a step, and now and then where people are."""
        self._clock.publish(convert.clock_to(self.plant.time))
        if step % self._every == 0:
            self._pedestrians.publish(convert.obstacles_to(self.plant.pedestrians))
