# SPDX-License-Identifier: Apache-2.0
"""Messages about a fleet: plan, progress, delays."""

from collections.abc import Collection

from reflexarc_msgs.msg import FleetDelays, FleetPath, FleetPlan, FleetProgress

from reflexarc.core.types import FIXED_FRAME
from reflexarc.fleet.execution import Fleet, FleetEvent
from reflexarc.fleet.execution.tracks import simplified
from reflexarc_nodes.convert import header_to


def plan_to(fleet: Fleet, event: FleetEvent) -> FleetPlan:
    """Return the plan in force after `event`."""
    paths = []
    for name in fleet.names:
        track = simplified(fleet.track(name))
        x, y = track.points.T.tolist()
        paths.append(FleetPath(robot=name, x=x, y=y, time=track.times.tolist()))
    return FleetPlan(
        header=header_to(event.time, FIXED_FRAME), number=fleet.plans, paths=paths, text=event.text
    )


def progress_to(fleet: Fleet, stale: Collection[str], now: float) -> FleetProgress:
    """Return how far everybody is; `stale` names robots whose odometry is old."""
    kind, message = FleetProgress, FleetProgress(header=header_to(now, ""), robots=list(fleet.names))
    for name in fleet.names:
        driven, permitted, length = fleet.progress(name)
        state = kind.IDLE if fleet.goal(name) is None else kind.UNDER_WAY
        if not fleet.has_way(name):
            state = kind.WITHOUT_WAY
        if name in stale:
            state = kind.STALE
        if fleet.lost(name):
            state = kind.LOST
        message.states.append(state)
        message.driven.append(driven)
        message.permitted.append(permitted)
        message.length.append(length)
    return message


def delays_to(fleet: Fleet, now: float) -> FleetDelays:
    """Return how late everybody is."""
    delays = [0.0 if fleet.lost(n) else fleet.delay(n, now) for n in fleet.names]
    return FleetDelays(header=header_to(now, ""), robots=list(fleet.names), delays=delays)
