# SPDX-License-Identifier: Apache-2.0
"""`reflexarc validate faults --live`: faults of running processes, injected by a study that is a process itself."""

import argparse
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from reflexarc.core.errors import ConfigError, LaunchError

GRACE_S = 300.0
"""Longest time that the study may take beyond its limit: the start, the fault that is going on, and the end. [s]"""
END_S = 60.0
"""Longest time that it may take to end when it is asked to. [s]"""
PIPED_WIDTH = 160
LOCKSTEP_ONLY = ("phases", "modes", "seeds", "window", "drive")


def run_live_faults(args: argparse.Namespace, numbers: dict[str, float]) -> int:
    """Inject live faults and return the exit code.

    Args:
        args: options of the verb.
        numbers: `repeat`, `fault_free` [s] and `limit` [s], checked.

    Raises:
        ConfigError: the scenario has no supervisor, a row is not live, or an option is of lock-step.
        LaunchError: ROS is missing, or the study failed.
    """
    from reflexarc.assurance.injection.live import live_rows  # noqa: PLC0415 - only where it is wanted
    from reflexarc.cli._live import require_ros  # noqa: PLC0415
    from reflexarc_sim.scenario import load_scenario  # noqa: PLC0415

    wrong = [f"--{name}" for name in LOCKSTEP_ONLY if getattr(args, name) is not None]
    if args.full:
        wrong.append("--full")
    if wrong:
        raise ConfigError(
            f"{', '.join(wrong)} belong to lock-step; with --live: --repeat, --fault-free, --limit"
        )
    scenario = load_scenario(args.scenario)
    if not scenario.supervisor.enabled or not scenario.arc_enabled:
        raise ConfigError(
            f"{scenario.where}: --live needs supervisor.enabled and arc.enabled true, as in sidewalk_supervised"
        )
    rows = live_rows(args.faults or ())
    require_ros()
    path = Path(args.scenario)
    summary = study_live(
        {
            "scenario": str(path.resolve()) if path.is_file() else args.scenario,
            "robot": scenario.robot,
            "rows": [row.name for row in rows],
            "repetitions": int(numbers["repeat"]),
            "fault_free_s": numbers["fault_free"],
            "wall_s": numbers["limit"],
        },
        lambda text: print(text, file=sys.stderr, flush=True),
    )
    print_live(summary)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(summary, indent=2, allow_nan=False)
        (args.out / "faults_live.json").write_text(f"{text}\n", encoding="utf-8")
        print(f"written to {args.out}")
    if args.json:
        print(json.dumps(summary, allow_nan=False))
    return int(bool(summary["failures"]))


def study_live(request: dict[str, Any], say: Callable[[str], None]) -> dict[str, Any]:
    """Run the study of live faults and return its figures.

    Args:
        request: see `reflexarc_nodes.live_study`; the domain is chosen here.
        say: told every fault, and what went wrong.

    Raises:
        ConfigError: nothing could be injected.
        LaunchError: the study failed.
    """
    from reflexarc.assurance.injection.false_stops import FalseStop  # noqa: PLC0415
    from reflexarc.assurance.injection.live import LiveCase, summarise_live  # noqa: PLC0415
    from reflexarc.cli._domain import choose_domain  # noqa: PLC0415 - only where it is wanted

    cases: list[LiveCase] = []
    causes: list[FalseStop] = []
    left_out: dict[str, str] = {}
    done: dict[str, Any] = {}
    total = len(request["rows"]) * request["repetitions"]

    def take(line: dict[str, Any]) -> None:
        if "case" in line:
            found = line["case"]
            cases.append(LiveCase(**found | {"names": tuple(found["names"])}))
            say(f"{len(cases)}/{total}: {_words(cases[-1])}")
        elif "left_out" in line:
            left_out[line["left_out"]] = line["why"]
        elif "false_stop" in line:
            causes.append(FalseStop(**line["false_stop"]))
            say(f"false stop {causes[-1].words}")
        elif "note" in line:
            say(f"note: {line['note']}")
        else:
            done.update(line)

    words = json.dumps(request | {"domain": choose_domain()})
    command = [sys.executable, "-m", "reflexarc_nodes.live_study", words]
    watch_study(command, request["wall_s"] + GRACE_S, take)
    return summarise_live(cases, left_out, done["false_stops"], done["fault_free_s"], causes)


def watch_study(command: list[str], limit_s: float, take: Callable[[dict[str, Any]], None]) -> None:
    """Run a study and take its lines; it has ended when this returns or raises, and so have its processes.

    Args:
        command: prints one JSON object a line.
        limit_s: longest time. [s]
        take: told every line.

    Raises:
        LaunchError: it failed, or did not end in time.
    """
    from reflexarc.launcher import _exec  # noqa: PLC0415 - only where it is wanted

    shim = [sys.executable, "-I", "-S", str(Path(_exec.__file__)), str(os.getpid()), *command]
    end, rest = time.monotonic() + limit_s, b""
    # A session of its own: Ctrl-C must not reach it beside the orderly end below.
    with subprocess.Popen(shim, stdout=subprocess.PIPE, start_new_session=True) as study:
        assert study.stdout is not None
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(study.stdout, selectors.EVENT_READ)
                while True:
                    if not selector.select(max(0.0, end - time.monotonic())):
                        raise LaunchError(f"the study of live faults did not end within {limit_s:g} s")
                    data = os.read(study.stdout.fileno(), 65536)
                    if not data:
                        break
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        take(json.loads(line))
            code = study.wait(END_S)
        finally:
            _end(study)
    if code:
        raise LaunchError(f"the study of live faults ended with exit code {code}; its message is above")


def _end(study: subprocess.Popen[bytes]) -> None:
    if study.poll() is not None:
        return
    study.send_signal(signal.SIGINT)
    try:
        study.wait(END_S)
    except subprocess.TimeoutExpired:
        study.kill()  # the kernel then kills its processes


def print_live(summary: dict[str, Any]) -> None:
    """Print table, interval, false stops and what fell short."""
    from reflexarc.assurance.injection.false_stops import FalseStop  # noqa: PLC0415 - only where it is wanted

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    table = Table(title="faults injected live", title_justify="left")
    heads = (
        "fault",
        "named",
        "limit",
        "p50",
        "p99",
        "max",
        "measured",
        "in time",
        "fail-safe",
        "95 % interval",
    )
    for name in (*heads, "expected"):
        table.add_column(name, justify="left" if name in {"fault", "measured", "expected"} else "right")
    for name, row in summary["rows"].items():
        low, high = row["fail_safe_interval"]
        times = (
            row["braking" if row["measure"] == "standstill" else row["measure"]]
            if row["measure"] != "vouched"
            else row["zero"]
        )
        table.add_row(
            name,
            f"{row['named']}/{row['cases']}" if row["expects"] else "–",
            _ms(row["within_s"]),
            *(
                (_ms(times[key]) for key in ("p50_s", "p99_s", "max_s"))
                if row["measure"] != "vouched"
                else ("–", "–", _ms(row["unvouched"]["max_s"]))
            ),
            row["measure"],
            f"{row['in_time']}/{row['cases']}",
            f"{row['fail_safe']}/{row['cases']}",
            f"{low:.3f} to {high:.3f}",
            row["safe_by"] or f"zero command: {', '.join(row['expects'])}",
        )
    console.print(table)
    low, high = summary["fail_safe_interval"]
    print(
        f"fail-safe: {summary['fail_safe']} of {summary['cases']} cases, 95 % interval {low:.4f} to {high:.4f}; "
        f"{summary['in_time']} of them within the limit itself, without a stop time"
    )
    low, high = summary["false_stops_per_h_interval"]
    print(
        f"false stops: {summary['false_stops']} in {summary['fault_free_min']:.1f} fault-free minutes, "
        f"95 % interval {low:.1f} to {high:.1f} per hour"
    )
    for cause in summary["false_stop_causes"]:
        print(f"false stop {FalseStop(**cause).words}")
    for kind in ("left_out", "not_injectable"):
        for name, why in summary[kind].items():
            print(f"not injected: {name}: {why}")
    for word, key in (("NOT FAIL-SAFE", "failures"), ("late", "late")):
        for case in summary[key]:
            print(f"{word}: {case['row']}, repetition {case['repetition']}: zero after {_ms(case['zero_s'])}")


def _words(case: Any) -> str:
    good = "fail-safe" if case.fail_safe else "NOT FAIL-SAFE"
    return f"{case.row}: {good}, zero after {_ms(case.zero_s)}, standing after {_ms(case.standstill_s)}"


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None or seconds == float("inf") else f"{1e3 * seconds:.0f} ms"
