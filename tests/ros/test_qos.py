# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLC0415 - where ROS is absent these files must still be read, to be skipped with a reason
"""Quality of service made from the table: what is offered satisfies whoever subscribes, also foreign tools."""

import math

import pytest

from reflexarc.core.interfaces import INTERFACES, Durability, interface

pytestmark = pytest.mark.ros

TOPICS = pytest.mark.parametrize("item", INTERFACES, ids=lambda item: item.name)


def compatible(offered, requested):
    from rclpy.qos import QoSCompatibility, qos_check_compatible

    verdict, reason = qos_check_compatible(offered, requested)
    assert verdict == QoSCompatibility.OK, reason


def test_the_check_finds_what_does_not_fit():
    """A reliable subscription to a best-effort publisher receives nothing; the check used here must say so."""
    from rclpy.qos import QoSCompatibility, qos_check_compatible, qos_profile_sensor_data

    from reflexarc_nodes.qos import every_qos

    verdict, _ = qos_check_compatible(qos_profile_sensor_data, every_qos(interface("odom")))
    assert verdict == QoSCompatibility.ERROR


@TOPICS
@pytest.mark.parametrize("kind", ["newest_qos", "every_qos"])
def test_subscriptions_of_ours_are_satisfied(item, kind):
    from reflexarc_nodes import qos

    compatible(qos.offered_qos(item), getattr(qos, kind)(item))


@TOPICS
@pytest.mark.parametrize("kind", ["newest_qos", "every_qos"])
def test_a_driver_that_promises_no_deadline_is_not_refused(item, kind):
    from rclpy.qos import LivelinessPolicy, QoSProfile

    from reflexarc_nodes import qos

    driver = QoSProfile(
        depth=10,
        durability=qos._DURABILITY[item.durability],
        liveliness=LivelinessPolicy.AUTOMATIC,
        reliability=qos._RELIABILITY[item.reliability],
    )
    compatible(driver, getattr(qos, kind)(item))


@TOPICS
def test_a_best_effort_driver_reaches_whoever_acts_on_a_stream(item):
    from rclpy.qos import QoSCompatibility, ReliabilityPolicy, qos_check_compatible, qos_profile_sensor_data

    from reflexarc_nodes import qos

    if item.is_stream:
        assert qos.newest_qos(item).reliability == ReliabilityPolicy.BEST_EFFORT
        verdict, reason = qos_check_compatible(qos_profile_sensor_data, qos.newest_qos(item))
        assert verdict != QoSCompatibility.ERROR, reason


@TOPICS
def test_late_joiners_get_what_is_latched_on_both_ends(item):
    from rclpy.qos import DurabilityPolicy

    from reflexarc_nodes import qos

    expected = {
        Durability.TRANSIENT_LOCAL: DurabilityPolicy.TRANSIENT_LOCAL,
        Durability.VOLATILE: DurabilityPolicy.VOLATILE,
    }[item.durability]
    for make in (qos.offered_qos, qos.newest_qos, qos.every_qos):
        assert make(item).durability == expected


def test_promised_deadline_is_offered():
    from reflexarc_nodes.qos import offered_qos

    assert offered_qos(interface("cmd_vel")).deadline.nanoseconds == round(
        1e9 * interface("cmd_vel").deadline_s
    )
    assert math.isinf(interface("verdict").deadline_s)


@TOPICS
def test_the_message_class_exists(item):
    from reflexarc_nodes.qos import message_class

    try:
        cls = message_class(item)
    except ImportError:
        assert item.optional, f"{item.type} is not installed"
        pytest.skip(f"{item.type} is not installed; the topic is optional")
    assert cls.__name__ == item.type.rsplit("/", 1)[1]
