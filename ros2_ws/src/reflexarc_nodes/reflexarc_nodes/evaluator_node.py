# SPDX-License-Identifier: Apache-2.0
"""The cost statement while the robot drives: published after every mission, written to `economics.json`."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.node import Node
from reflexarc_msgs.msg import MissionStatus

from reflexarc.core import wire
from reflexarc.core.config import quantity
from reflexarc.economics import Capex, cost_model
from reflexarc.economics.live import LiveStatement
from reflexarc_nodes.base_node import EXIT_OK, NodeParts, Stop, main_of
from reflexarc_nodes.convert import OUTCOME_NUMBER, statement_to
from reflexarc_nodes.health import Health
from reflexarc_nodes.parameters import CommonParameters
from reflexarc_nodes.qos import advertise, listen

PERIOD_S = 0.1
"""Time in the executor between two looks at the diagnostics. [s]"""
SETTLE_S = 0.5
"""Wall time after the end of a mission in which its last contacts arrive. [s]"""
_OUTCOMES = {number: str(outcome) for outcome, number in OUTCOME_NUMBER.items()}


@dataclass(frozen=True, slots=True)
class EvaluatorParameters(CommonParameters):
    """Parameters of evaluator_node."""

    model: str = quantity("reflexarc", doc="cost model: v1, v2, v5, v6, reflexarc or reflexarc_run")
    revenue: str = quantity("", doc="gross, sla_scaled or no_double_refund; empty: the model's own")
    prices: str = quantity("", doc="YAML file of parameters to replace; empty: the model's own")
    lidar: bool = quantity(True, doc="whether a lidar is part of the capital")
    gps: bool = quantity(False, doc="whether a GPS receiver is part of the capital")
    data_collection_hours: float = quantity(
        0.0, unit="h", low=0.0, high=1e6, doc="teleoperation for training data"
    )


class EvaluatorNode(NodeParts, Node):
    """Listens to missions, contacts, odometry and wheels."""

    Parameters = EvaluatorParameters

    def __init__(self) -> None:
        super().__init__("evaluator_node")
        self.set_up()
        p = self.params
        model = cost_model(p.model)
        if p.prices:
            model = model.with_parameters(model.parameters.with_file(Path(p.prices)))
        table = model.parameters
        capex = Capex(
            robot=table["robot_price"],
            lidar=table["lidar_price"] if p.lidar else 0.0,
            gps=table["gps_price"] if p.gps else 0.0,
            data_collection_hours=p.data_collection_hours,
        )
        robot = p.load_scenario().robot if p.scenario else "robot"
        self.live = LiveStatement(model, capex, p.revenue or None, robot)
        self.folder = Path(p.out_dir) if p.out_dir else None
        self.ended = -1.0
        self.pending = 0
        self.statement = advertise(self, "statement")
        listen(
            self,
            "odom",
            lambda message: self.live.add_position(wire.odometry_from(message).pose[:2]),
            every=True,
        )
        listen(self, "joint_states", self._wheels, every=True)
        listen(self, "contact_events", lambda m: self.live.add_contact(wire.contact_from(m)), every=True)
        listen(self, "mission", self._mission, every=True)

    def run(self, stop: Stop) -> int:
        """Publish a statement a moment after every mission's end, until told to stop."""
        while not stop.requested:
            self.spin_for(PERIOD_S)
            if self.pending:
                self.spin_for(SETTLE_S)
                self.publish()
            self.report()
        self.spin_for(SETTLE_S)
        self.publish()
        return EXIT_OK

    def publish(self) -> bool:
        """Publish and write the statement; return whether there is one."""
        self.pending = 0
        statement = self.live.statement()
        if statement is None:
            return False
        self.statement.publish(statement_to(statement, self.ended))
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps(statement.to_json(), indent=2, allow_nan=False)
            (self.folder / "economics.json").write_text(text + "\n", encoding="utf-8")
        return True

    def health(self) -> Health:
        """Return how much the statement rests on."""
        values = {"missions": self.live.missions, "model": self.live.model.name}
        waiting = ["no mission has ended yet"] if not self.live.missions else []
        return Health.judge([], values, warnings=waiting)

    def _wheels(self, message: Any) -> None:
        power = sum(abs(t * w) for t, w in zip(message.effort, message.velocity, strict=True))
        self.live.add_power(wire.seconds(message.header.stamp), power)

    def _mission(self, message: MissionStatus) -> None:
        stamp = wire.seconds(message.header.stamp)
        if message.state == MissionStatus.UNDER_WAY:
            self.live.start(message.number, message.start)
        elif message.state == MissionStatus.ENDED:
            self.live.end(message.number, _OUTCOMES[message.outcome], stamp, message.duration)
            self.ended, self.pending = stamp, self.pending + 1


def main() -> int:
    """Run the node."""
    return main_of(EvaluatorNode)


if __name__ == "__main__":
    sys.exit(main())
