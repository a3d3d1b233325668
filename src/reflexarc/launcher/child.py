# SPDX-License-Identifier: Apache-2.0
"""One running process in its own session, with its pipes and a descriptor that tells of its end."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from reflexarc.launcher.output import LineSplitter
from reflexarc.launcher.spec import ProcessSpec

_SHIM = Path(__file__).with_name("_exec.py")
_CHUNK = 65536


@dataclass(frozen=True)
class ProcessResult:
    """How a process fared."""

    label: str
    full_name: str | None
    """Fully qualified ROS name; None for a process that is no node."""
    pid: int
    """Of the last start."""
    returncode: int | None
    """Of the last end: exit code, or minus the signal that killed it; None: it was never started."""
    restarts: int
    required: bool
    asked_to_stop: bool
    """Whether it ended after the launcher had told it to."""
    killed: bool
    """Whether the launcher had to use SIGKILL."""
    log: Path

    @property
    def failed(self) -> bool:
        """Whether it ended badly: on its own with an error, or it ignored the request to stop."""
        polite = (-signal.SIGINT, -signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGTERM)
        return self.killed or (
            self.returncode != 0 and not (self.asked_to_stop and self.returncode in polite)
        )

    @property
    def ending(self) -> str:
        """Return the end in words."""
        if self.returncode is None:
            return "not started"
        return ending_of(self.returncode)


def ending_of(returncode: int) -> str:
    """Return a return code of `subprocess` in words."""
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        return f"signal {signal.Signals(-returncode).name}"
    except ValueError:
        return f"signal {-returncode}"


def shell_code(returncode: int) -> int:
    """Return the exit code that a shell would report: the code itself, or 128 + signal."""
    return returncode if returncode >= 0 else 128 - returncode


class Child:
    """A started process; it leads a session of its own, so Ctrl-C reaches only the launcher."""

    def __init__(self, spec: ProcessSpec, parameter_folder: Path) -> None:
        command = [sys.executable, "-I", "-S", str(_SHIM), str(os.getpid()), *spec.argv(parameter_folder)]
        ends = {stream: os.pipe2(os.O_CLOEXEC) for stream in ("out", "err")}
        self.pipes = {stream: reader for stream, (reader, _) in ends.items()}
        writers = {stream: writer for stream, (_, writer) in ends.items()}
        try:
            self._popen = self._spawn(spec, command, writers)
        except OSError:
            self._close_pipes()
            raise
        finally:
            for writer in writers.values():
                os.close(writer)
        self.pid = self._popen.pid
        self.ended_fd = os.pidfd_open(self.pid)
        self._splitters = {stream: LineSplitter() for stream in self.pipes}
        for reader in self.pipes.values():
            os.set_blocking(reader, False)

    @staticmethod
    def _spawn(spec: ProcessSpec, command: list[str], writers: dict[str, int]) -> subprocess.Popen:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=writers["out"],
            stderr=writers["err"],
            cwd=spec.cwd,
            env={"PYTHONUNBUFFERED": "1", **spec.environment},
            start_new_session=True,
        )

    def read(self, stream: str) -> list[str] | None:
        """Return the lines that arrived on `stream`; None at its end."""
        try:
            data = os.read(self.pipes[stream], _CHUNK)
        except BlockingIOError:
            return []
        return self._splitters[stream].feed(data) if data else None

    def drain(self, stream: str) -> list[str]:
        """Return everything still in the pipe, whether or not somebody else holds its other end."""
        lines: list[str] = []
        while True:
            try:
                data = os.read(self.pipes[stream], _CHUNK)
            except BlockingIOError:
                data = b""
            if not data:
                return lines + self._splitters[stream].finish()
            lines += self._splitters[stream].feed(data)

    def signal(self, number: int) -> None:
        """Send a signal to the process and to everything in its group."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    def reap(self) -> int:
        """Collect the return code of the ended process and close its descriptors."""
        returncode = self._popen.wait()
        os.close(self.ended_fd)
        self._close_pipes()
        return returncode

    def _close_pipes(self) -> None:
        for reader in self.pipes.values():
            os.close(reader)
