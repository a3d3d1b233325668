# SPDX-License-Identifier: Apache-2.0
"""`reflexarc validate live`: sessions of live nodes, recorded as a robot's would be."""

import argparse
import shutil
from pathlib import Path
from typing import Any

import yaml

from reflexarc.assurance.twin.sessions import CONTACT, MANOEUVRES
from reflexarc.core.errors import ConfigError, LaunchError

SCENARIO = "scenario"
DRIVES = (MANOEUVRES, CONTACT, SCENARIO)


def add_parser(actions: Any) -> None:
    """Add the verb's options."""
    live = actions.add_parser(
        "live",
        help="record sessions of live ROS 2 nodes, each drive over again as processes",
        allow_abbrev=False,
    )
    live.add_argument("scenario", metavar="SCENARIO", help="a name or a YAML file")
    live.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="one folder per session is made in it"
    )
    live.add_argument("--runs", type=int, default=4, metavar="N", help="sessions (default: 4)")
    live.add_argument("--seed", type=int, default=0, metavar="S", help="of the first session (default: 0)")
    live.add_argument(
        "--duration", type=float, default=20.0, metavar="S", help="of the scenario's drive (default: 20)"
    )
    live.add_argument(
        "--drives",
        nargs="+",
        choices=DRIVES,
        default=list(DRIVES),
        metavar="DRIVE",
        help=f"of each session: {', '.join(DRIVES)} (default: all)",
    )


def run_live_sessions(args: argparse.Namespace) -> int:
    """Record the sessions and return the exit code.

    Raises:
        ConfigError: an option or the scenario is not acceptable, or a session is there already.
        LaunchError: ROS is missing, or a node failed.
    """
    from reflexarc.cli._live import require_ros  # noqa: PLC0415 - only where it is wanted
    from reflexarc_sim.scenario import load_scenario  # noqa: PLC0415
    from reflexarc_sim.surrogate_run import check  # noqa: PLC0415

    if args.runs < 1 or args.duration < 1.0 or args.seed < 0:
        raise ConfigError(
            f"--runs {args.runs} and --duration {args.duration} must be at least 1, --seed {args.seed} at least 0"
        )
    scenario = load_scenario(args.scenario)
    check(scenario)
    folders = [args.out / f"session_{number:03d}" for number in range(args.runs)]
    if there := next((folder for folder in folders if folder.exists()), None):
        raise ConfigError(f"{there} exists; a session is not overwritten, choose another --out")
    require_ros()
    for number, folder in enumerate(folders):
        for drive in dict.fromkeys(args.drives):
            path = record_drive(scenario, drive, args.seed + number, args.duration, folder)
            print(f"live log {path}", flush=True)
    return 0


def record_drive(scenario: Any, drive: str, seed: int, seconds: float, folder: Path) -> Path:
    """Drive once with every node a process, and return the recording; what the nodes printed lies in `log/DRIVE`.

    Args:
        scenario: of the validation.
        drive: one of `DRIVES`.
        seed: of the run.
        seconds: of the scenario's drive; the others last as long as they do. [s]
        folder: of the session, made if need be.

    Raises:
        LaunchError: a node failed, or simulated time stood still.
    """
    from reflexarc.cli._display import RunDisplay  # noqa: PLC0415 - only where it is wanted
    from reflexarc.cli._domain import take_domain  # noqa: PLC0415
    from reflexarc.cli._live import launch_problem, watch_launch  # noqa: PLC0415
    from reflexarc.launcher import Launch  # noqa: PLC0415
    from reflexarc.launcher.shelf import find_launch_file  # noqa: PLC0415
    from reflexarc.report.rundir import RunEntry  # noqa: PLC0415
    from reflexarc_sim.live_drives import live_place  # noqa: PLC0415

    driven = scenario if drive == SCENARIO else live_place(scenario, drive)
    work = folder / "log" / drive
    work.mkdir(parents=True)
    file = work / f"{driven.name}.yaml"
    file.write_text(
        yaml.safe_dump(dict(driven.source), sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    arc = drive != CONTACT  # which would not let the robot touch anything
    arguments = {
        "scenario": str(file),
        "seed": str(seed),
        "arc": str(arc).lower(),
        "supervised": str(arc and driven.supervisor.enabled).lower(),
        "duration": str(seconds if drive == SCENARIO else driven.duration_s),
        "drive": drive,
        "out_dir": str(work),
    }
    take_domain()
    entry = RunEntry("live", seed, arc)
    with RunDisplay(quiet=True) as display, Launch(find_launch_file("sim"), arguments, work) as launch:
        display.begin(entry.title, seconds)
        stalled = watch_launch(launch, work, entry, display)
        if stalled:
            launch.stop(stalled)
        result = launch.wait()
    if problem := stalled or launch_problem(result, work):
        raise LaunchError(f"{drive} of {folder}: {problem}")
    return Path(shutil.move(work / "run.mcap", folder / f"{drive}.mcap"))
