# SPDX-License-Identifier: Apache-2.0
"""Processes to break: started, signalled, starved and in any case ended.

Every process leads a session of its own, so that Ctrl-C reaches only who started it, and the kernel kills it when its
parent is gone, also a stopped one.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from reflexarc.core.errors import ConfigError
from reflexarc.launcher import _exec

END_S = 15.0
"""Longest time that a process gets to end when it is asked to. [s]"""
LOWEST = 19
"""Niceness of the lowest priority."""
ABOVE = -10
"""Niceness above that of every ordinary process; needs rights."""
_SPIN = "import sys, time\nend = time.monotonic() + float(sys.argv[1])\nwhile time.monotonic() < end: pass"


class Processes:
    """Named processes of one study."""

    def __init__(self, folder: Path, environment: Mapping[str, str]):
        """Take where their logs go and the environment that they get."""
        self.folder, self.environment = folder, dict(environment)
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a process; one of that name that runs is ended first."""
        self.end(name)
        shim = [sys.executable, "-I", "-S", str(Path(_exec.__file__)), str(os.getpid()), *command]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                shim,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def alive(self, name: str) -> bool:
        """Whether a process of that name was started and has not ended."""
        return name in self.running and self.running[name].poll() is None

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a running process.

        Raises:
            ConfigError: it has ended.
        """
        if not self.alive(name):
            raise ConfigError(
                f"{name} does not run, so it cannot be sent signal {number}; log: {self.tail(name)}"
            )
        self.running[name].send_signal(number)

    def pulse(self, name: str, stopped_s: float, running_s: float, duration_s: float) -> None:
        """Stop and continue a process again and again.

        Args:
            name: whom.
            stopped_s: how long each time. [s]
            running_s: how long it may run in between. [s]
            duration_s: how long in all. [s]
        """
        end = time.monotonic() + duration_s
        while time.monotonic() < end:
            self.signal(name, signal.SIGSTOP)
            time.sleep(stopped_s)
            self.signal(name, signal.SIGCONT)
            time.sleep(running_s)

    def nice(self, name: str, value: int) -> None:
        """Set the niceness of every thread of a process.

        Raises:
            PermissionError: this process has not the rights to.
        """
        for task in Path(f"/proc/{self.running[name].pid}/task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(task.name), value)

    def spin(self, count: int, duration_s: float, niceness: int = 0) -> None:
        """Start processes that do nothing but compute; they end on their own after `duration_s` [s].

        Raises:
            PermissionError: this process has not the rights to give them that niceness.
        """
        for number in range(count):
            name = f"busy{number}"
            self.start(name, [sys.executable, "-I", "-S", "-c", _SPIN, str(duration_s)])
            if niceness:
                try:
                    self.nice(name, niceness)
                except PermissionError:
                    self.still()
                    raise

    def still(self) -> None:
        """Kill every process that `spin` has started."""
        for name in [name for name in self.running if name.startswith("busy")]:
            self.end(name, kill=True)
            del self.running[name]

    def tail(self, name: str, length: int = 500) -> str:
        """Return the last characters of a process's log."""
        try:
            return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-length:]
        except OSError:
            return ""

    def end(self, name: str, *, kill: bool = False) -> None:
        """End a process, by force if it does not answer; one that was stopped goes on first."""
        process = self.running.get(name)
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(END_S)

    def end_all(self) -> None:
        """End every process, all at the same time; no exception keeps one of them alive."""
        self.still()
        for process in self.running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGTERM)
        end = time.monotonic() + END_S
        while time.monotonic() < end and any(p.poll() is None for p in self.running.values()):
            time.sleep(0.05)
        for process in self.running.values():
            if process.poll() is None:
                process.kill()
                process.wait(END_S)
        self.running.clear()
