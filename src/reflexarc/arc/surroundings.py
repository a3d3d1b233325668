# SPDX-License-Identifier: Apache-2.0
"""From a lidar scan to the walls of a state."""

import numpy as np

from reflexarc.core.plant import Scan
from reflexarc.core.types import FIXED_FRAME, Array, Walls


def walls_from_scan(
    scan: Scan,
    pose: Array,
    mount: Array,
    sectors: int,
    keepouts: Array | None = None,
    frame_id: str = FIXED_FRAME,
) -> Walls:
    """Return the nearest return of each sector as a wall of zero length, together with the map's keep-outs.

    Args:
        scan: the lidar scan; returns outside [range_min, range_max] and non-finite ones are no returns.
        pose: x, y, yaw of base_link in the fixed frame when the scan was taken, shape (3,). [m, m, rad]
        mount: x, y, yaw of the lidar in base_link, shape (3,). [m, m, rad]
        sectors: number of equal sectors that the scan is divided into; what is behind the nearest return of a sector
            is dropped, so a sector should be narrower than the things that matter at the stopping distance.
        keepouts: segments that the robot must not cross although a lidar cannot see them (kerbs), shape (m, 4). [m]
        frame_id: fixed frame of `pose` and `keepouts`.

    Returns:
        Walls stamped like the scan.
    """
    ranges = np.asarray(scan.ranges)
    seen = np.isfinite(ranges) & (ranges >= scan.range_min) & (ranges <= scan.range_max)
    masked = np.where(seen, ranges, np.inf)
    size = -(-len(masked) // sectors)
    padded = np.full(size * sectors, np.inf)
    padded[: len(masked)] = masked
    index = padded.reshape(sectors, size).argmin(axis=1) + np.arange(sectors) * size
    index = index[np.isfinite(padded[index])]
    bearing = scan.angle_min + scan.angle_increment * index + mount[2]
    x = mount[0] + padded[index] * np.cos(bearing)
    y = mount[1] + padded[index] * np.sin(bearing)
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    points = np.column_stack((pose[0] + cos * x - sin * y, pose[1] + sin * x + cos * y))
    segments = np.hstack((points, points))
    if keepouts is not None:
        segments = np.vstack((segments, keepouts))
    return Walls(scan.stamp, frame_id, segments)
