# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLC0415 - where ROS is absent these files must still be read, to be skipped with a reason
"""What the middleware refuses to send does not end a node, is told, and is sent again where it is kept for others."""

import pytest

pytestmark = pytest.mark.ros


@pytest.fixture
def node(monkeypatch, new_domain):
    """A node of ours in this process whose middleware refuses everything while `node.refuses`."""
    import rclpy
    from rclpy.node import Node
    from rclpy.publisher import Publisher

    from reflexarc_nodes.base_node import NodeParts
    from reflexarc_nodes.health import Health
    from reflexarc_nodes.sender import RCLError

    class Small(NodeParts, Node):
        refuses = False

        def __init__(self):
            super().__init__("small")
            self.set_up()
            self.sent = []

        def health(self):
            return Health.judge([], {})

    original = Publisher.publish

    def publish(publisher, message):
        if made.refuses and publisher in made.publishers:
            raise RCLError("cannot publish data")
        if publisher in made.publishers:
            made.sent.append((publisher.topic_name, message))
        original(publisher, message)

    with rclpy.init(domain_id=new_domain()):
        made = Small()
        monkeypatch.setattr(Publisher, "publish", publish)
        yield made
        made.executor_.shutdown()
        made.destroy_node()


def test_a_refused_message_does_not_end_its_node(node):
    from geometry_msgs.msg import TwistStamped
    from nav_msgs.msg import Path

    from reflexarc_nodes.qos import advertise

    stream, kept = advertise(node, "proposal"), advertise(node, "route")
    node.refuses = True
    stream.publish(TwistStamped())
    kept.publish(Path())
    assert (stream.unsent, kept.unsent) == (1, 1)
    node.refuses, route = False, Path()
    route.header.frame_id = "newest"
    node.refuses = True
    kept.publish(route)
    node.refuses = False
    node.sent.clear()
    assert node.report(now=True)
    topics = [topic for topic, _ in node.sent]
    assert topics == ["/route", "/diagnostics"], "a stream goes on with its next message"
    assert node.sent[0][1].header.frame_id == "newest"
    status = node.sent[1][1].status[0]
    assert status.level == b"\x01"
    assert "message_unsent: 3 messages were refused" in status.message
    assert "/proposal" in status.message and "/route" in status.message
    node.sent.clear()
    node.report(now=True)
    assert [topic for topic, _ in node.sent] == ["/diagnostics"]
    assert node.sent[0][1].status[0].level == b"\x00", "only what is new is told"


def test_what_was_sent_since_is_not_sent_again(node):
    from nav_msgs.msg import Path

    from reflexarc_nodes.qos import advertise

    kept = advertise(node, "route")
    node.refuses = True
    kept.publish(Path())
    node.refuses = False
    kept.publish(Path())
    node.sent.clear()
    node.report(now=True)
    assert [topic for topic, _ in node.sent] == ["/diagnostics"]


def test_a_message_of_a_wrong_type_is_still_an_error(node):
    from nav_msgs.msg import Path

    from reflexarc_nodes.qos import advertise

    with pytest.raises(TypeError):
        advertise(node, "proposal").publish(Path())
