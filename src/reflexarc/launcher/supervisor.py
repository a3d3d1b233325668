# SPDX-License-Identifier: Apache-2.0
"""Starts the processes, watches them and ends them: one thread, one loop, no polling.

The rules are those of `launch`: a process that ends is started again when it has `respawn`; the end of a
required one shuts the launch down; shutting down sends SIGINT to all at once, SIGTERM to what is left after
`sigterm_timeout`, SIGKILL after `sigkill_timeout` more. The launch is over when no process is left.
"""

import os
import selectors
import signal
import threading
import time
from pathlib import Path

from reflexarc.launcher.child import Child, ProcessResult, ending_of, shell_code
from reflexarc.launcher.output import Output
from reflexarc.launcher.spec import ProcessSpec

EXIT_NOT_STARTED = 127
"""Exit code when a program cannot be started at all, as in a shell."""
_ESCALATION = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


class _Watched:
    """One process of the launch through all its starts."""

    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        self.child: Child | None = None
        self.pid = 0
        self.returncode: int | None = None
        self.restarts = 0
        self.step = -1
        """Index in `_ESCALATION` of the last signal sent; -1: none."""
        self.deadline: float | None = None
        """Monotonic time in [s] of the next escalation or respawn."""

    @property
    def alive(self) -> bool:
        return self.child is not None


class Supervisor:
    """Runs a list of processes to the end. `run` blocks; the other methods may be called from any thread."""

    def __init__(self, specs: list[ProcessSpec], log_dir: Path, output: Output) -> None:
        self.reason = ""
        self.exit_code = 0
        self.started = threading.Event()
        self._watched = [_Watched(spec) for spec in specs]
        self._log_dir, self._output = log_dir, output
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._selector.register(self._wake_read, selectors.EVENT_READ, self._woken)
        self._wake_lock = threading.RLock()  # reentrant: a signal handler may interrupt its own thread here
        self._requests: list[tuple[str, int]] = []
        self._stopping = False

    def run(self) -> None:
        """Start everything and return when the last process is gone."""
        try:
            for watched in self._watched:
                self._start(watched)
            self.started.set()
            while any(item.alive or self._waits_for_respawn(item) for item in self._watched):
                for key, _ in self._selector.select(self._time_to_deadline()):
                    key.data()
                self._act_on_deadlines()
            self.reason = self.reason or "every process has ended"
        finally:
            self.close()
            self.started.set()

    def request_stop(self, reason: str, exit_code: int = 0) -> None:
        """Ask for a shutdown; asked again, send the next stronger signal. Safe in a signal handler."""
        self._requests.append((reason, exit_code))
        with self._wake_lock:
            if self._wake_write >= 0:
                os.write(self._wake_write, b"x")

    def pids(self) -> dict[str, int]:
        """Return label to process number of everything alive."""
        return {item.spec.label: item.pid for item in self._watched if item.alive}

    def results(self) -> list[ProcessResult]:
        """Return how each process fared so far, in the order of the launch file."""
        return [
            ProcessResult(
                label=item.spec.label,
                full_name=item.spec.full_name,
                pid=item.pid,
                returncode=None if item.alive else item.returncode,
                restarts=item.restarts,
                required=item.spec.required,
                asked_to_stop=item.step >= 0,
                killed=item.step == len(_ESCALATION) - 1,
                log=self._log_dir / f"{item.spec.label}.log",
            )
            for item in self._watched
        ]

    def close(self) -> None:
        """Kill what is left (on the normal way nothing is) and free the descriptors; `run` does it too."""
        for watched in self._watched:
            if watched.child is not None:
                watched.child.signal(signal.SIGKILL)
                watched.returncode, watched.child = watched.child.reap(), None
        with self._wake_lock:
            if self._wake_write >= 0:
                self._selector.close()
                os.close(self._wake_read)
                os.close(self._wake_write)
                self._wake_write = -1

    def _start(self, watched: _Watched) -> None:
        if self._stopping:
            return
        try:
            child = Child(watched.spec, self._log_dir / "params")
        except OSError as error:
            self._shut_down(f"{watched.spec.label} cannot be started: {error}", EXIT_NOT_STARTED)
            return
        watched.child, watched.pid, watched.deadline = child, child.pid, None
        self._output.open(watched.spec.label)
        self._selector.register(child.ended_fd, selectors.EVENT_READ, lambda: self._ended(watched))
        for stream, pipe in child.pipes.items():
            self._selector.register(
                pipe, selectors.EVENT_READ, lambda stream=stream: self._read(watched, stream)
            )
        self._output.say(f"{watched.spec.label} started, pid {child.pid}")

    def _read(self, watched: _Watched, stream: str) -> None:
        child = watched.child
        if child is None:
            return
        lines = child.read(stream)
        if lines is None:
            self._selector.unregister(child.pipes[stream])
        for line in lines or ():
            self._output.line(watched.spec, stream, line)

    def _ended(self, watched: _Watched) -> None:
        child, spec = watched.child, watched.spec
        if child is None:
            return
        child.signal(signal.SIGKILL)  # whatever it left behind; its number is not reused before it is reaped
        for stream, pipe in child.pipes.items():
            for line in child.drain(stream):
                self._output.line(spec, stream, line)
            if pipe in self._selector.get_map():
                self._selector.unregister(pipe)
        self._selector.unregister(child.ended_fd)
        watched.returncode, watched.child, watched.deadline = child.reap(), None, None
        self._output.say(
            f"{spec.label} ended: {ending_of(watched.returncode)}", error=watched.returncode != 0
        )
        if self._stopping:
            return
        if spec.required:
            ending = "finished" if watched.returncode == 0 else f"died ({ending_of(watched.returncode)})"
            self._shut_down(f"{spec.label} is required and {ending}", shell_code(watched.returncode))
        elif self._may_respawn(watched):
            watched.deadline = time.monotonic() + spec.respawn_delay
        elif watched.returncode != 0 and self.exit_code == 0:
            self.exit_code = shell_code(watched.returncode)

    def _may_respawn(self, watched: _Watched) -> bool:
        limit = watched.spec.respawn_max_retries
        return watched.spec.respawn and (limit < 0 or watched.restarts < limit)

    def _waits_for_respawn(self, watched: _Watched) -> bool:
        return not self._stopping and not watched.alive and watched.deadline is not None

    def _woken(self) -> None:
        os.read(self._wake_read, 4096)
        while self._requests:
            reason, exit_code = self._requests.pop(0)
            if self._stopping:
                for watched in self._watched:
                    self._escalate(watched)
            else:
                self._shut_down(reason, exit_code)

    def _shut_down(self, reason: str, exit_code: int) -> None:
        """Begin the shutdown; its exit code, when not 0, replaces that of an earlier lesser failure."""
        self._stopping, self.reason = True, reason
        self.exit_code = exit_code or self.exit_code
        self._output.say(f"shutting down: {reason}", error=exit_code != 0)
        for watched in self._watched:
            self._escalate(watched)

    def _escalate(self, watched: _Watched) -> None:
        if watched.child is None:
            watched.deadline = None
            return
        watched.step = min(watched.step + 1, len(_ESCALATION) - 1)
        number, spec = _ESCALATION[watched.step], watched.spec
        if watched.step:
            self._output.say(f"{spec.label} is still alive, sending {number.name}", error=True)
        watched.child.signal(number)
        waits = (spec.sigterm_timeout, spec.sigkill_timeout, None)
        wait = waits[watched.step]
        watched.deadline = None if wait is None else time.monotonic() + wait

    def _time_to_deadline(self) -> float | None:
        deadlines = [item.deadline for item in self._watched if item.deadline is not None]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _act_on_deadlines(self) -> None:
        now = time.monotonic()
        for watched in self._watched:
            if watched.deadline is None or watched.deadline > now:
                continue
            if self._stopping:
                self._escalate(watched)
            else:
                watched.restarts += 1
                self._output.say(f"{watched.spec.label} is started again (number {watched.restarts})")
                self._start(watched)
