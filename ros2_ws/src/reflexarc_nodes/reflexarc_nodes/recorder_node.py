# SPDX-License-Identifier: Apache-2.0
"""Records every topic of the interface table as it comes over the wire, without decoding it.

What the run depends on goes into the metadata by hash, see `reflexarc.report.manifest`: a validation demands it.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml
from rclpy.node import Node

from reflexarc.assurance.twin.sessions import CONTACT, MANOEUVRES
from reflexarc.core.config import quantity
from reflexarc.core.errors import ConfigError
from reflexarc.core.interfaces import INTERFACES, Interface
from reflexarc.report.manifest import manifest, software
from reflexarc_nodes.base_node import EXIT_OK, NodeParts, Stop, main_of
from reflexarc_nodes.health import Health
from reflexarc_nodes.parameters import CommonParameters
from reflexarc_nodes.qos import listen
from reflexarc_nodes.recording import RecordingWriter

TRAILING_S = 0.5
"""Wall time after a request to end in which the other nodes' last messages are still recorded. [s]"""


@dataclass(frozen=True, slots=True)
class RecorderParameters(CommonParameters):
    """Parameters of recorder_node; `out_dir` is required, a `scenario` is stored in the recording with its hashes."""

    flush_s: float = quantity(
        0.25, unit="s", low=0.05, high=10.0, doc="longest time for which messages are only in memory"
    )
    drive: str = quantity(
        "scenario",
        choices=("scenario", MANOEUVRES, CONTACT),
        doc="what is driven, written into the recording for a validation",
    )


class RecorderNode(NodeParts, Node):
    """Writes `out_dir/run.mcap`."""

    Parameters = RecorderParameters
    params: RecorderParameters

    def __init__(self) -> None:
        super().__init__("recorder_node")
        self.set_up()
        p = self.params
        if not p.out_dir:
            raise ConfigError("recorder_node: the parameter 'out_dir' is required: folder of the recording")
        scenario = p.load_scenario() if p.scenario else None
        self.writer = RecordingWriter(Path(p.out_dir) / "run.mcap")
        if scenario is not None:
            text = yaml.safe_dump(dict(scenario.source), sort_keys=False)
            self.writer.attach("scenario.yaml", text.encode(), time.time_ns())
            about = {
                "scenario": scenario.name,
                "seed": str(scenario.seed),
                "source": "live",
                "drive": p.drive,
            }
            self.writer.metadata("reflexarc", about | manifest(scenario))
        else:
            self.writer.metadata("reflexarc", {"source": "live", "drive": p.drive} | software())
        self.bytes = 0
        self.channels: dict[str, int] = {}
        for item in INTERFACES:
            self._record(item)
        self.writer.flush()

    def run(self, stop: Stop) -> int:
        """Record until told to stop."""
        while not stop.requested:
            self._cycle(self.params.flush_s)
        end = time.monotonic() + TRAILING_S
        while time.monotonic() < end:
            self._cycle(TRAILING_S / 5)
        return EXIT_OK

    def health(self) -> Health:
        """Return what has been recorded."""
        values = {
            "messages": self.writer.messages,
            "megabytes": self.bytes / 1e6,
            "topics": len(self.channels),
        }
        return Health.judge([], values)

    def close(self) -> None:
        """Finish the file."""
        self.writer.close()

    def _cycle(self, duration: float) -> None:
        self.spin_for(duration)
        self.writer.flush()
        self.report()

    def _record(self, item: Interface) -> None:
        """Subscribe to a topic; one whose package is missing is left out if it is optional."""
        try:
            subscription = listen(self, item.name, self._writer_of(item), every=True, raw=True)
        except ImportError:
            if not item.optional:
                raise
            return
        self.channels[item.name] = self.writer.channel(subscription.topic_name, item.type)

    def _writer_of(self, item: Interface) -> Callable[[bytes], None]:
        def write(data: bytes) -> None:
            self.bytes += len(data)
            self.writer.write(self.channels[item.name], time.time_ns(), data)

        return write


def main() -> int:
    """Run the node."""
    return main_of(RecorderNode)


if __name__ == "__main__":
    sys.exit(main())
