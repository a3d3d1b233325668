# SPDX-License-Identifier: Apache-2.0
"""Publishers and subscriptions made from the interface table; no node writes a topic name's type or a QoS
itself.
"""

import importlib
import math
from collections.abc import Callable
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from reflexarc.core.interfaces import Durability, Interface, Reliability, interface
from reflexarc_nodes.sender import Sender

EVERY_DEPTH = 2000
"""Messages kept for a subscriber that must not miss one: ten seconds of the fastest topic."""
_RELIABILITY = {
    Reliability.RELIABLE: ReliabilityPolicy.RELIABLE,
    Reliability.BEST_EFFORT: ReliabilityPolicy.BEST_EFFORT,
}
_DURABILITY = {
    Durability.VOLATILE: DurabilityPolicy.VOLATILE,
    Durability.TRANSIENT_LOCAL: DurabilityPolicy.TRANSIENT_LOCAL,
}


def message_class(item: Interface) -> type:
    """Return the Python class of the topic's messages.

    Raises:
        ImportError: the message package is not installed.
    """
    package, _, name = item.type.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)


def offered_qos(item: Interface) -> QoSProfile:
    """Return what a publisher of the topic offers."""
    profile = QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=item.depth,
        reliability=_RELIABILITY[item.reliability],
        durability=_DURABILITY[item.durability],
        liveliness=LivelinessPolicy.AUTOMATIC,
    )
    if math.isfinite(item.deadline_s):
        profile.deadline = Duration(nanoseconds=round(item.deadline_s * 1e9))
    return profile


def newest_qos(item: Interface) -> QoSProfile:
    """Return what a controller requests: the newest message only; a lost one of a stream is not sent
    again.
    """
    reliability = Reliability.BEST_EFFORT if item.is_stream else item.reliability
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1,
        reliability=_RELIABILITY[reliability],
        durability=_DURABILITY[item.durability],
        liveliness=LivelinessPolicy.AUTOMATIC,
    )


def every_qos(item: Interface) -> QoSProfile:
    """Return what a logger requests: every message, as reliably as it is offered."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=EVERY_DEPTH,
        reliability=_RELIABILITY[item.reliability],
        durability=_DURABILITY[item.durability],
        liveliness=LivelinessPolicy.AUTOMATIC,
    )


def advertise(node: Node, name: str, under: str = "") -> Sender:
    """Return a publisher of the table's topic `name`, in the namespace `under` below the node's own."""
    item = interface(name)
    topic = topic_name(item.name, under)
    made = node.create_publisher(message_class(item), topic, offered_qos(item), publisher_class=Sender)
    assert isinstance(made, Sender)
    made.kept = item.durability is Durability.TRANSIENT_LOCAL
    return made


def topic_name(name: str, under: str) -> str:
    """Return the name of a topic in the namespace `under`; names shared by all robots stay as they are."""
    return f"{under}/{name}" if under and not name.startswith("/") else name


def listen(
    node: Node,
    name: str,
    callback: Callable[..., None],
    *,
    every: bool = False,
    raw: bool = False,
    under: str = "",
) -> Subscription:
    """Return a subscription to the table's topic `name`. What it takes is counted in the node's `taken`.

    Args:
        node: who listens.
        name: name in the table.
        callback: called with each message, or with its bytes where `raw`.
        every: whether each message matters, not only the newest.
        raw: whether to receive serialized bytes.
        under: namespace below the node's own.
    """
    item = interface(name)
    qos = every_qos(item) if every else newest_qos(item)
    kwargs: dict[str, Any] = {"raw": raw}
    counter: Any = node

    def take(message: Any) -> None:
        counter.taken = getattr(counter, "taken", 0) + 1
        callback(message)

    return node.create_subscription(message_class(item), topic_name(item.name, under), take, qos, **kwargs)
