# SPDX-License-Identifier: Apache-2.0
"""Message definitions for recordings that tests write without ROS: ours from the workspace, standard ones
spelled out.
"""

from pathlib import Path

MESSAGES = Path(__file__).parents[2] / "ros2_ws" / "src" / "reflexarc_msgs" / "msg"
STANDARD = {
    "builtin_interfaces/Time": "int32 sec\nuint32 nanosec",
    "std_msgs/Header": "builtin_interfaces/Time stamp\nstring frame_id",
    "geometry_msgs/Point": "float64 x\nfloat64 y\nfloat64 z",
    "geometry_msgs/Vector3": "float64 x\nfloat64 y\nfloat64 z",
    "geometry_msgs/Quaternion": "float64 x\nfloat64 y\nfloat64 z\nfloat64 w",
    "geometry_msgs/Pose": "geometry_msgs/Point position\ngeometry_msgs/Quaternion orientation",
    "geometry_msgs/Twist": "geometry_msgs/Vector3 linear\ngeometry_msgs/Vector3 angular",
    "geometry_msgs/PoseWithCovariance": "geometry_msgs/Pose pose\nfloat64[36] covariance",
    "geometry_msgs/TwistWithCovariance": "geometry_msgs/Twist twist\nfloat64[36] covariance",
    "geometry_msgs/TwistStamped": "std_msgs/Header header\ngeometry_msgs/Twist twist",
    "nav_msgs/Odometry": "std_msgs/Header header\nstring child_frame_id\n"
    "geometry_msgs/PoseWithCovariance pose\ngeometry_msgs/TwistWithCovariance twist",
    "sensor_msgs/LaserScan": "std_msgs/Header header\nfloat32 angle_min\nfloat32 angle_max\n"
    "float32 angle_increment\nfloat32 time_increment\nfloat32 scan_time\n"
    "float32 range_min\nfloat32 range_max\n"
    "float32[] ranges\nfloat32[] intensities",
    "sensor_msgs/Range": "std_msgs/Header header\nuint8 radiation_type\nfloat32 field_of_view\n"
    "float32 min_range\nfloat32 max_range\nfloat32 range\nfloat32 variance",
}


def definition(name: str) -> str:
    """Return the text of `package/Name` followed by those of all messages in it, as an MCAP schema wants it."""
    seen: dict[str, str] = {}
    _collect(name, seen)
    parts = [seen.pop(name), *(f"MSG: {other}\n{text}" for other, text in seen.items())]
    return ("\n" + "=" * 80 + "\n").join(parts)


def _collect(name: str, seen: dict[str, str]) -> None:
    if name in seen:
        return
    package, short = name.split("/")
    text = STANDARD.get(name) or (MESSAGES / f"{short}.msg").read_text(encoding="utf-8")
    seen[name] = text
    for line in text.splitlines():
        kind = line.split("#")[0].strip().split(" ")[0].split("[")[0]
        if kind and kind[0].isupper():
            kind = f"{package}/{kind}"
        if "/" in kind:
            _collect(kind, seen)
