# SPDX-License-Identifier: Apache-2.0
"""Makes everything that the project runs in: `.venv`, the colcon workspace and `env.sh`. Called by setup.sh.

Each stage is skipped when the hash of what it is made from equals the one in its stamp, so that a second run
takes a fraction of a second. Only the standard library is used.
"""

import argparse
import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import ros_wheels

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
WORKSPACE = ROOT / "ros2_ws"
INSTALL = WORKSPACE / "install"
LIBRARY = ROOT / "src"
ENV_FILE = ROOT / "env.sh"
LOGS = VENV / "setup-log"
PACKAGE_FOLDERS = ("ros2_ws/src", "launch")
COLCON = "import sys; from colcon_core.command import main; sys.exit(main(command_name='colcon'))"
"""colcon run by the virtual environment's interpreter, so that the nodes' scripts are made for that one."""
PATH_VARIABLES = ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "PATH")


class SetupError(Exception):
    """A stage failed; the message says which and where its log is."""


def main() -> int:
    """Bring everything up to date and return the exit code."""
    parser = argparse.ArgumentParser(description="Bring .venv, the workspace and env.sh up to date.")
    parser.add_argument(
        "--ros", choices=("wheels", "installed"), default="wheels", help="where ROS 2 comes from"
    )
    parser.add_argument("--bench", action="store_true", help="also install the peers of the benchmarks")
    arguments = parser.parse_args()
    fcntl.flock(
        os.open(ROOT / "tools", os.O_RDONLY), fcntl.LOCK_EX
    )  # one set-up at a time, until this one ends
    try:
        setup(arguments.ros, arguments.bench)
    except SetupError as error:
        print(f"setup: failed: {error}", file=sys.stderr)
        return 1
    return 0


def setup(ros: str, bench: bool) -> None:
    """Run the stages that are out of date."""
    locks = ["requirements.lock", *(["requirements-ros.lock"] if ros == "wheels" else [])]
    base = base_environment(ros)
    made_from = digest([ROOT / name for name in (*locks, "tools/ros_wheels.py")], str(ROOT), ros, sys.version)
    done = 0
    for stage, key, inputs, action in (
        ("wheels", made_from, locks, lambda: install_wheels(locks, ros)),
        ("library", digest([ROOT / "pyproject.toml"], made_from), ["pyproject.toml"], install_library),
        ("kernels", digest(sorted(LIBRARY.rglob("*.py"))), ["compiled again when used"], forget_kernels),
        ("workspace", workspace_digest(made_from), PACKAGE_FOLDERS, lambda: build_workspace(base, ros)),
        *(
            [("bench", digest([ROOT / "requirements-bench.lock"], made_from), [], install_peers)]
            if bench
            else []
        ),
    ):
        stamp = VENV / f"stamp-{stage}"
        if stamp.is_file() and stamp.read_text() == key:
            continue
        stamp.unlink(missing_ok=True)
        started = time.monotonic()
        print(f"setup: {stage} ({', '.join(inputs) or 'peers'}) ...", flush=True)
        action()
        stamp.write_text(key)
        print(f"setup: {stage} done in {time.monotonic() - started:.0f} s", flush=True)
        done += 1
    if done or not ENV_FILE.is_file():
        write_env_file(base, ros)
    print(f"setup: {'ready' if done else 'nothing to do'}; activate with: . ./env.sh")


def install_wheels(locks: list[str], ros: str) -> None:
    """Create the virtual environment and install the locked wheels into it."""
    for stale in ("build", "install"):  # built against the environment that is replaced
        shutil.rmtree(WORKSPACE / stale, ignore_errors=True)
    options = ["--clear"] + (["--system-site-packages"] if ros == "installed" else [])
    run("venv", [sys.executable, "-m", "venv", *options, str(VENV)], clean_environment())
    pip("wheels", "--no-deps", "--require-hashes", *(word for name in locks for word in ("-r", name)))
    if ros == "wheels":
        print_paths = (
            "import numpy, sysconfig; print(sysconfig.get_path('include')); print(numpy.get_include())"
        )
        answer = subprocess.run([PYTHON, "-c", print_paths], capture_output=True, text=True, check=True)
        python_include, numpy_include = answer.stdout.split("\n")[:2]
        ros_wheels.repair(VENV, python_include, numpy_include)


def install_library() -> None:
    """Install reflexarc and reflexarc_sim so that edits to the sources take effect at once."""
    pip("library", "--no-deps", "--no-build-isolation", "--editable", ".")


def forget_kernels() -> None:
    """Delete the compiled kernels: numba's cache sees a change of a kernel's own file, none of what it calls."""
    for kind in ("*.nbi", "*.nbc"):
        for path in LIBRARY.rglob(kind):
            path.unlink()


def install_peers() -> None:
    """Install the packages that the benchmarks compare with."""
    pip("bench", "--no-deps", "--require-hashes", "-r", "requirements-bench.lock")


def build_workspace(base: dict[str, str], ros: str) -> None:
    """Build the colcon packages into one prefix."""
    if (
        ros == "installed"
        and subprocess.run([PYTHON, "-c", "import colcon_core"], env=base, check=False).returncode
    ):
        raise SetupError(
            "the ROS 2 installation has no colcon; apt-get install python3-colcon-common-extensions"
        )
    command = [str(PYTHON), "-c", COLCON, "--log-base", str(WORKSPACE / "log"), "build"]
    command += ["--base-paths", *(folder for folder in PACKAGE_FOLDERS if (ROOT / folder).is_dir())]
    command += ["--build-base", str(WORKSPACE / "build"), "--install-base", str(INSTALL), "--merge-install"]
    command += ["--symlink-install", "--executor", "parallel" if (os.cpu_count() or 1) > 1 else "sequential"]
    command += [
        "--cmake-args",
        "-DBUILD_TESTING=OFF",
        "-DCMAKE_BUILD_TYPE=Release",
        f"-DPython3_EXECUTABLE={PYTHON}",
    ]
    run("colcon", command, base)


def base_environment(ros: str) -> dict[str, str]:
    """Return the environment below the workspace: virtual environment with wheels, or installation."""
    environment = clean_environment()
    environment["VIRTUAL_ENV"] = str(VENV)
    environment["PATH"] = f"{VENV / 'bin'}:{environment['PATH']}"
    if ros == "wheels":
        environment.pop("PYTHONPATH", None)
        environment["AMENT_PREFIX_PATH"] = environment["CMAKE_PREFIX_PATH"] = str(VENV)
        environment["LD_LIBRARY_PATH"] = ":".join(ros_wheels.library_folders(VENV))
        # the wheels' start-up hook would start every interpreter twice only to set LD_LIBRARY_PATH
        environment["_ROS_WHEELS_BOOTSTRAP_COMPLETE"] = "1"
    return environment


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what belongs to another virtual environment."""
    return {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONHOME")}


def write_env_file(base: dict[str, str], ros: str) -> None:
    """Write env.sh: what colcon's own set-up script would do, worked out once."""
    if ros == "wheels":  # the folders of the wheels' libraries exist only now
        base = base_environment(ros)
    script = f". {shlex.quote(str(INSTALL / 'local_setup.sh'))} && env -0"
    answer = subprocess.run(["sh", "-c", script], env=base, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise SetupError(f"{INSTALL / 'local_setup.sh'} does not run: {answer.stderr.strip()}")
    full = dict(line.split("=", 1) for line in answer.stdout.split("\0") if "=" in line)
    inherited = set(os.environ.get("PATH", "").split(":"))
    added = {
        name: [p for p in full.get(name, "").split(":") if p and not (name == "PATH" and p in inherited)]
        for name in PATH_VARIABLES
    }
    plain = {"REFLEXARC_ROOT": str(ROOT), "REFLEXARC_ROS": ros, "VIRTUAL_ENV": str(VENV)}
    if ros == "wheels":
        plain["_ROS_WHEELS_BOOTSTRAP_COMPLETE"] = "1"
    elif "ROS_DISTRO" in full:
        plain["ROS_DISTRO"] = full["ROS_DISTRO"]
    temporary = ENV_FILE.with_suffix(".tmp")
    temporary.write_text(env_script(added, plain), encoding="utf-8")
    temporary.replace(ENV_FILE)


def env_script(paths: dict[str, list[str]], plain: dict[str, str]) -> str:
    """Return a POSIX shell script that puts `paths` in front of their variables and sets `plain`."""
    lines = [
        "# SPDX-License-Identifier: Apache-2.0",
        "# Written by `make setup`; source it: . ./env.sh",
        "_reflexarc_front() {",
        '  eval "_reflexarc_old=\\${$1:-}"',
        '  case ":$_reflexarc_old:" in *":$2:"*) return ;; esac',
        '  eval "export $1=\\"\\$2\\${_reflexarc_old:+:\\$_reflexarc_old}\\""',
        "}",
    ]
    for name, entries in paths.items():
        lines += [f"_reflexarc_front {name} {shlex.quote(entry)}" for entry in reversed(entries)]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in plain.items()]
    lines += ["unset -f _reflexarc_front", "unset _reflexarc_old", ""]
    return "\n".join(lines)


def pip(stage: str, *arguments: str) -> None:
    """Run pip in the virtual environment."""
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *arguments]
    run(stage, command, clean_environment())


def run(stage: str, command: list[str], environment: dict[str, str]) -> None:
    """Run `command` in the repository root with its output in a log; on failure show the end of it.

    Raises:
        SetupError: it failed or could not be started.
    """
    result = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{stage}.log"
    log.write_text(shlex.join(command) + "\n" + result.stdout, encoding="utf-8")
    if result.returncode:
        tail = "\n".join(result.stdout.splitlines()[-40:])
        raise SetupError(f"{stage} ended with {result.returncode}:\n{tail}\n(everything: {log})")


def workspace_digest(base: str) -> str:
    """Return the hash of all sources of the colcon packages."""
    files = [path for folder in PACKAGE_FOLDERS for path in source_files(ROOT / folder)]
    return digest([*files, ROOT / "colcon.meta", Path(__file__)], base)


def source_files(folder: Path) -> Iterator[Path]:
    """Yield the files under `folder` that are not made by running or building."""
    for path in sorted(folder.rglob("*")):
        if (
            path.is_file()
            and path.suffix not in (".pyc", ".pyo")
            and not any(p.endswith(".egg-info") for p in path.parts)
        ):
            yield path


def digest(files: Iterable[Path], *extra: str) -> str:
    """Return the SHA-256 of names and contents of `files` (absent ones count as absent) and of `extra`."""
    sha = hashlib.sha256()
    for path in files:
        sha.update(str(path).encode() + b"\0" + (path.read_bytes() if path.is_file() else b"absent") + b"\0")
    for text in extra:
        sha.update(text.encode() + b"\0")
    return sha.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
