# SPDX-License-Identifier: Apache-2.0
"""The tests of one module, run again and again on changed sources, each time in a fork of a process that is warm.

`Tests` starts this file as a program and speaks with it, one JSON text per line. The program

1. runs the tests once in a fork, which notes how long each takes and which lines of the module it reaches;
2. imports what that fork had imported, all but the module and whatever needs it, so that later forks need not, and
   looks that the tests still pass;
3. for every changed source runs one file of tests after the other, each in a fork, up to the first failure: files first
   that reach the changed line, the fast ones before the slow ones, and the same within a file. Of a line that runs when
   the module is imported, such as a limit, those tests come first that noticed the last such change.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

SURVIVED, KILLED, LATE = "survived", "killed", "time limit"
PACKAGES = ("reflexarc", "reflexarc_sim", "tests")
"""Imported from the copy."""
OPTIONS = (
    "-x",
    "-q",
    "-p",
    "no:cacheprovider",
    "-p",
    "_hypothesis_pytestplugin",
    "-p",
    "pytest_timeout",
    "--hypothesis-seed=0",
    "-m",
    "not ros and not slow",
)
ENVIRONMENT = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""No plugin that the tests do not need, and no thread before a fork."""
BROKEN = "raise ImportError\n"
_STRETCH, _LEAST_S = 10.0, 10.0
"""A mutant may take so many times as long as the tests take without it, and never has less than this. [s]"""
_UNCHANGED_S = 3600.0
"""Time for all tests of a module without a mutation. [s]"""


class Tests:
    """The tests of a module on a copy; a context manager, since a process stands behind it.

    Raises:
        RuntimeError: the tests fail without a mutation, or pass although the module cannot be imported.
    """

    def __init__(self, root: Path, module: Path, files: Iterable[str], limit_s: float):
        """Start.

        Args:
            root: of the copy.
            module: file in the copy that will be changed.
            files: below tests/.
            limit_s: most time for one file of tests on one mutant. [s]
        """
        self._log = tempfile.TemporaryFile("w+")
        self._child = subprocess.Popen(
            [sys.executable, __file__, root, module, str(limit_s), *files],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=os.environ | ENVIRONMENT,
        )
        if complaint := self._answer():
            self.close()
            raise RuntimeError(complaint)

    def __enter__(self) -> "Tests":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def judge(self, source: str, lines: range, limit_s: float | None = None) -> str:
        """Return `SURVIVED`, `KILLED` or `LATE` of a changed source.

        Args:
            source: of the whole module.
            lines: that the change is within.
            limit_s: most time of one file of tests; None for what is usual. [s]
        """
        assert self._child.stdin is not None
        request = {"source": source, "first": lines.start, "last": lines.stop - 1, "limit_s": limit_s}
        self._child.stdin.write(json.dumps(request) + "\n")
        self._child.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process; the module is as it was."""
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.close()
        self._child.wait()
        self._child.stdout.close()
        self._log.close()

    def _answer(self) -> str:
        assert self._child.stdout is not None
        if line := self._child.stdout.readline():
            return json.loads(line)
        self._child.wait()
        self._log.seek(0)
        raise RuntimeError(f"the process of the tests ended:\n{self._log.read()[-2000:]}")


class _Order:
    """Plugin of pytest: what reaches the changed line first."""

    def __init__(self, first: list[str], told: Path):
        self._rank = {name: k for k, name in enumerate(first)}
        self._told = told

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Sort; the sort is stable."""
        items.sort(key=lambda item: self._rank.get(item.nodeid, len(self._rank)))

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Tell who noticed."""
        if report.failed:
            self._told.write_text(report.nodeid, encoding="utf-8")


class _Notes:
    """Plugin of pytest: time of every test, and under whose name coverage is counted."""

    def __init__(self, coverage: Any):
        self._coverage = coverage
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Generator[None, Any, Any]:
        """Run a test under its own name."""
        self._coverage.switch_context(item.nodeid)
        started = time.perf_counter()
        result = yield
        self.seconds[item.nodeid] = time.perf_counter() - started
        return result


class _Program:
    """What runs in the process that `Tests` starts."""

    def __init__(self, root: Path, module: Path, limit_s: float, files: list[str]):
        self._root, self._module, self._limit = root, module, limit_s
        self._files = [f"tests/{name}" for name in files]
        self._source = module.read_text(encoding="utf-8")
        self._reached: dict[int, list[str]] = {}
        self._seconds: dict[str, float] = {}
        self._told = root / "noticed.txt"
        self._noticed = ""
        """Function that noticed the last change of a line that is run when the module is imported."""
        os.chdir(root)
        sys.dont_write_bytecode = True
        sys.path[:0] = [str(root), str(root / "src"), str(root / "sim")]
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:3])
        for cached in (module.parent / "__pycache__").glob(f"{module.stem}.*.pyc"):
            cached.unlink()

    def begin(self) -> str:
        """Run the tests as they are, and warm up; return why they judge nothing, or nothing."""
        with tempfile.TemporaryDirectory() as scratch:
            notes = Path(scratch) / "notes.json"
            started = time.monotonic()
            if self._fork(self._files, [], _UNCHANGED_S, notes) != SURVIVED:
                return "the tests fail without a mutation"
            self._limit = min(self._limit, _LEAST_S + _STRETCH * (time.monotonic() - started))
            noted = json.loads(notes.read_text(encoding="utf-8"))
        self._seconds = noted["seconds"]
        self._reached = {int(line): names for line, names in noted["reached"].items()}
        self._change(BROKEN)
        try:
            _warm_up(noted["modules"])
            if self._fork(self._files, [], self._limit) != KILLED:
                return "the tests pass without the module; they do not look at the copy"
        finally:
            self._change(self._source)
        if any(self._fork([file], [], self._limit) != SURVIVED for file in self._files):
            return "the tests fail without a mutation where they run one file at a time in a process that is warm"
        return ""

    def judge(self, source: str, first: int, last: int, limit_s: float | None) -> str:
        """Run the tests on a changed source."""
        limit = self._limit if limit_s is None else limit_s
        names = {name for line in range(first, last + 1) for name in self._reached.get(line, ())}
        order = sorted(names & set(self._seconds), key=self._seconds.__getitem__)
        imported = not order
        if imported:
            order = [name for name in self._seconds if name.partition("[")[0] == self._noticed]
        reaching = {name.partition("::")[0] for name in order}
        files = sorted(self._files, key=lambda name: (name not in reaching, self._file_seconds(name)))
        self._change(source)
        try:
            for file in files:
                if (result := self._fork([file], order, limit)) != SURVIVED:
                    if imported and self._told.exists():
                        self._noticed = self._told.read_text(encoding="utf-8").partition("[")[0]
                    return result
        finally:
            self._change(self._source)
        return SURVIVED

    def _file_seconds(self, file: str) -> float:
        return sum(seconds for name, seconds in self._seconds.items() if name.partition("::")[0] == file)

    def _change(self, source: str) -> None:
        self._module.write_text(source, encoding="utf-8")

    def _fork(self, files: list[str], first: list[str], limit_s: float, notes: Path | None = None) -> str:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.setsid()
                os.dup2(1, 2)
                code = self._run(files, first, notes)
            finally:
                os._exit(code)
        end = time.monotonic() + limit_s
        pause = 0.001
        while time.monotonic() < end:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return SURVIVED if status == 0 else KILLED
            time.sleep(pause)
            pause = min(1.5 * pause, 0.05)
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return LATE

    def _run(self, files: list[str], first: list[str], notes: Path | None) -> int:
        if notes is None:
            code = pytest.main([*OPTIONS, *files], plugins=[_Order(first, self._told)])
            return 0 if code == pytest.ExitCode.NO_TESTS_COLLECTED else int(code)
        import coverage  # noqa: PLC0415 - not needed by those who only list mutants

        measured = coverage.Coverage(data_file=None, include=[str(self._module)])
        noting = _Notes(measured)
        measured.start()
        code = int(pytest.main([*OPTIONS, *files], plugins=[noting]))
        measured.stop()
        reached = measured.get_data().contexts_by_lineno(str(self._module))
        notes.write_text(
            json.dumps({"seconds": noting.seconds, "reached": reached, "modules": list(sys.modules)}),
            encoding="utf-8",
        )
        return code


def _warm_up(names: list[str]) -> None:
    """Import modules in the order given; those that need the broken module stay out, and so does what is below them."""
    for name in names:
        if name.partition(".")[0] not in ("__main__", "tests"):
            with contextlib.suppress(Exception):  # what cannot be imported here is imported after the fork
                importlib.import_module(name)
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("importing what the tests need starts threads, after which nothing can be forked")
    for name in sorted(sys.modules):
        parent = name.rpartition(".")[0]
        if name.partition(".")[0] in PACKAGES and parent and parent not in sys.modules:
            del sys.modules[name]


def main() -> None:
    """Speak with `Tests`."""
    root, module, limit, *files = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    program = _Program(Path(root), Path(module), float(limit), files)
    complaint = program.begin()
    print(json.dumps(complaint), file=answers)
    for line in sys.stdin:
        print(json.dumps(program.judge(**json.loads(line))), file=answers)


if __name__ == "__main__":
    main()
