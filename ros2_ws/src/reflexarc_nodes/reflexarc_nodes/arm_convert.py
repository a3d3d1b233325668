# SPDX-License-Identifier: Apache-2.0
"""Messages of an arm from core types; the other direction is `reflexarc.core.arm_wire`."""

from typing import Any

from geometry_msgs.msg import Point, PoseStamped, Quaternion, Vector3, WrenchStamped
from nav_msgs.msg import Path
from reflexarc_msgs import msg as messages

from reflexarc.core.arm_interfaces import ARM_FRAME
from reflexarc.core.joint_wire import JointRecord
from reflexarc.core.types import Array, ImpedanceProposal, Verdict, Wrench
from reflexarc_nodes.convert import header_to, xyz
from reflexarc_nodes.joint_convert import joint_verdict_to


def wrench_to(wrench: Wrench) -> WrenchStamped:
    """Return a measured wrench."""
    message = WrenchStamped(header=header_to(wrench.stamp, wrench.frame_id))
    message.wrench.force = Vector3(**xyz(wrench.force))
    message.wrench.torque = Vector3(**xyz(wrench.torque))
    return message


def impedance_to(proposal: ImpedanceProposal) -> messages.ImpedanceProposal:
    """Return a proposal."""
    return messages.ImpedanceProposal(
        header=header_to(proposal.stamp, proposal.frame_id),
        target=Point(**xyz(proposal.target)),
        stiffness=proposal.stiffness.reshape(-1),
    )


def path_to(stamp: float, points: Array, frame_id: str) -> Path:
    """Return places (n, 3) [m] as a path; its orientations say nothing."""
    path = Path(header=header_to(stamp, frame_id))
    for point in points:
        pose = PoseStamped(header=path.header)
        pose.pose.position = Point(**xyz(point))
        pose.pose.orientation = Quaternion(w=1.0)
        path.poses.append(pose)
    return path


def tool_contact_to(contact: Any) -> messages.ToolContact:
    """Return an encounter of the tool, a `ToolContact` of the plant."""
    return messages.ToolContact(
        header=header_to(contact.end, ARM_FRAME),
        start=float(contact.start),
        end=float(contact.end),
        partner=contact.partner,
        peak_force=float(contact.peak_force),
        impulse=float(contact.impulse),
        place=Point(**xyz(contact.place)),
    )


def arm_verdict_to(verdict: Verdict, record: JointRecord, frame_id: str) -> messages.ArmVerdict:
    """Return a verdict together with the inputs that it used."""
    message = joint_verdict_to(verdict, record, frame_id)
    inside = verdict.contact
    if inside is not None:
        message.contact = True
        message.tip, message.reference = Point(**xyz(inside.tip)), Point(**xyz(inside.reference))
        message.velocity, message.force = Vector3(**xyz(inside.velocity)), Vector3(**xyz(inside.force))
        message.stiffness = inside.stiffness.reshape(-1)
        message.push, message.peak = float(inside.push), float(inside.peak)
        message.braking, message.tank = float(inside.braking), float(inside.tank)
        message.underflows, message.reflexes = int(inside.underflows), int(inside.reflexes)
        message.reflex = inside.reflex
    return message
