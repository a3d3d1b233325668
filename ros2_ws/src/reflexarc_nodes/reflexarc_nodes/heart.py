# SPDX-License-Identifier: Apache-2.0
"""Sends a node's heartbeats from the loop that they vouch for; a thread of its own would beat beside a dead loop."""

import time

from rclpy.node import Node
from reflexarc_msgs.msg import Heartbeat

from reflexarc.assurance.heartbeat import Heart
from reflexarc.core.gate_interfaces import heartbeat_topic
from reflexarc.core.interfaces import interface
from reflexarc_nodes.convert import header_to
from reflexarc_nodes.qos import advertise


class HeartSender:
    """Publishes the beats of one source at the rate of its topic."""

    def __init__(self, node: Node, source: str):
        """Advertise the topic of `source`."""
        topic = heartbeat_topic(source)
        self.sender = advertise(node, topic)
        self._source, self._heart = source, Heart(interface(topic).rate_hz)

    def beat(self, stamp: float, motion: bool = True) -> None:
        """Send a beat if one is due; `stamp` is the node's time [s], `motion` whether it lets the robot move."""
        steady = time.monotonic()
        seq = self._heart.beat(steady)
        if seq is not None:
            message = Heartbeat(header=header_to(stamp, ""), source=self._source)
            message.seq, message.steady, message.motion = seq, steady, motion
            self.sender.publish(message)
