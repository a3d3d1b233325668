# SPDX-License-Identifier: Apache-2.0
"""The task of a simulated arm in contact as a node: publishes the path, judges by the truth, writes the summary.

It also notices when a node has gone: a topic that stays silent ends the run with exit code 1 and a reason.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.node import Node

from reflexarc.core import arm_wire
from reflexarc.core.config import quantity
from reflexarc_nodes.arm_convert import path_to
from reflexarc_nodes.base_node import EXIT_FAILED, EXIT_OK, NodeParts, Stop, main_of
from reflexarc_nodes.event_log import EventLog
from reflexarc_nodes.health import Health
from reflexarc_nodes.pacer import Pacer
from reflexarc_nodes.parameters import CommonParameters
from reflexarc_nodes.qos import advertise, listen

TRAILING_S = 0.5
"""Wall time after the task in which the plant's last events arrive. [s]"""
PERIOD_S = 0.02
"""Time between two looks at the watchdogs. [s]"""
STATUS_S = 0.5
"""Time between two lines of status in the event log. [s]"""
INPUTS = ("arm/truth", "arm/verdict", "arm/proposal")
"""Each published by another node."""


@dataclass(frozen=True, slots=True)
class ContactTaskParameters(CommonParameters):
    """Parameters of contact_task_node."""

    exit_when_done: bool = quantity(True, doc="end, with exit code 0, after the task")
    start_timeout_s: float = quantity(
        120.0, unit="s", low=1.0, high=3600.0, doc="wall time to wait for every input"
    )
    silence_s: float = quantity(
        10.0, unit="s", low=0.5, high=600.0, doc="wall time of silence after which a node is lost"
    )


class ContactTaskNode(NodeParts, Node):
    """Watches one task of an arm."""

    Parameters = ContactTaskParameters

    def __init__(self) -> None:
        super().__init__("contact_task_node")
        self.set_up()
        from reflexarc_sim.arm_live_figures import ArmLiveFigures  # noqa: PLC0415 - the scene of a simulated task

        scenario = self.params.load_scenario()
        self.frame_id = scenario.arc_config.frame_id
        self.figures = ArmLiveFigures(scenario, scenario.seed)
        self.folder = Path(self.params.out_dir) if self.params.out_dir else None
        self.log = EventLog(self.folder)
        self.problem = ""
        self.over = False
        self.reflex = ""
        self.faults: tuple[str, ...] = ()
        started = time.monotonic()
        self.heard, self.missing = dict.fromkeys(INPUTS, started), set(INPUTS)
        self.began = self.ended = started
        self.path = advertise(self, "arm/path")
        self.path.publish(path_to(self.time.now(), self.figures.scene.plan, self.frame_id))
        listen(self, "arm/truth", self._truth, every=True)
        listen(self, "arm/verdict", self._verdict, every=True)
        listen(self, "arm/proposal", lambda _: self._hear("arm/proposal"))
        listen(self, "arm/contact_events", self._contact, every=True)

    def run(self, stop: Stop) -> int:
        """Watch until the task is over; afterwards stay, or end with the run's exit code."""
        pacer = Pacer(PERIOD_S)
        due = 0.0
        while not stop.requested and not self.over:
            self.spin_for(pacer.remaining())
            pacer.begin()
            self.problem = self.silence(time.monotonic())
            self.over = bool(self.problem) or self.figures.over
            if self.figures.now >= due:
                due = self.figures.now + STATUS_S
                self._status()
            self.report()
        self._finish(self.problem or ("the run was stopped" if not self.over else ""))
        while not stop.requested and not self.params.exit_when_done:
            self.spin_for(PERIOD_S)
            self.report()
        return EXIT_FAILED if self.problem else EXIT_OK

    def silence(self, now: float) -> str:
        """Say which input has not come for too long at steady time `now` [s]; empty if none."""
        p = self.params
        for name, heard in self.heard.items():
            if name in self.missing and now - heard > p.start_timeout_s:
                return f"node_killed: nothing has ever arrived on {name} within {p.start_timeout_s:g} s"
            if name not in self.missing and now - heard > p.silence_s:
                return (
                    f"node_killed: {name} has been silent for {now - heard:.1f} s, allowed {p.silence_s:g} s"
                )
        return ""

    def health(self) -> Health:
        """Return the running figures."""
        waiting = [f"waiting for {', '.join(sorted(self.missing))}"] if self.missing else []
        return Health.judge([self.problem] if self.problem else [], self.figures.counters(), warnings=waiting)

    def close(self) -> None:
        """Close the event log."""
        self.log.close()

    def _hear(self, name: str) -> None:
        self.heard[name] = time.monotonic()
        self.missing.discard(name)

    def _truth(self, message: Any) -> None:
        if "arm/truth" in self.missing:
            self.began = time.monotonic()
        self._hear("arm/truth")
        self.figures.add_truth(arm_wire.truth_from(message))
        if not self.figures.over:
            self.ended = time.monotonic()

    def _verdict(self, message: Any) -> None:
        self._hear("arm/verdict")
        verdict, record = arm_wire.arm_verdict_from(message)
        if self.over or "arm/truth" in self.missing:
            return
        self.figures.add_verdict(verdict, record)
        if verdict.faults != self.faults:
            self.faults = verdict.faults
            reason = verdict.interventions[-1].reason if verdict.interventions else ""
            self.log.write(verdict.now, "fault", ", ".join(verdict.faults) or "none", reason=reason)
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

    def _status(self) -> None:
        self.log.write(self.figures.now, "status", "", **self.figures.counters())

    def _finish(self, reason: str) -> None:
        """Take away the path, wait for the plant's last events and write the summary."""
        self.over = True
        self.path.publish(path_to(self.time.now(), np.zeros((0, 3)), self.frame_id))
        self.spin_for(TRAILING_S)
        if reason:
            self.log.write(self.figures.now, "problem" if self.problem else "stopped", reason)
            self.get_logger().error(reason) if self.problem else self.get_logger().info(reason)
        self._status()
        result = self.figures.result()
        summary = result.summary
        text = summary.violation or summary.outcome
        self.log.write(self.figures.now, "task", text, outcome=summary.outcome, success=summary.success)
        self.get_logger().info(f"task ended after {self.figures.now:.2f} s: {text}")
        if self.folder is not None:
            wall = max(self.ended - self.began, 1e-9)
            data = summary.to_json() | {
                "clock": "live",
                "wall_s": round(wall, 2),
                "real_time_factor": round(self.figures.now / wall, 3),
                **self.figures.loop(),
            }
            (self.folder / "summary.json").write_text(json.dumps(data) + "\n", encoding="utf-8")
            result.save(self.folder / "log.npz")


def main() -> int:
    """Run the node."""
    return main_of(ContactTaskNode)


if __name__ == "__main__":
    sys.exit(main())
