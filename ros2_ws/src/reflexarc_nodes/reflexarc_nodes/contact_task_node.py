# SPDX-License-Identifier: Apache-2.0
"""The task of a simulated arm in contact as a node: publishes the path, judges by the truth, writes the summary."""

import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from reflexarc.core import arm_wire
from reflexarc_nodes.arm_convert import path_to
from reflexarc_nodes.base_node import main_of
from reflexarc_nodes.qos import advertise, listen
from reflexarc_nodes.task_base import TaskBase, TaskParameters


@dataclass(frozen=True, slots=True)
class ContactTaskParameters(TaskParameters):
    """Parameters of contact_task_node."""


class ContactTaskNode(TaskBase):
    """Watches one task of an arm."""

    Parameters = ContactTaskParameters
    inputs = ("arm/truth", "arm/verdict", "arm/proposal")

    def __init__(self) -> None:
        super().__init__("contact_task_node")

    def make_figures(self, scenario: Any) -> Any:
        """Make the scene, by whose truth the task is judged."""
        from reflexarc_sim.arm_live_figures import ArmLiveFigures  # noqa: PLC0415 - the scene of a simulated task

        return ArmLiveFigures(scenario, scenario.seed)

    def connect(self, scenario: Any) -> None:
        """Publish the path and listen."""
        self.frame_id = scenario.arc_config.frame_id
        self.path = advertise(self, "arm/path")
        self.path.publish(path_to(self.time.now(), self.figures.scene.plan, self.frame_id))
        listen(self, "arm/truth", self._truth, every=True)
        listen(self, "arm/verdict", self._verdict, every=True)
        listen(self, "arm/proposal", lambda _: self.hearing.hear("arm/proposal"))
        listen(self, "arm/contact_events", self._contact, every=True)

    def dismiss(self) -> None:
        """Take away the path."""
        self.path.publish(path_to(self.time.now(), np.zeros((0, 3)), self.frame_id))

    def conclude(self, summary: Any) -> str:
        """Say how the task ended."""
        text = summary.violation or summary.outcome
        self.log.write(self.figures.now, "task", text, outcome=summary.outcome, success=summary.success)
        return f"task ended after {self.figures.now:.2f} s: {text}"

    def _truth(self, message: Any) -> None:
        if "arm/truth" in self.hearing.missing:
            self.began = time.monotonic()
        self.hearing.hear("arm/truth")
        self.figures.add_truth(arm_wire.truth_from(message))
        if not self.figures.over:
            self.ended = time.monotonic()

    def _verdict(self, message: Any) -> None:
        self.hearing.hear("arm/verdict")
        verdict, record = arm_wire.arm_verdict_from(message)
        if self.over or "arm/truth" in self.hearing.missing:
            return
        self.count(verdict, record)
        inside = verdict.contact
        reflex = inside.reflex if inside is not None else ""
        if inside is not None and reflex != self.reflex:
            text = f"reflex {inside.reflexes}: {reflex}" if reflex else "the task policy goes on"
            self.log.write(verdict.now, "reflex", text, risk=verdict.risk, force_n=inside.force.tolist())
        self.reflex = reflex

    def _contact(self, message: Any) -> None:
        from reflexarc_sim.arm_plant import ToolContact  # noqa: PLC0415 - a simulated tool's

        contact = ToolContact(**arm_wire.tool_contact_from(message))
        self.figures.add_contact(contact)
        self.log.write(contact.end, "contact", f"the tool touched {contact.partner}", **asdict(contact))


def main() -> int:
    """Run the node."""
    return main_of(ContactTaskNode)


if __name__ == "__main__":
    sys.exit(main())
