# SPDX-License-Identifier: Apache-2.0
"""Pictures for a 3-D viewer."""

from geometry_msgs.msg import Point, Vector3
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from reflexarc.core.interfaces import BODY_FRAME
from reflexarc.core.types import BaseState, Obstacles
from reflexarc.robots import BaseRobot
from reflexarc_nodes.convert import header_to, yaw_to

_PERSON_HEIGHT = 1.7  # [m]
_ROBOT_COLOUR = ColorRGBA(r=0.1, g=0.35, b=0.8, a=1.0)
_PERSON_COLOUR = ColorRGBA(r=0.9, g=0.5, b=0.1, a=0.9)


def markers_of(state: BaseState, people: Obstacles, robot: BaseRobot) -> MarkerArray:
    """Return the robot as a box and people as cylinders; everything drawn before is deleted."""
    header = header_to(state.stamp, state.frame_id)
    box = Marker(header=header, ns=BODY_FRAME, id=0, type=Marker.CUBE, action=Marker.ADD, color=_ROBOT_COLOUR)
    box.scale = Vector3(x=robot.length, y=robot.width, z=robot.height)
    box.pose.position = Point(x=float(state.pose[0]), y=float(state.pose[1]), z=robot.height / 2)
    box.pose.orientation = yaw_to(float(state.pose[2]))
    found = [Marker(header=header, action=Marker.DELETEALL), box]
    for number, ((x, y), radius) in enumerate(
        zip(people.position.tolist(), people.radius.tolist(), strict=True)
    ):
        person = Marker(header=header, ns="people", id=number, type=Marker.CYLINDER, color=_PERSON_COLOUR)
        person.scale = Vector3(x=2 * radius, y=2 * radius, z=_PERSON_HEIGHT)
        person.pose.position = Point(x=x, y=y, z=_PERSON_HEIGHT / 2)
        person.pose.orientation.w = 1.0
        found.append(person)
    return MarkerArray(markers=found)
