# SPDX-License-Identifier: Apache-2.0
"""The command line `reflexarc <verb>`: one module per verb, imported only when its verb is asked for.

A verb module offers `add_parser(subparsers) -> ArgumentParser` and `run(args) -> int` (the exit code).

Exit codes: 0 done; 1 the work failed (a node died, a replay differs, a file is damaged); 2 the request was
not acceptable (unknown scenario, key or value); 130 interrupted by the user.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

from reflexarc.core.errors import ConfigError, ReflexArcError

VERBS = {
    "run": "run a scenario, live over ROS 2 or in lock-step, with and without the arc",
    "replay": "feed a recording through a fresh arc and compare every verdict bit by bit",
    "report": "build the HTML report of a finished run again",
    "scenarios": "list the scenarios, or print one with all its keys",
    "economics": "dollars per run: statement, comparison, break-even, tornado",
    "reach": "density of reachable states, risk of a box, plans under a risk limit",
    "train": "learn a barrier from recorded transitions, or a density, policies, a reflex or a walker in a simulator",
    "robust": "look for the smallest push that makes a stack fail",
    "certify": "make and recompute certificates of learned barriers",
    "assurance": "hazard models, verified supervisors, runtime monitors",
    "validate": "compare the simulation with logs and end with a verdict",
    "export": "write a scenario as an OpenUSD stage, for Isaac Sim and Newton",
    "plan": "plan a fleet: multi-agent path finding, and judge plans",
    "bench": "run a study of benchmarks/ and print its headline figures",
    "launch": "run a ROS 2 launch file without a ROS installation",
    "doctor": "check every prerequisite and say how to mend what is missing",
}
"""Verb to its line in `reflexarc --help`; the module of the same name in this package implements it."""

EXIT_FAILED = 1
EXIT_NOT_ACCEPTABLE = 2
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: the process's own) and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    verb = next((word for word in arguments if not word.startswith("-")), None)
    try:
        parser = build_parser(verbs={verb} if verb in VERBS else set())
        parsed = parser.parse_args(arguments)
        if parsed.verb is None:
            parser.print_help()
            return EXIT_NOT_ACCEPTABLE
        return int(_module(parsed.verb).run(parsed))
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else EXIT_NOT_ACCEPTABLE
    except ConfigError as error:
        return _fail(error, EXIT_NOT_ACCEPTABLE)
    except ReflexArcError as error:
        return _fail(error, EXIT_FAILED)
    except BrokenPipeError:
        sys.stdout = None
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("reflexarc: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def build_parser(verbs: set[str]) -> argparse.ArgumentParser:
    """Return the parser with the options of `verbs`; every other verb is only named, so its module stays
    unread.
    """
    parser = argparse.ArgumentParser(
        prog="reflexarc",
        description="A safety layer under learned robot policies: scenarios, reports and checks.",
        epilog="`reflexarc VERB --help` explains one verb.",
        allow_abbrev=False,
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=20),
    )
    parser.add_argument("--version", action=_PrintVersion, nargs=0, help="print the version and exit")
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for verb, summary in VERBS.items():
        if verb in verbs:
            _module(verb).add_parser(subparsers)
        else:
            subparsers.add_parser(verb, help=summary)
    return parser


class _PrintVersion(argparse.Action):
    """Print the installed version; looked up only when asked, because package metadata is slow to read."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from reflexarc.report.versions import own_version  # noqa: PLC0415 - lazy on purpose

        print(f"reflexarc {own_version()}")
        parser.exit(0)


def _module(verb: str):
    return importlib.import_module(f"reflexarc.cli.{verb}")


def _fail(error: Exception, code: int) -> int:
    print(f"reflexarc: error: {error}", file=sys.stderr)
    return code
