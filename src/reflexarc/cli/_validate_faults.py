# SPDX-License-Identifier: Apache-2.0
"""`reflexarc validate faults`: inject every fault of the table into lock-step runs of a scenario."""

import argparse
import json
import math
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from reflexarc.cli._validate_faults_live import run_live_faults
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Mode

DESCRIPTION = """\
Fault injection. A run without faults is driven per seed; when a phase begins (driving, braking, person_near, turning),
every fault is injected into a copy of the run at that very instant. Told are detection latencies, the rate of fail-safe
cases with its exact interval, and false stops per fault-free hour. Corrupted parameters and tampered files must be
refused.

A case is fail-safe if the moving robot touched nobody whom it would not have touched anyway, and, where the table of
faults asks for it, the fault was named and the command was zero in time. Where the table says beforehand that nobody on
board can tell a fault, a case that is not fail-safe is a residual risk: counted and listed, but no failure.

With --modes every phase is looked for in each of these modes of the supervisor: the factorial of fault, phase and mode.
Cells that no seed reached are listed.

With --live the real nodes run as processes behind the gate, on a ROS domain of their own. They are killed, stopped,
starved, cut off and doubled, and foreign clock messages are sent. Told is the time from the injection to the first zero
command after the gate.
"""
EPILOG = """\
examples:
  reflexarc validate faults sidewalk_supervised --phases person_near
  reflexarc validate faults sidewalk_supervised --faults scan_drop clock_nan --seeds 5 --json
  reflexarc validate faults sidewalk_supervised --modes NORMAL SPEED_SEPARATION PROTECTIVE_STOP
  reflexarc validate faults sidewalk_learned --full --out runs/faults
  reflexarc validate faults sidewalk_supervised --live --faults arc_sigkill supervisor_sigstop --repeat 5

exit codes: 0 every case fail-safe or a residual risk that the table declares, and every corruption refused; 1
otherwise, with the list; 2 the request is not acceptable
"""
FULL_SEEDS, FULL_DRIVE_S = 30, 60.0
LEFT = frozenset({"fault", "modes", "what keeps it safe"})
"""Columns of text."""
PIPED_WIDTH = 180
"""Columns where the output is no terminal."""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add `faults` and its options to those of `reflexarc validate`."""
    parser = subparsers.add_parser(
        "faults",
        help="inject faults into lock-step runs of a scenario, or into running nodes",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("scenario", metavar="SCENARIO", help="name or YAML file")
    parser.add_argument(
        "--faults", nargs="+", metavar="NAME", help="rows of the table (default: all that apply)"
    )
    parser.add_argument("--phases", nargs="+", metavar="NAME", help="phases (default: all)")
    parser.add_argument(
        "--modes",
        nargs="+",
        metavar="NAME",
        help="look for every phase in each of these modes (default: in whichever it is met first; all with --full)",
    )
    parser.add_argument(
        "--seeds", metavar="N", help=f"seeds 0 to N - 1 (default: 1; {FULL_SEEDS} with --full)"
    )
    parser.add_argument("--window", metavar="S", help="how long a fault lasts (default: 2 s)")
    parser.add_argument(
        "--drive",
        metavar="S",
        help=f"longest run without faults, per seed (default: 30 s; {FULL_DRIVE_S:g} s with --full)",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="full factorial of fault, phase and mode on many seeds; takes hours",
    )
    parser.add_argument("--live", action="store_true", help="break the running nodes; needs ROS")
    parser.add_argument("--repeat", metavar="N", help="with --live: times that each is injected (default: 1)")
    parser.add_argument(
        "--fault-free", metavar="S", help="with --live: drive so long without a fault first (default: 30 s)"
    )
    parser.add_argument(
        "--limit", metavar="S", help="with --live: begin no fault after this time (default: 1800 s)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="folder for faults.json and faults.svg, or faults_live.json",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the campaign and return the exit code."""
    live = {
        "repeat": _whole(args.repeat or "1", "--repeat"),
        "fault_free": _positive(args.fault_free or "30", "--fault-free", 36_000.0),
        "limit": _positive(args.limit or "1800", "--limit", 360_000.0),
    }
    if args.live:
        return run_live_faults(args, live)
    if wrong := [f"--{name.replace('_', '-')}" for name in live if getattr(args, name) is not None]:
        raise ConfigError(f"{', '.join(wrong)} belong to --live")
    return _run_lockstep(args)


def _run_lockstep(args: argparse.Namespace) -> int:
    from reflexarc_sim.inject_campaign import Campaign, never_reached, run_campaign  # noqa: PLC0415
    from reflexarc_sim.inject_refusals import refusals  # noqa: PLC0415

    request = _request(args)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    total = len(request.rows) * len(request.phases) * max(1, len(request.modes)) * len(request.seeds)
    # Without a thread that redraws: the campaign forks.
    with Progress(*columns, console=console, auto_refresh=False) as bar:
        task = bar.add_task("faults", total=total)

        def show(done: int, _: int, text: str) -> None:
            bar.update(task, completed=done, description=text, refresh=console.is_terminal)

        campaign: Campaign = run_campaign(request, show)
    from reflexarc.assurance.injection.scores import summarise  # noqa: PLC0415

    summary = summarise(campaign.cases, campaign.false_stops, campaign.fault_free_s / 3600.0)
    summary["phases_missing"] = [list(cell) for cell in campaign.missing]
    summary["never_reached"] = [list(cell) for cell in never_reached(campaign, len(request.seeds))]
    summary["contacts_without_fault"] = campaign.contacts_without_fault
    summary["refusals"] = refusals(request.scenario)
    accepted = [text for kind in summary["refusals"].values() for text in kind["accepted"]]
    _print(summary, accepted)
    if args.out:
        from reflexarc.report.reach_figures import save  # noqa: PLC0415
        from reflexarc_sim.inject_figures import campaign_figure  # noqa: PLC0415

        save(campaign_figure(summary), args.out / "faults.svg")
        text = json.dumps(summary, indent=2, allow_nan=False)
        (args.out / "faults.json").write_text(f"{text}\n", encoding="utf-8")
        print(f"written to {args.out}")
    if args.json:
        print(json.dumps(summary, allow_nan=False))
    return int(bool(summary["failures"] or accepted))


def _request(args: argparse.Namespace) -> Any:
    """Return what is asked for.

    Raises:
        ConfigError: a number or name is not acceptable.
    """
    from reflexarc.assurance.injection.table import PHASES, injection  # noqa: PLC0415
    from reflexarc_sim.inject_campaign import CampaignRequest, applicable  # noqa: PLC0415
    from reflexarc_sim.scenario import load_scenario  # noqa: PLC0415

    scenario = load_scenario(args.scenario)
    rows = applicable(scenario)
    if args.faults:
        wanted = tuple(injection(name) for name in dict.fromkeys(args.faults))
        for row in wanted:
            if row not in rows:
                raise ConfigError(
                    f"--faults {row.name} needs --live"
                    if row.needs == "live"
                    else f"--faults {row.name} needs a scenario with a {row.needs}; {scenario.where} has none"
                )
        rows = wanted
    seeds = _whole(args.seeds or (str(FULL_SEEDS) if args.full else "1"), "--seeds")
    modes = args.modes or (tuple(Mode.__members__) if args.full and scenario.supervisor.enabled else ())
    drive = args.drive or (f"{FULL_DRIVE_S}" if args.full else "30")
    return CampaignRequest(
        scenario,
        rows,
        tuple(dict.fromkeys(args.phases or PHASES)),
        tuple(range(seeds)),
        _positive(args.window or "2", "--window", 60.0),
        _positive(drive, "--drive", 3600.0),
        tuple(dict.fromkeys(modes)),
    )


def _whole(text: str, option: str) -> int:
    number = _positive(text, option, 10_000.0)
    if number != int(number):
        raise ConfigError(f"{option} {number:g} must be a whole number")
    return int(number)


def _positive(text: str, option: str, most: float) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {text!r} is not a number") from error
    if not (math.isfinite(value) and 0.0 < value <= most):
        raise ConfigError(f"{option} {text} must be above 0 and at most {most:g}")
    return value


def _print(summary: dict[str, Any], accepted: list[str]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    table = Table(title="injected faults", title_justify="left")
    for name in (
        "fault",
        "named",
        "limit",
        "p50",
        "p99",
        "max",
        "fail-safe",
        "95 % interval",
        "modes",
        "what keeps it safe",
    ):
        table.add_column(name, justify="left" if name in LEFT else "right")
    for name, row in summary["rows"].items():
        low, high = row["fail_safe_interval"]
        times = row["latency"] or {}
        table.add_row(
            name,
            f"{row['detected']}/{row['cases']}" if row["expects"] else "–",
            _ms(row["within_s"]),
            *(_ms(times.get(key)) for key in ("p50_s", "p99_s", "max_s")),
            f"{row['fail_safe']}/{row['cases']}",
            f"{low:.3f} to {high:.3f}",
            ", ".join(f"{mode} {m['fail_safe']}/{m['cases']}" for mode, m in row["modes"].items()),
            row["safe_by"] or f"zero command: {', '.join(row['expects'])}",
        )
    console.print(table)
    _print_cells(summary, console)
    low, high = summary["fail_safe_interval"]
    print(
        f"fail-safe: {summary['fail_safe']} of {summary['cases']} cases, 95 % interval {low:.4f} to {high:.4f}; "
        f"of the others {len(summary['residual'])} are residual risk and {len(summary['failures'])} failures"
    )
    if part := summary["detectable"]:
        low, high = part["fail_safe_interval"]
        print(
            f"of faults that something on board must tell: {part['fail_safe']} of {part['cases']}, "
            f"{low:.4f} to {high:.4f}"
        )
    low, high = summary["false_stops_per_h_interval"]
    print(
        f"false stops: {summary['false_stops']} in {60.0 * summary['fault_free_h']:.1f} fault-free minutes, "
        f"95 % interval {low:.1f} to {high:.1f} per hour"
    )
    for kind, figures in summary["refusals"].items():
        print(
            f"{kind}: {figures['tried'] - len(figures['accepted'])} of {figures['tried']} corruptions refused"
        )
    for phase, mode in summary["never_reached"]:
        print(f"never reached: {phase}{f' in mode {mode}' if mode else ''}, nothing was injected in it")
    for word, key in (("residual risk", "residual"), ("NOT FAIL-SAFE", "failures")):
        for case in summary[key]:
            what = "not named or not stopped in time"
            if case["touched"]:
                what = f"touched a person at {case['touch_m_s']:.2f} m/s"
            print(f"{word}: {case['row']}, {case['phase']}, {case['mode']}, seed {case['seed']}: {what}")
    for text in accepted:
        print(f"NOT REFUSED: {text}")


def _print_cells(summary: dict[str, Any], console: Console) -> None:
    """Print phase by mode: seeds that reached it, and fail-safe cases."""
    table = Table(title="phase and mode at the injection", title_justify="left")
    for name in ("phase", "mode", "seeds", "fail-safe", "95 % interval", "residual risk"):
        table.add_column(name, justify="left" if name in {"phase", "mode"} else "right")
    for phase, modes in summary["cells"].items():
        for mode, cell in modes.items():
            low, high = cell["fail_safe_interval"]
            table.add_row(
                phase,
                mode,
                str(cell["seeds"]),
                f"{cell['fail_safe']}/{cell['cases']}",
                f"{low:.3f} to {high:.3f}",
                str(cell["residual"]),
            )
    console.print(table)


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1e3 * seconds:.0f} ms"
