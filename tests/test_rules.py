# SPDX-License-Identifier: Apache-2.0
"""Rules of the repository that no single file can keep by itself."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from reflexarc.core.interfaces import INTERFACES

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = {"reflexarc": ROOT / "src/reflexarc", "reflexarc_sim": ROOT / "sim/reflexarc_sim"}
ROS = re.compile(
    r"(rclpy|rcl_\w+|rosidl\w*|ros2\w+|rpyutils|ament_\w+|launch(_\w+)?|tf2_\w+|\w+_msgs|builtin_interfaces"
    r"|\w+_interfaces|rosbag2_\w+|diagnostic_updater|reflexarc_nodes|reflexarc_bringup)"
)
"""Top-level modules of a ROS installation and of our packages that run on it."""


def tracked(*suffixes: str) -> list[Path]:
    """Return the files of the repository, new ones included, ignored ones not."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: which files belong to it is unknown")
    files = (ROOT / line for line in listing.splitlines())
    return [p for p in files if p.is_file() and (not suffixes or p.suffix in suffixes or p.name in suffixes)]


def imported_modules(source: str) -> set[str]:
    """Return the top-level modules that Python `source` imports anywhere, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name | ast.Attribute)
            and (node.func.id if isinstance(node.func, ast.Name) else node.func.attr)
            in ("import_module", "__import__")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            found.add(str(node.args[0].value).split(".")[0])
    return found


def library_files() -> Iterator[Path]:
    for folder in LIBRARY.values():
        yield from sorted(folder.rglob("*.py"))


@pytest.mark.parametrize(
    ("source", "forbidden"),
    [
        ("import rclpy.node", True),
        ("def f():\n    from std_msgs.msg import String", True),
        ("import importlib\nimportlib.import_module('launch_ros.actions')", True),
        ("from builtin_interfaces.msg import Time", True),
        ("import reflexarc.launcher, numpy, mcap_ros2.decoder", False),
        ("from . import launch", False),
    ],
)
def test_the_import_rule_knows_ros(source, forbidden):
    assert any(ROS.fullmatch(name) for name in imported_modules(source)) == forbidden


def test_the_library_and_the_simulation_import_no_ros():
    files = list(library_files())
    assert len(files) > 50
    offenders = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in files
        for name in imported_modules(path.read_text(encoding="utf-8"))
        if ROS.fullmatch(name)
    ]
    assert not offenders


IMPORT_EVERYTHING = """
import importlib, pkgutil, re, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if re.fullmatch(sys.argv[1], name.split(".")[0]):
            raise ModuleNotFoundError(f"{name} is refused by the test")

sys.meta_path.insert(0, Refuse())
count = 0
for package in ("reflexarc", "reflexarc_sim"):
    root = importlib.import_module(package)
    for module in pkgutil.walk_packages(root.__path__, package + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
            count += 1
print(count)
"""


@pytest.mark.integration
def test_every_module_of_the_library_imports_without_ros():
    command = [sys.executable, "-c", IMPORT_EVERYTHING, ROS.pattern]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 50


def test_no_file_names_a_folder_of_somebodys_machine():
    everywhere = re.compile(r"(?<![\w.$}~-])/(?:home|Users|root|mnt|media)/[\w.]+")
    here = [str(ROOT) + "/"]
    offenders = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if everywhere.search(line) or any(folder in line for folder in here):
                offenders.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not offenders


def test_every_source_file_names_its_licence():
    kinds = (
        ".py",
        ".msg",
        ".action",
        ".sh",
        ".toml",
        ".yaml",
        ".yml",
        ".xml",
        ".js",
        ".css",
        "CMakeLists.txt",
        "Makefile",
        "run",
    )
    missing = [
        str(path.relative_to(ROOT))
        for path in tracked(*kinds)
        if path.stat().st_size
        and "SPDX-License-Identifier: Apache-2.0"
        not in "".join(path.read_text(encoding="utf-8").splitlines()[:4])
    ]
    assert not missing


MANIFESTS = sorted([*ROOT.glob("ros2_ws/src/*/package.xml"), ROOT / "launch/package.xml"])


def dependencies(manifest: Path, *tags: str) -> list[str]:
    root = ElementTree.parse(manifest).getroot()
    return [e.text.strip() for e in root if e.tag in tags and e.text]


def test_all_versions_are_the_same():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert len(MANIFESTS) == 3
    for manifest in MANIFESTS:
        assert dependencies(manifest, "version") == [version], manifest
        script = manifest.parent / "setup.py"
        if script.is_file():
            assert re.findall(r'version="([^"]+)"', script.read_text()) == [version], script
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(r"(?m)^## \[(\d+\.\d+\.\d+)\]", changelog)[1] == version


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda p: p.parent.name)
def test_dependencies_are_listed_once_and_in_order(manifest):
    for tag in ("buildtool_depend", "depend", "exec_depend", "test_depend"):
        listed = dependencies(manifest, tag)
        assert listed == sorted(set(listed)), tag


FROM_PIP = {"reflexarc", "reflexarc_sim", "mcap", "mcap_ros2"}
"""Not known to rosdep; requirements.lock installs them."""
ROSDEP_KEYS = {"numpy": "python3-numpy", "yaml": "python3-yaml"}


@pytest.mark.parametrize(
    "manifest", [p for p in MANIFESTS if (p.parent / "setup.py").is_file()], ids=lambda p: p.parent.name
)
def test_a_python_package_declares_exactly_what_it_imports(manifest):
    package = manifest.parent.name
    imported = set()
    for path in (manifest.parent / package).rglob("*.py"):
        imported |= imported_modules(path.read_text(encoding="utf-8"))
    # message packages that the nodes load by the names in the table of topics
    optional = {topic.package for topic in INTERFACES if topic.optional}
    imported |= {topic.package for topic in INTERFACES}
    needed = imported - optional - set(sys.stdlib_module_names) - FROM_PIP - {package}
    declared = set(dependencies(manifest, "depend", "exec_depend"))
    assert declared == {ROSDEP_KEYS.get(name, name) for name in needed}


def test_the_message_package_declares_exactly_what_it_uses():
    folder = ROOT / "ros2_ws/src/reflexarc_msgs"
    used = set()
    for path in [*folder.glob("msg/*.msg"), *folder.glob("action/*.action")]:
        used |= set(re.findall(r"(?m)^(\w+)/\w+", path.read_text(encoding="utf-8")))
        used |= {"action_msgs"} if path.suffix == ".action" else set()
    cmake = (folder / "CMakeLists.txt").read_text()
    assert used
    assert set(dependencies(folder / "package.xml", "depend")) == used
    assert set(re.search(r"DEPENDENCIES ([\w\s]+)\)", cmake)[1].split()) == used
    tools = set(dependencies(folder / "package.xml", "buildtool_depend"))
    assert set(re.findall(r"find_package\((\w+)", cmake)) == used | tools


def test_the_launch_package_declares_every_package_that_it_starts_or_reads():
    text = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "launch").rglob("*.launch.*"))
    named = set(re.findall(r'pkg="(\w+)"', text)) | set(re.findall(r"find-pkg-share (\w+)\)", text))
    declared = set(dependencies(ROOT / "launch/package.xml", "exec_depend", "depend"))
    assert named
    assert named - {"reflexarc_bringup"} <= declared
