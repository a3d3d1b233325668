# SPDX-License-Identifier: Apache-2.0
"""`reflexarc launch FILE name:=value ...`: run a ROS 2 XML launch file without a ROS installation."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reflexarc.launcher import LaunchFileError, launch_file, resolve
from reflexarc.launcher.grammar import ELEMENTS, SUBSTITUTIONS
from reflexarc.launcher.output import default_screen
from reflexarc.launcher.resolve import declared_arguments
from reflexarc.launcher.shelf import find_launch_file, launch_files


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Add the options of `reflexarc launch`."""
    parser = subparsers.add_parser(
        "launch",
        help="run a ROS 2 launch file without a ROS installation",
        description="Run a ROS 2 XML launch file: one process per node, signals forwarded, exit codes kept.",
        epilog="Exit code: 0; or that of the required process that ended the launch; 2 when the file or an "
        "argument is not acceptable; 130 after Ctrl-C.",
    )
    parser.add_argument("file", help="a path, or the name of a launch file of this project", nargs="?")
    parser.add_argument(
        "arguments", nargs="*", metavar="name:=value", help="values for the arguments of the file"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for logs and results")
    parser.add_argument("--show-args", action="store_true", help="list the arguments of the file and stop")
    parser.add_argument(
        "--print", action="store_true", help="print the processes that would be started and stop"
    )
    parser.add_argument("--list", action="store_true", help="list the launch files of this project and stop")
    parser.add_argument(
        "--features", action="store_true", help="list what is understood in a launch file and stop"
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the verb and return the exit code."""
    if args.list:
        print("\n".join(str(path) for path in launch_files()))
        return 0
    if args.features:
        print(features())
        return 0
    if args.file is None:
        names = ", ".join(path.name for path in launch_files()) or "none found"
        raise LaunchFileError(None, f"no launch file given; of this project: {names}")
    path = find_launch_file(args.file)
    if args.show_args:
        print(describe_arguments(path))
        return 0
    given = parse_assignments(args.arguments)
    if args.print:
        print("\n".join(spec.describe() for spec in resolve(path, given).processes))
        return 0
    result = launch_file(path, given, args.out, screen=default_screen())
    print(f"\n{result.table()}\n{result.reason}; logs in {result.log_dir}", file=sys.stderr)
    return result.exit_code


def parse_assignments(words: Sequence[str]) -> dict[str, str]:
    """Read `name:=value` words; the last value of a name wins, as with `ros2 launch`.

    Raises:
        LaunchFileError: A word is not of this form.
    """
    given: dict[str, str] = {}
    for word in words:
        name, separator, value = word.partition(":=")
        if not separator or not name:
            raise LaunchFileError(None, f"launch argument {word!r} is not of the form name:=value")
        given[name] = value
    return given


def describe_arguments(path: Path) -> str:
    """Return the arguments of a launch file with description, choices and default, for people."""
    lines = [f"arguments of {path}"]
    for argument in declared_arguments(path).values():
        lines.append(f"  {argument.name}:=")
        if argument.description:
            lines.append(f"      {' '.join(argument.description.split())}")
        if argument.choices:
            lines.append(f"      one of: {', '.join(argument.choices)}")
        lines.append(
            "      must be given" if argument.default is None else f"      default: {argument.default!r}"
        )
    return "\n".join(lines)


def features() -> str:
    """Return the tables of what the launcher understands, in Markdown, as `docs/launch.md` has them."""
    lines = ["| element | attributes (**required**) | inside it | meaning |", "|---|---|---|---|"]
    for name, rule in ELEMENTS.items():
        required = [f"**`{item}`**" for item in rule.required]
        optional = [f"`{item}`" for item in rule.attributes if item not in rule.required]
        inside = (
            "any action"
            if name in ("launch", "group")
            else ", ".join(f"`<{child}>`" for child in rule.children)
        )
        lines.append(f"| `<{name}>` | {' '.join(required + optional)} | {inside} | {rule.meaning} |")
    lines += ["", "| substitution | value |", "|---|---|"]
    lines += [f"| `{rule.form}` | {rule.meaning} |" for rule in SUBSTITUTIONS.values()]
    return "\n".join(lines)
