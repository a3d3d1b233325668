# SPDX-License-Identifier: Apache-2.0
"""A publisher that survives what the middleware refuses.

On a loaded machine a message can fail to be sent ("cannot publish data": ros2/rclcpp#827, ros2/rmw#209). For a
stream that is a lost message like any other: whoever waits for it notices by its age. What is kept for late
subscribers is nobody's next message; it is sent again with the node's diagnostics.
"""

from typing import Any

from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.publisher import Publisher

RCLError = _rclpy.RCLError


class Sender(Publisher):
    """A publisher whose refused messages are counted and do not end its node."""

    unsent = 0
    """Messages that the middleware refused."""
    kept = False
    """Whether the topic's newest message is kept for late subscribers."""
    _left: Any = None

    def publish(self, msg: Any) -> None:
        """Send a message, or count it as lost."""
        self._left = None
        try:
            super().publish(msg)
        except RCLError:
            self.unsent += 1
            self._left = msg

    def send_again(self) -> None:
        """Send the newest message again if it was refused and is kept."""
        if self._left is not None and self.kept:
            self.publish(self._left)
