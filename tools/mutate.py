# SPDX-License-Identifier: Apache-2.0
"""Mutation testing of the safety layer: break one thing at a time and see whether the tests of that module notice.

    python tools/mutate.py                                   every mutant of every target
    python tools/mutate.py --targets gate sanity --count 20  a sample of 20 each
    python tools/mutate.py --json outcomes.json; python tools/mutation_report.py outcomes.json

Mutations: a sign flipped; a comparison turned round; a number halved or doubled; a guard (`if` or `elif`) or one
clause of a condition dropped; a time read as milliseconds, a speed as km/h. Each mutant is one change of one module in
a copy of the source, judged by the module's fast tests within a time limit: killed if a test fails or time runs out.
How the tests are run fast is told in `mutation_tests.py`.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mutants import mutants, mutated, sample, statement
from mutation_targets import TARGETS
from mutation_tests import LATE, SURVIVED, Tests

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path("src") / "reflexarc"
COPIED = ("src", "sim", "tests", "benchmarks/assurance")
LINKED = ("models", "pyproject.toml", "docs", "ros2_ws")
LIMIT_S = 120.0
"""Time for the tests of one mutant; one that needs more never ends. [s]"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mutant."""

    target: str
    file: str
    line: int
    code: str
    """The line as it stands in the source."""
    kind: str
    before: str
    after: str
    index: int
    """Position among the changes of the module."""
    result: str


def make_copy(scratch: Path) -> Path:
    """Copy what the tests need and return the root of the copy; the compiled kernels come along."""
    root = scratch / "copy"
    for name in COPIED:
        shutil.copytree(ROOT / name, root / name, symlinks=True)
    for name in LINKED:
        (root / name).symlink_to(ROOT / name)
    return root


def run_target(
    name: str,
    root: Path,
    count: int | None,
    seed: int,
    progress: Callable[[str], None],
    limit_s: float = LIMIT_S,
    known: Sequence[Outcome] = (),
) -> list[Outcome]:
    """Judge the mutants of one target.

    Args:
        name: in `TARGETS`.
        root: copy made by `make_copy`.
        count: size of the sample; None for all.
        seed: of the sample.
        progress: told every outcome.
        limit_s: most time for the tests of one mutant. [s]
        known: outcomes of an earlier run; what was killed then is not judged again.

    Raises:
        RuntimeError: the tests fail without a mutation, or pass although the module cannot be imported.
    """
    target = TARGETS[name]
    file = root / PACKAGE / target.module
    source = file.read_text(encoding="utf-8")
    killed = {_place(o): o for o in known if o.result != SURVIVED}
    outcomes = []
    try:
        with Tests(root, file, target.tests, limit_s) as tests:
            for mutant in sample(mutants(source), count, seed):
                code = source.splitlines()[mutant.line - 1].strip()
                where = (name, str(PACKAGE / target.module), mutant.line, code)
                change = (mutant.kind, mutant.before, mutant.after)
                outcome = killed.get((*where, *change, mutant.index))
                if outcome is None:
                    result = tests.judge(mutated(source, mutant), statement(source, mutant.line))
                    outcome = Outcome(*where, *change, mutant.index, result)
                    progress(text(outcome))
                outcomes.append(outcome)
    except RuntimeError as error:
        raise RuntimeError(f"{name}: {error}") from error
    return outcomes


def _place(outcome: Outcome) -> tuple[object, ...]:
    """What tells one mutant from another."""
    return tuple(asdict(outcome).values())[:-1]


def text(outcome: Outcome) -> str:
    """Return an outcome in one line."""
    change = f"{outcome.before}  ->  {outcome.after}"
    return f"{outcome.result}: {outcome.file}:{outcome.line}: {outcome.kind}: {change}"


def run(
    names: list[str],
    count: int | None,
    seed: int,
    progress: Callable[[str], None],
    limit_s: float = LIMIT_S,
    known: Sequence[Outcome] = (),
) -> list[Outcome]:
    """Judge the mutants of some targets, each in a fresh copy."""
    outcomes = []
    for name in names:
        with tempfile.TemporaryDirectory() as scratch:
            outcomes += run_target(name, make_copy(Path(scratch)), count, seed, progress, limit_s, known)
    return outcomes


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    """Run the command line; 0 if nothing survived, 1 otherwise."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--targets", nargs="+", choices=sorted(TARGETS), default=list(TARGETS), metavar="NAME"
    )
    parser.add_argument(
        "--count", type=int, metavar="N", help="sample of N mutants per target (default: all)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default: 0)")
    parser.add_argument(
        "--limit", type=float, default=LIMIT_S, metavar="S", help="time per mutant (default: 120 s)"
    )
    parser.add_argument("--list", action="store_true", help="only list the mutants")
    parser.add_argument(
        "--again",
        type=Path,
        metavar="FILE",
        help="outcomes of --json: judge only what survived there, or is new",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcomes")
    args = parser.parse_args()
    if args.list:
        for name in args.targets:
            target = TARGETS[name]
            found = mutants((ROOT / PACKAGE / target.module).read_text(encoding="utf-8"))
            for m in sample(found, args.count, args.seed):
                print(f"{PACKAGE / target.module}:{m.line}: {m.kind}: {m.before}  ->  {m.after}")
        return 0
    known = []
    if args.again:
        known = [Outcome(**entry) for entry in json.loads(args.again.read_text(encoding="utf-8"))]
    outcomes = run(args.targets, args.count, args.seed, _say, args.limit, known)
    for name in args.targets:
        mine = [o for o in outcomes if o.target == name]
        killed = sum(o.result != SURVIVED for o in mine)
        late = sum(o.result == LATE for o in mine)
        print(f"{name}: {killed} of {len(mine)} killed, {late} of them by the time limit")
    if args.json:
        args.json.write_text(json.dumps([asdict(o) for o in outcomes], indent=2) + "\n", encoding="utf-8")
    return int(any(o.result == SURVIVED for o in outcomes))


if __name__ == "__main__":
    sys.exit(main())
