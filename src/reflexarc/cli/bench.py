# SPDX-License-Identifier: Apache-2.0
"""`reflexarc bench NAME`: run a study of `benchmarks/`.

A study is a folder `benchmarks/NAME/` with a page `README.md` and a module `study.py` that offers

- `run(full: bool, progress: Callable[[str], None]) -> dict`: the figures, JSON types only;
- `headline(results: dict) -> dict`: the few figures that the page leads with;
- `SEEDS`, optional: the seeds of the full run;
- `PARTS` and `run_part(name, full, progress) -> dict`, optional: parts that can be run alone, whose figures stand under
  their names; `headline` then also takes figures of which only some are there.
"""

import argparse
import importlib.util
import json
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from reflexarc.core.errors import ConfigError, ReflexArcError, UnknownNameError

SHORT_RUN_S = 50.0
"""Longest wall time of a short run; a longer one is reported."""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb's options."""
    parser = subparsers.add_parser(
        "bench",
        help="run a study of benchmarks/ and print its headline figures",
        description="Run a study. A plain run is short; --full repeats it all and writes its results.json.",
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help="name of a study, see --list")
    parser.add_argument("--list", action="store_true", help="list the studies")
    parser.add_argument("--all", action="store_true", help="run every study")
    parser.add_argument(
        "--full", action="store_true", help="the full study; writes benchmarks/NAME/results.json"
    )
    parser.add_argument(
        "--part",
        metavar="PART",
        help="only this part of one study; with --full the rest of its results.json stays as it is",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object with the figures as the last line"
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the verb and return its exit code."""
    folder = benchmarks_dir()
    known = study_names(folder)
    if args.list:
        for name in known:
            print(f"{name:<24} {_title(folder / name)}")
        return 0
    names = known if args.all else args.names
    if not names:
        raise ConfigError(f"no study given; allowed: --all, {', '.join(known) or 'none'}")
    for name in names:
        if name not in known:
            raise UnknownNameError("study", name, known, str(folder))
    if args.part and len(names) > 1:
        raise ConfigError("--part is a part of one study; allowed: one NAME with it")
    headlines = {name: _run_study(folder / name, args.full, args.part) for name in names}
    for name, figures in headlines.items():
        print("\n".join([name, *(f"  {key}: {value}" for key, value in figures.items())]))
    if args.json:
        print(json.dumps(headlines[names[0]] if len(names) == 1 else headlines))
    return 0


def benchmarks_dir() -> Path:
    """Return the folder of studies: `$REFLEXARC_BENCHMARKS`, else the source tree's.

    Raises:
        ConfigError: there is none.
    """
    configured = os.environ.get("REFLEXARC_BENCHMARKS")
    path = Path(configured) if configured else Path(__file__).resolve().parents[3] / "benchmarks"
    if not path.is_dir():
        raise ConfigError(
            f"no folder of studies at {path}; set REFLEXARC_BENCHMARKS to the project's benchmarks/"
        )
    return path


def study_names(folder: Path) -> list[str]:
    """Return the studies in `folder`."""
    return sorted(path.parent.name for path in folder.glob("*/study.py"))


def load_study(folder: Path) -> ModuleType:
    """Import the study in `folder`.

    Raises:
        ReflexArcError: it lacks `run` or `headline`.
    """
    name = f"reflexarc_benchmark_{folder.name}"
    spec = importlib.util.spec_from_file_location(name, folder / "study.py")
    if spec is None or spec.loader is None:
        raise ReflexArcError(f"{folder / 'study.py'} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(folder))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    for function in ("run", "headline"):
        if not callable(getattr(module, function, None)):
            raise ReflexArcError(f"{folder / 'study.py'} has no function {function}()")
    return module


def _run_study(folder: Path, full: bool, part: str | None) -> dict[str, Any]:
    study = load_study(folder)
    if part is not None and part not in (known := _parts(study)):
        raise UnknownNameError("part", part, known, str(folder))
    started = time.perf_counter()
    say = _say(folder.name)
    results = study.run(full, say) if part is None else {part: study.run_part(part, full, say)}
    wall = time.perf_counter() - started
    figures = study.headline(results)
    if full and part is None:
        _write_results(folder, study, results, figures, wall)
    elif full:
        _write_part(folder, study, part, results[part], wall)
    elif wall > SHORT_RUN_S:
        print(
            f"{folder.name}: the short run took {wall:.0f} s, more than {SHORT_RUN_S:.0f} s", file=sys.stderr
        )
    return figures


def _parts(study: ModuleType) -> tuple[str, ...]:
    """Return the parts of a study that can be run alone."""
    return tuple(study.PARTS) if callable(getattr(study, "run_part", None)) else ()


def _write_results(
    folder: Path, study: ModuleType, results: Any, figures: dict[str, Any], wall: float
) -> None:
    seeds = list(getattr(study, "SEEDS", ()))
    content = {"headline": figures, "figures": results, **_origin(folder.name, [], wall, seeds)}
    _write(folder, content)


def _write_part(folder: Path, study: ModuleType, part: str, results: Any, wall: float) -> None:
    """Replace one part's figures in a study's results, and say where they came from."""
    path = folder / "results.json"
    if not path.is_file():
        raise ReflexArcError(f"{path} is not there: run the whole study with --full first")
    content = json.loads(path.read_text(encoding="utf-8"))
    content["figures"][part] = results
    content["headline"] = study.headline(content["figures"])
    content.setdefault("parts", {})[part] = _origin(folder.name, ["--part", part], wall)
    _write(folder, content)


def _origin(name: str, options: list[str], wall: float, seeds: list[int] | None = None) -> dict[str, Any]:
    """Return command, seeds, versions, machine, date and duration of a full run."""
    from reflexarc.report.versions import machine, today, versions  # noqa: PLC0415 - reads package metadata

    return {
        "command": shlex.join(["reflexarc", "bench", name, "--full", *options]),
        **({} if seeds is None else {"seeds": seeds}),
        "versions": versions(),
        "machine": machine(),
        "date": today(),
        "wall_s": round(wall, 1),
    }


def _write(folder: Path, content: dict[str, Any]) -> None:
    path = folder / "results.json"
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    print(
        f"{folder.name}: wrote {path}; `python docs/generate.py` brings the README up to date",
        file=sys.stderr,
    )


def _say(name: str) -> Callable[[str], None]:
    return lambda text: print(f"{name}: {text}", file=sys.stderr, flush=True)


def _title(folder: Path) -> str:
    page = folder / "README.md"
    lines = page.read_text(encoding="utf-8").splitlines() if page.exists() else []
    return next((line.lstrip("# ").strip() for line in lines if line.startswith("#")), "")
