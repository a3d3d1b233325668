# SPDX-License-Identifier: Apache-2.0
"""A fresh clone sets itself up with one command, and a second time in no time.

The whole set-up takes minutes and is what continuous integration does on its clean checkout before any test runs, so
here it runs only on request: `REFLEXARC_FRESH_CLONE=1 pytest tests/setup/test_fresh_clone.py`. What can be known
quickly, that the committed files alone are a complete repository, is tested always.
"""

import os
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
QUICK = 5.0
"""Longest second run of `make setup`. [s]"""


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing to clone")
    folder = tmp_path_factory.mktemp("fresh") / "clone"
    git("clone", "--quiet", str(ROOT), str(folder))
    return folder


def shell(command: str, folder: Path, timeout: float) -> subprocess.CompletedProcess:
    """Run `command` as in a new terminal: without this process's virtual environment or workspace."""
    environment = {k: v for k, v in os.environ.items() if k in ("HOME", "LANG", "USER", "PIP_CERT")}
    path = [p for p in os.environ["PATH"].split(":") if not p.startswith(os.environ.get("VIRTUAL_ENV", "\0"))]
    environment["PATH"] = ":".join(path)
    return subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def test_make_without_a_target_lists_the_targets(clone):
    result = shell("make", clone, 30.0)
    assert result.returncode == 0, result.stderr
    for target in ("setup", "demo", "test", "lint", "bench", "clean"):
        assert f"make {target} " in result.stdout


def test_the_clone_holds_every_package_and_nothing_generated(clone):
    for name in ("reflexarc_msgs", "reflexarc_nodes", "reflexarc_bringup"):
        manifests = [p for p in clone.rglob("package.xml") if f"<name>{name}</name>" in p.read_text()]
        assert len(manifests) == 1, name
    tracked = git("ls-files").splitlines()
    generated = [
        p for p in tracked if "__pycache__" in p or p.endswith((".pyc", ".nbi", ".nbc", ".egg-info"))
    ]
    assert not generated


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(
    os.environ.get("REFLEXARC_FRESH_CLONE") != "1",
    reason="takes minutes and is what continuous integration starts with; REFLEXARC_FRESH_CLONE=1 runs it",
)
def test_a_fresh_clone_sets_itself_up_and_the_second_time_is_quick(clone):
    first = shell("make setup", clone, 1500.0)
    assert first.returncode == 0, first.stdout + first.stderr
    assert git("-C", str(clone), "status", "--porcelain") == "", (
        "set-up leaves untracked files that are not ignored"
    )

    started = time.monotonic()
    second = shell("make setup", clone, 60.0)
    assert second.returncode == 0
    assert "nothing to do" in second.stdout
    assert time.monotonic() - started < QUICK

    script = "import rclpy, reflexarc, reflexarc_nodes, reflexarc_sim; from reflexarc_msgs.msg import Verdict"
    imports = shell(f'. ./env.sh && python -c "{script}" && reflexarc doctor', clone, 120.0)
    assert imports.returncode == 0, imports.stdout + imports.stderr

    (clone / "ros2_ws/src/reflexarc_msgs/msg/RolloverEvent.msg").open("a").write("\n# One more comment.\n")
    third = shell("make setup && . ./env.sh && reflexarc doctor", clone, 600.0)
    assert third.returncode == 0, third.stdout + third.stderr
    assert "workspace" in third.stdout
    assert "wheels (" not in third.stdout
