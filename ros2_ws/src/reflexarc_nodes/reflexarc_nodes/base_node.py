# SPDX-License-Identifier: Apache-2.0
"""What every node shares: parameters, clock, diagnostics once a second, and an orderly start and end.

A node is an object with `run(stop)`; `main_of` gives it a process. Signals set a flag instead of tearing
ROS down, so that the last zero command still goes out: SIGINT and SIGTERM end a node with exit code 0.
"""

import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import rclpy
from rclpy.exceptions import ROSInterruptException
from rclpy.executors import ExternalShutdownException
from rclpy.experimental import EventsExecutor
from rclpy.signals import SignalHandlerOptions

from reflexarc.core.errors import ConfigError, ReflexArcError
from reflexarc.core.interfaces import interface
from reflexarc.core.wire import seconds
from reflexarc_nodes.convert import diagnostics_to
from reflexarc_nodes.health import Health
from reflexarc_nodes.parameters import CommonParameters, declare
from reflexarc_nodes.qos import advertise, listen
from reflexarc_nodes.sender import Sender
from reflexarc_nodes.sim_clock import SimClock, SystemClock

EXIT_OK, EXIT_FAILED, EXIT_BAD_REQUEST = 0, 1, 2
LONGEST_SPIN_S = 0.05
"""Bound of one wait in the executor, so that a signal is noticed soon. [s]"""

LEAVE_S = 3.0
"""Longest time for the middleware to end. [s]"""
DRAIN_LIMIT = 32
"""Messages that are handled in one go at most; nodes keep the newest of each topic only."""


class Stop:
    """Set by SIGINT and SIGTERM, or by the node itself."""

    def __init__(self) -> None:
        self.requested = False

    def __call__(self, *_: Any) -> None:
        """Handle a signal."""
        self.requested = True


class NodeParts:
    """Mix-in for a Node or LifecycleNode: parameters, clock, executor and diagnostics."""

    Parameters: type[CommonParameters] = CommonParameters
    in_step = False
    """Whether simulated time is taken step by step from its messages, see `SimClock`."""

    def set_up(self) -> None:
        """Declare the parameters and connect what every node has."""
        self.params = declare(self, self.Parameters)
        simulated = self.get_parameter("use_sim_time").value
        self.time = SimClock(in_step=self.in_step) if simulated else SystemClock()
        self.taken = 0
        """Messages taken so far."""
        if simulated:
            listen(self, "clock", lambda msg: self.time.update(seconds(msg.clock)))
        self._diagnostics = advertise(self, "/diagnostics")
        self._diagnostics_period = 1.0 / interface("/diagnostics").rate_hz
        self._diagnostics_due = 0.0
        self._unsent = 0
        self.executor_ = EventsExecutor()
        self.executor_.add_node(self)

    def health(self) -> Health:
        """Return the node's health; each node says its own."""
        raise NotImplementedError

    def spin_for(self, duration: float) -> None:
        """Handle what arrives within `duration` [s], and in any case what is there already."""
        end = time.monotonic() + duration
        while (left := end - time.monotonic()) > 0.0:
            self.executor_.spin_once(timeout_sec=min(left, LONGEST_SPIN_S))
        self.drain()

    def drain(self) -> None:
        """Handle what is there, at most `DRAIN_LIMIT` messages, so that a flood cannot delay anything without bound."""
        for _ in range(DRAIN_LIMIT):
            before = self.taken
            self.executor_.spin_once(timeout_sec=0.0)
            if self.taken == before:
                return

    def report(self, *, now: bool = False) -> bool:
        """Publish diagnostics if they are due; return whether they were."""
        steady = time.monotonic()
        if steady < self._diagnostics_due and not now:
            return False
        self._diagnostics_due = steady + self._diagnostics_period
        name = self.get_fully_qualified_name().lstrip("/")
        health = self._sent(self.health())
        self._diagnostics.publish(diagnostics_to(self.time.now(), [(name, health)], name))
        return True

    def _sent(self, health: Health) -> Health:
        """Send again what was refused and is kept for others, and add to the health what was refused lately."""
        senders = [p for p in self.publishers if isinstance(p, Sender)]
        unsent = sum(sender.unsent for sender in senders)
        for sender in senders:
            sender.send_again()
        if unsent == self._unsent:
            return health
        topics = ", ".join(s.topic_name for s in senders if s.unsent)
        text = f"message_unsent: {unsent - self._unsent} messages were refused by the middleware, so far on {topics}"
        self._unsent = unsent
        return health.warned(text)

    def run(self, stop: Stop) -> int:
        """Work until told to stop, and return the exit code."""
        raise NotImplementedError

    def close(self) -> None:
        """Release files and processes; called once, also after an error."""


def main_of(factory: Callable[[], Any], args: list[str] | None = None) -> int:
    """Run one node in this process and return its exit code: 0 done, 1 failed, 2 not acceptable."""
    stop = Stop()
    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with _leaving() as leave, rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO):
            node = factory()
            code = EXIT_FAILED
            try:
                code = node.run(stop)
            finally:
                node.close()
                leave(code)
                node.executor_.shutdown()
                node.destroy_node()
            return code
    except (KeyboardInterrupt, ExternalShutdownException, ROSInterruptException):
        return EXIT_OK
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return EXIT_BAD_REQUEST
    except ReflexArcError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return EXIT_FAILED
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _leaving() -> Iterator[Callable[[int], None]]:
    """Give what bounds the time until the end of the block: afterwards the process ends with the given exit code.

    After another process was killed the middleware was seen to hang while it ended. By then everything is written; the
    stack goes to stderr.
    """
    timer: threading.Timer | None = None

    def leave(code: int) -> None:
        nonlocal timer
        faulthandler.dump_traceback_later(LEAVE_S, file=sys.__stderr__)
        timer = threading.Timer(LEAVE_S + 0.2, os._exit, (code,))
        timer.daemon = True
        timer.start()

    try:
        yield leave
    finally:
        if timer is not None:
            timer.cancel()
            faulthandler.cancel_dump_traceback_later()
