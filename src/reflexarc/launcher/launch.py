# SPDX-License-Identifier: Apache-2.0
"""Running a launch file: in the foreground with `launch_file`, or beside other work with `Launch`."""

import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from reflexarc.core.errors import LaunchError
from reflexarc.launcher.child import ProcessResult
from reflexarc.launcher.errors import LaunchFileError
from reflexarc.launcher.lock import NodeLocks, domain_of
from reflexarc.launcher.output import LineHook, Output
from reflexarc.launcher.resolve import declared_arguments, resolve
from reflexarc.launcher.spec import ProcessSpec
from reflexarc.launcher.supervisor import Supervisor

OUT_DIR_ARGUMENT = "out_dir"
"""Launch argument that also takes the launcher's folder, where a file declares it."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class LaunchResult:
    """How a launch ended."""

    exit_code: int
    """0; or the code of the required process that ended it (128 + signal when it was killed); or, when no
    required one failed, of the first process that died on its own; or 128 + signal when the launcher was
    told to stop."""
    reason: str
    """Why it ended."""
    processes: tuple[ProcessResult, ...]
    log_dir: Path

    @property
    def failed(self) -> tuple[ProcessResult, ...]:
        """Processes that ended badly, also those that did so while shutting down."""
        return tuple(item for item in self.processes if item.failed)

    def table(self) -> str:
        """Return the exit codes as a table for people."""
        rows = [("process", "pid", "end", "restarts", "required")]
        for item in self.processes:
            end = item.ending + (" after SIGKILL by the launcher" if item.killed else "")
            rows.append(
                (item.label, str(item.pid), end, str(item.restarts), "yes" if item.required else "no")
            )
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
        )


class Launch:
    """A launch that runs in a thread of its own.

    ```python
    with Launch("sim.launch.xml", {"seed": "3"}, out_dir) as launch:
        os.kill(launch.pid("arc_node"), signal.SIGKILL)
        result = launch.wait(timeout=10.0)
    ```
    """

    def __init__(
        self,
        path: str | os.PathLike,
        arguments: Mapping[str, str] | None = None,
        out_dir: str | os.PathLike | None = None,
        on_line: LineHook | None = None,
        screen: TextIO | None = None,
    ) -> None:
        """Read and check the launch file; nothing is started yet.

        Args:
            path: XML launch file.
            arguments: Argument name to value.
            out_dir: Folder for logs; a file that declares the argument `out_dir` gets it too. None: what that
                argument says, else `log/launch-<date>-<pid>` here.
            on_line: Called in the supervising thread with process label, `out` or `err`, and the line, for
                every line that the launch file wants shown.
            screen: Where lines are printed; None: nowhere.

        Raises:
            LaunchFileError: The file or an argument is not acceptable.
        """
        given = dict(arguments or {})
        if out_dir is not None and OUT_DIR_ARGUMENT in declared_arguments(Path(path)):
            given.setdefault(OUT_DIR_ARGUMENT, str(Path(out_dir).absolute()))
        self.resolved = resolve(Path(path), given)
        stamp = time.strftime("%Y%m%d-%H%M%S")
        chosen = (
            out_dir or self.resolved.variables.get(OUT_DIR_ARGUMENT) or f"log/launch-{stamp}-{os.getpid()}"
        )
        self.out_dir = Path(chosen).absolute()
        self.log_dir = self.out_dir / "log"
        if not self.resolved.processes:
            raise LaunchFileError(None, f"{path} describes no process for these arguments")
        self._output = Output(self.log_dir, on_line, screen)
        self._supervisor = Supervisor(self.resolved.processes, self.log_dir, self._output)
        self._thread = threading.Thread(target=self._run, name="launch", daemon=True)
        self._locks: list[NodeLocks] = []
        self._crash: BaseException | None = None

    def start(self) -> Self:
        """Take the node locks and start every process.

        Raises:
            AlreadyRunningError: A node of the same name runs in the same ROS domain; nothing was started.
        """
        for domain, names in _names_by_domain(self.resolved.processes).items():
            try:
                self._locks.append(NodeLocks(domain, names))
            except LaunchError:
                self._release()
                self._supervisor.close()
                raise
        for message in self.resolved.messages:
            self._output.say(message)
        self._thread.start()
        self._supervisor.started.wait()
        return self

    def stop(self, reason: str = "stopped by the caller", exit_code: int = 0) -> None:
        """Ask for a shutdown and return at once; a second call sends the next stronger signal."""
        self._supervisor.request_stop(reason, exit_code)

    def wait(self, timeout: float | None = None) -> LaunchResult | None:
        """Wait until no process is left, at most `timeout` in [s]; None: it is still running."""
        self._thread.join(timeout)
        if self._thread.is_alive():
            return None
        if self._crash is not None:
            raise LaunchError(
                f"the launcher stopped every process because of: {self._crash}"
            ) from self._crash
        supervisor = self._supervisor
        return LaunchResult(
            supervisor.exit_code, supervisor.reason, tuple(supervisor.results()), self.log_dir
        )

    @property
    def running(self) -> bool:
        """Whether any process may still be alive."""
        return self._thread.is_alive()

    def pids(self) -> dict[str, int]:
        """Return label to process number of every process alive."""
        return self._supervisor.pids()

    def pid(self, name: str) -> int:
        """Return the process number of a live process by its label, node name or fully qualified node name.

        Raises:
            LaunchError: No such process, or it is not alive.
        """
        alive = self.pids()
        for spec in self.resolved.processes:
            names = (spec.label, spec.node_name, spec.full_name, spec.label.rpartition("-")[0])
            if name in names and spec.label in alive:
                return alive[spec.label]
        raise LaunchError(f"no live process is named {name!r}; alive: {', '.join(alive) or 'none'}")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.running:
            self.stop("the caller is done")
        self._thread.join()

    def _run(self) -> None:
        try:
            self._supervisor.run()
        except BaseException as error:
            self._crash = error
        finally:
            self._release()
            self._output.close()

    def _release(self) -> None:
        while self._locks:
            self._locks.pop().release()


def launch_file(
    path: str | os.PathLike,
    arguments: Mapping[str, str] | None = None,
    out_dir: str | os.PathLike | None = None,
    on_line: LineHook | None = None,
    screen: TextIO | None = None,
) -> LaunchResult:
    """Run a launch file to its end; SIGINT, SIGTERM and SIGHUP shut it down when called in the main thread.

    Arguments and errors are those of `Launch`; a second signal while shutting down sends the next stronger
    one.
    """
    launch = Launch(path, arguments, out_dir, on_line, screen)

    def on_signal(number: int, _frame: object) -> None:
        launch.stop(f"received {signal.Signals(number).name}", 128 + number)

    in_main = threading.current_thread() is threading.main_thread()
    previous = {number: signal.signal(number, on_signal) for number in _SIGNALS} if in_main else {}
    try:
        launch.start()
        result = None
        while result is None:
            result = launch.wait(timeout=1.0)
        return result
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _names_by_domain(specs: list[ProcessSpec]) -> dict[int, list[str]]:
    names: dict[int, list[str]] = {}
    for spec in specs:
        if spec.full_name is not None:
            names.setdefault(domain_of(spec.environment), []).append(spec.full_name)
    return names
