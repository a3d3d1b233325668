# SPDX-License-Identifier: Apache-2.0
"""What the judges of simulated robots that are driven joint by joint share: watching, the event log and the summary.

They also notice when a node has gone: a topic that stays silent ends the run with exit code 1 and a reason.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.node import Node

from reflexarc.core.config import quantity
from reflexarc.core.joint_wire import JointRecord
from reflexarc.core.types import Verdict
from reflexarc_nodes.base_node import EXIT_FAILED, EXIT_OK, NodeParts, Stop
from reflexarc_nodes.event_log import EventLog
from reflexarc_nodes.health import Health
from reflexarc_nodes.hearing import Hearing
from reflexarc_nodes.pacer import Pacer
from reflexarc_nodes.parameters import CommonParameters

STATUS_S = 0.5
"""Time between two lines of status in the event log. [s]"""


@dataclass(frozen=True, slots=True)
class TaskParameters(CommonParameters):
    """Parameters of a judge's node."""

    exit_when_done: bool = quantity(True, doc="end, with exit code 0, after the task")
    start_timeout_s: float = quantity(
        120.0, unit="s", low=1.0, high=3600.0, doc="wall time to wait for every input"
    )
    silence_s: float = quantity(
        10.0, unit="s", low=0.5, high=600.0, doc="wall time of silence after which a node is lost"
    )


class TaskBase(NodeParts, Node):
    """Watches one run."""

    Parameters: type[TaskParameters] = TaskParameters
    params: TaskParameters
    inputs: tuple[str, ...] = ()
    """Topics that are needed, each published by another node."""
    period = 0.02
    """Time between two turns. [s]"""
    trailing = 0.5
    """Wall time after the run in which the last messages arrive. [s]"""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.set_up()
        scenario = self.params.load_scenario()
        self.figures = self.make_figures(scenario)
        self.folder = Path(self.params.out_dir) if self.params.out_dir else None
        self.log = EventLog(self.folder)
        self.problem, self.reflex = "", ""
        self.over = False
        self.faults: tuple[str, ...] = ()
        self.hearing = Hearing(self.inputs, self.params.start_timeout_s, self.params.silence_s)
        self.began = self.ended = time.monotonic()
        self.connect(scenario)

    # ---- what each judge says

    def make_figures(self, scenario: Any) -> Any:
        """Return what counts and judges.

        Raises:
            ConfigError: the scenario is of another kind of robot.
        """
        raise NotImplementedError

    def connect(self, scenario: Any) -> None:
        """Make the publisher and the subscriptions."""
        raise NotImplementedError

    def tell(self) -> None:
        """Publish what the task policy is to be told in every turn."""

    def dismiss(self) -> None:
        """Publish that nothing is wanted any more."""
        raise NotImplementedError

    def conclude(self, summary: Any) -> str:
        """Write the end of the run to the event log, and return it in words."""
        raise NotImplementedError

    # ---- what they share

    def run(self, stop: Stop) -> int:
        """Watch until the run is over; afterwards stay, or end with the run's exit code."""
        pacer = Pacer(self.period)
        due = 0.0
        while not stop.requested and not self.over:
            self.spin_for(pacer.remaining())
            pacer.begin()
            self.tell()
            self.problem = self.hearing.silent()
            self.over = bool(self.problem) or self.figures.over
            if self.figures.now >= due:
                due = self.figures.now + STATUS_S
                self._status()
            self.report()
        self._finish(self.problem or ("the run was stopped" if not self.over else ""))
        while not stop.requested and not self.params.exit_when_done:
            self.spin_for(self.period)
            self.report()
        return EXIT_FAILED if self.problem else EXIT_OK

    def health(self) -> Health:
        """Return the running figures."""
        problems = [self.problem] if self.problem else []
        return Health.judge(problems, self.figures.counters(), warnings=self.hearing.waiting())

    def close(self) -> None:
        """Close the event log."""
        self.log.close()

    def result(self) -> Any | None:
        """Return what the run left, or None where it has not begun."""
        return self.figures.result()

    def count(self, verdict: Verdict, record: JointRecord) -> None:
        """Take in a verdict and write down faults that come or go."""
        self.figures.add_verdict(verdict, record)
        if verdict.faults != self.faults:
            self.faults = verdict.faults
            reason = verdict.interventions[-1].reason if verdict.interventions else ""
            self.log.write(verdict.now, "fault", ", ".join(verdict.faults) or "none", reason=reason)

    def _status(self) -> None:
        self.log.write(self.figures.now, "status", "", **self.figures.counters())

    def _finish(self, reason: str) -> None:
        """Say that nothing is wanted any more, wait for the last messages and write the summary."""
        self.over = True
        self.dismiss()
        self.spin_for(self.trailing)
        if reason:
            self.log.write(self.figures.now, "problem" if self.problem else "stopped", reason)
            self.get_logger().error(reason) if self.problem else self.get_logger().info(reason)
        self._status()
        result = self.result()
        if result is None:
            return
        self.get_logger().info(self.conclude(result.summary))
        if self.folder is not None:
            wall = max(self.ended - self.began, 1e-9)
            data = result.summary.to_json() | {
                "clock": "live",
                "wall_s": round(wall, 2),
                "real_time_factor": round(self.figures.now / wall, 3),
                **self.figures.loop(),
            }
            (self.folder / "summary.json").write_text(json.dumps(data) + "\n", encoding="utf-8")
            result.save(self.folder / "log.npz")
