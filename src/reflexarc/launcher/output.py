# SPDX-License-Identifier: Apache-2.0
"""Where the processes' lines go: a log file each, and the screen with the process's name in front."""

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from reflexarc.launcher.spec import ProcessSpec

LineHook = Callable[[str, str, str], None]
"""Called with process label, stream (`out` or `err`) and line."""

LAUNCH = "launch"
"""Label of the launcher's own lines."""
MAX_LINE = 65536
"""Bytes after which a line without end is cut in [B]; a process must not fill the launcher's memory."""
_COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
"""ANSI foreground colours; processes take them in turn."""
_RED = 31


class Output:
    """Log files and screen of one launch."""

    def __init__(self, log_dir: Path, on_line: LineHook | None, screen: TextIO | None) -> None:
        """Open the output.

        Args:
            log_dir: Folder of the log files, made when missing.
            on_line: Also called with every line that the launch file wants on the screen.
            screen: Where to print; None: nowhere.
        """
        log_dir.mkdir(parents=True, exist_ok=True)
        self._log_dir, self._on_line, self._screen = log_dir, on_line, screen
        self._files: dict[str, TextIO] = {}
        self._colours: dict[str, int] = {}
        self._coloured = screen is not None and screen.isatty() and not os.environ.get("NO_COLOR")
        self._lock = threading.Lock()

    def say(self, text: str, error: bool = False) -> None:
        """Write a line of the launcher itself."""
        self._write(LAUNCH, "err" if error else "out", text, shown=True)

    def open(self, label: str) -> None:
        """Make the log file of a process, so that it exists also when nothing is ever written to it."""
        with self._lock:
            self._file(label)

    def line(self, spec: ProcessSpec, stream: str, text: str) -> None:
        """Write one line of a process."""
        shown = stream == "err" or spec.output in ("screen", "both")
        self._write(spec.label, stream, text, shown)

    def close(self) -> None:
        """Close the log files."""
        with self._lock:
            for file in self._files.values():
                file.close()
            self._files.clear()

    def _write(self, label: str, stream: str, text: str, shown: bool) -> None:
        with self._lock:
            self._file(label).write(f"{time.time():.6f} {stream} {text}\n")
            if shown and self._screen is not None:
                self._print(label, stream, text)
        if shown and self._on_line is not None:
            self._on_line(label, stream, text)

    def _file(self, label: str) -> TextIO:
        if label not in self._files:
            path = self._log_dir / f"{label}.log"
            self._files[label] = path.open("a", encoding="utf-8", buffering=1)
        return self._files[label]

    def _print(self, label: str, stream: str, text: str) -> None:
        if self._coloured:
            colour = self._colours.setdefault(label, _COLOURS[len(self._colours) % len(_COLOURS)])
            mark = _RED if stream == "err" and label == LAUNCH else colour
            prefix = f"\x1b[{mark}m[{label}]\x1b[0m"
        else:
            prefix = f"[{label}]"
        try:
            print(f"{prefix} {text}", file=self._screen, flush=True)
        except (BrokenPipeError, ValueError):
            self._screen = None


class LineSplitter:
    """Cuts a stream of bytes into lines of text."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Take bytes and return the lines that they complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE:
            lines.append(self._rest)
            self._rest = b""
        return [_text(line) for line in lines]

    def finish(self) -> list[str]:
        """Return what is left without a line end."""
        rest, self._rest = self._rest, b""
        return [_text(rest)] if rest else []


def _text(line: bytes) -> str:
    return line.decode("utf-8", errors="replace").rstrip("\r")


def default_screen() -> TextIO:
    """Return standard output, looked up when asked so that a replaced one counts."""
    return sys.stdout
