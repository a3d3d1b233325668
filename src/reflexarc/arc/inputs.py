# SPDX-License-Identifier: Apache-2.0
"""From the newest measurements to the state that a tick judges, the same way in a live node and in a replay.

Measurements arrive one by one, each with a stamp of its own. The newest of each kind makes the state; a
scan is placed in the fixed frame with the odometry whose stamp is nearest to the scan's, and the placement
is kept until the next scan.
"""

from collections import deque

import numpy as np

from reflexarc.arc.config import ArcConfig
from reflexarc.arc.surroundings import walls_from_scan
from reflexarc.core.interfaces import LIDAR_FRAME
from reflexarc.core.plant import Scan
from reflexarc.core.types import Array, BaseState, Mode, Obstacles, Proposal, Walls
from reflexarc.core.wire import NO_STAMP, Odometry, TickRecord
from reflexarc.robots import load_base

HISTORY = 64
"""Odometry messages among which the one nearest to a scan is looked for: more than half a second at 100
Hz."""


def place_scan(
    scan: Scan, odometry: Odometry, mount: Array, sectors: int, keepouts: Walls | None, frame_id: str
) -> Walls:
    """Return the walls that a scan shows, together with the map's keep-outs.

    Args:
        scan: the lidar scan.
        odometry: where base_link was when it was taken.
        mount: x, y, yaw of the lidar in base_link, shape (3,). [m, m, rad]
        sectors: nearest return of each of so many equal sectors.
        keepouts: lines that no sensor sees but the map forbids; a wrong frame of theirs becomes that of the
        walls, on
            which the arc stops the robot.
        frame_id: fixed frame that is expected.
    """
    if keepouts is not None and keepouts.frame_id != frame_id:
        return Walls(scan.stamp, keepouts.frame_id, keepouts.segments)
    if len(scan.ranges) == 0:  # a lidar that sends empty scans is broken, not a free view
        return Walls(scan.stamp, odometry.frame_id, np.full((1, 4), np.nan))
    segments = keepouts.segments if keepouts is not None else None
    return walls_from_scan(scan, odometry.pose, mount, sectors, segments, odometry.frame_id)


class ArcInputs:
    """Holds the newest of each input; `state` is what the next tick sees."""

    def __init__(self, config: ArcConfig, needs_map: bool, lidar_frame: str = LIDAR_FRAME):
        """Start with nothing.

        Args:
            config: names the robot (lidar mount, velocity components), the fixed frame and the number of sectors.
            needs_map: whether there is no state before the map's keep-outs have arrived.
            lidar_frame: frame in which scans must arrive.

        Raises:
            ConfigError: the robot is no base.
        """
        robot = load_base(config.robot)
        self.mount = np.array(robot.lidar_mount)
        self.components = robot.components
        self.sectors = config.walls_sectors
        self.frame_id = config.frame_id
        self.needs_map = needs_map
        self.lidar_frame = lidar_frame
        self.forget()

    def forget(self) -> None:
        """Drop everything but map and mode."""
        self.proposal: Proposal | None = None
        self.walls_pose_stamp = NO_STAMP
        self._odometry: Odometry | None = None
        self._history: deque[Odometry] = deque(maxlen=HISTORY)
        self._obstacles: Obstacles | None = None
        self._scan: Scan | None = None
        self._walls: Walls | None = None
        self._state: BaseState | None = None
        if not hasattr(self, "mode"):
            self.mode = Mode.NORMAL
            self._keepouts: Walls | None = None

    def add_odometry(self, odometry: Odometry) -> None:
        """Take a pose and twist."""
        self._odometry, self._state = odometry, None
        self._history.append(odometry)

    def add_obstacles(self, obstacles: Obstacles) -> None:
        """Take tracked obstacles."""
        self._obstacles, self._state = obstacles, None

    def add_scan(self, scan: Scan, frame_id: str) -> None:
        """Take a scan; one in a wrong frame becomes walls in that frame, on which the arc stops the robot."""
        self._state, self._walls = None, None
        self._scan = scan
        if frame_id != self.lidar_frame:
            self._walls = Walls(scan.stamp, f"scan in {frame_id!r}", np.zeros((0, 4)))

    def add_proposal(self, proposal: Proposal) -> None:
        """Take what the task policy wants."""
        self.proposal = proposal

    def add_keepouts(self, keepouts: Walls) -> None:
        """Take the map's keep-outs; the next scan brings them into the state."""
        self._keepouts = keepouts

    def state(self) -> BaseState | None:
        """Return the state of everything taken so far, or None while a kind of input has never arrived."""
        if self._state is not None:
            return self._state
        odometry, obstacles, scan = self._odometry, self._obstacles, self._scan
        if odometry is None or obstacles is None or scan is None:
            return None
        if self.needs_map and self._keepouts is None:
            return None
        if self._walls is None:
            placed_by = min(self._history, key=lambda o: abs(o.stamp - scan.stamp))
            self.walls_pose_stamp = placed_by.stamp
            self._walls = place_scan(scan, placed_by, self.mount, self.sectors, self._keepouts, self.frame_id)
        self._state = BaseState(
            odometry.stamp, odometry.frame_id, odometry.pose, odometry.twist, obstacles, self._walls
        )
        return self._state

    def record(self, seq: int, lateness: float, state: BaseState | None) -> TickRecord:
        """Say which inputs the tick number `seq`, which began `lateness` [s] late, used; `state` is what
        `state` gave.
        """
        had = state is not None
        return TickRecord(
            seq,
            lateness,
            state.stamp if had else NO_STAMP,
            state.obstacles.stamp if had else NO_STAMP,
            state.walls.stamp if had else NO_STAMP,
            self.walls_pose_stamp if had else NO_STAMP,
            self.proposal.stamp if self.proposal is not None else NO_STAMP,
        )
