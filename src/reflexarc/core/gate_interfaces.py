# SPDX-License-Identifier: Apache-2.0
"""The topics of the heartbeat gate and the supervisor, part of the table in `reflexarc.core.interfaces`.

Every sender of heartbeats has a topic of its own, so that a receiver that keeps only the newest message misses nobody.
"""

import math

from reflexarc.core.interface_type import Interface, Reliability

GATED = "cmd_vel_gated"
"""What the plant takes instead of `cmd_vel` where a gate stands between."""
ACKNOWLEDGE = "acknowledge_events"
LEASE_S = 0.2
"""Longest time for which a beat vouches for its sender, unless a parameter says otherwise. [s]"""
_BODY_FRAME = "base_link"
_SENDERS = {
    "arc": ("arc_node", "after its ticks"),
    "plant": ("plant_node", "after its steps"),
    "supervisor": ("supervisor_node", "after its turns"),
    "gate": ("gate_node", "after its turns; says whether the gate is open"),
}


def heartbeat_topic(source: str) -> str:
    """Return the topic of a source's beats."""
    return f"heartbeat/{source}"


GATE_INTERFACES: tuple[Interface, ...] = (
    *(
        Interface(
            heartbeat_topic(source),
            "reflexarc_msgs/msg/Heartbeat",
            node,
            "",
            50.0,
            LEASE_S,
            f"Beats of {node}, sent {when}; only where a gate runs.",
            depth=10,
            # A newer beat vouches for more than a lost one; a reliable topic would hold it back until that had been
            # sent again.
            reliability=Reliability.BEST_EFFORT,
        )
        for source, (node, when) in _SENDERS.items()
    ),
    Interface(
        GATED,
        "geometry_msgs/msg/TwistStamped",
        "gate_node",
        _BODY_FRAME,
        200.0,
        0.1,
        "Command that passed the gate, zero while it is closed; the plant takes it instead of cmd_vel.",
        depth=50,
        deadline_s=0.1,
    ),
    Interface(
        ACKNOWLEDGE,
        "std_msgs/msg/String",
        "operator",
        "",
        0.0,
        math.inf,
        "Who acknowledges that the cause of a stop is gone; not kept for late subscribers, a name is needed.",
        depth=10,
    ),
)
