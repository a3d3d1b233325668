# SPDX-License-Identifier: Apache-2.0
"""The scripts behind `make setup`: repair of the ROS 2 wheels, stamps, env.sh, choice of the interpreter."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


ros_wheels = load("ros_wheels")
setup_environment = load("setup_environment")
lock = load("lock")

EXPORT = """set_target_properties(std_msgs::std_msgs__rosidl_generator_py PROPERTIES
  INTERFACE_INCLUDE_DIRECTORIES "{includes}"
)
"""


def test_foreign_include_directories_are_replaced_and_others_kept():
    text = EXPORT.format(
        includes="/a/include/python3.12;/a/site-packages/numpy/_core/include;${_IMPORT_PREFIX}/include"
    )
    repaired = ros_wheels.rewrite(text, "/here/include/python3.11", "/here/numpy/_core/include")
    wanted = "/here/include/python3.11;/here/numpy/_core/include;${_IMPORT_PREFIX}/include"
    assert repaired == EXPORT.format(includes=wanted)


def test_old_numpy_layout_is_replaced_and_a_second_pass_changes_nothing():
    text = EXPORT.format(includes="/a/include/python3.11;/a/numpy/core/include")
    once = ros_wheels.rewrite(text, "/b/include/python3.11", "/b/numpy/_core/include")
    assert "/a/" not in once
    assert ros_wheels.rewrite(once, "/b/include/python3.11", "/b/numpy/_core/include") == once


def make_prefix(folder: Path) -> tuple[Path, str, str]:
    export = folder / "share/std_msgs/cmake/export_std_msgs__rosidl_generator_pyExport.cmake"
    python, numpy = folder / "include/python3.11", folder / "numpy/_core/include"
    for path in (export, python / "Python.h", numpy / "numpy/arrayobject.h"):
        path.parent.mkdir(parents=True)
        path.touch()
    export.write_text(EXPORT.format(includes="/a/include/python3.11;/a/numpy/_core/include"))
    return export, str(python), str(numpy)


def test_repair_rewrites_the_files_of_a_prefix(tmp_path):
    export, python, numpy = make_prefix(tmp_path)
    assert ros_wheels.repair(tmp_path, python, numpy) == 1
    assert f'"{python};{numpy}"' in export.read_text()


def test_repair_refuses_headers_that_do_not_exist(tmp_path):
    _, python, numpy = make_prefix(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"Python\.h"):
        ros_wheels.repair(tmp_path, "/no/include/python3.11", numpy)
    with pytest.raises(FileNotFoundError, match=r"arrayobject\.h"):
        ros_wheels.repair(tmp_path, python, "/no/numpy/_core/include")


def test_repair_refuses_a_prefix_without_wheels(tmp_path):
    _, python, numpy = make_prefix(tmp_path / "full")
    with pytest.raises(FileNotFoundError, match="not installed"):
        ros_wheels.repair(tmp_path / "empty", python, numpy)


def test_stamps_see_changed_new_and_renamed_files(tmp_path):
    def digest() -> str:
        return setup_environment.digest(setup_environment.source_files(tmp_path))

    seen = {digest()}
    (tmp_path / "a.msg").write_text("uint8 x\n")
    seen.add(digest())
    (tmp_path / "a.msg").write_text("uint8 y\n")
    seen.add(digest())
    (tmp_path / "a.msg").rename(tmp_path / "b.msg")
    last = digest()
    assert len(seen | {last}) == 4
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/x.cpython-311.pyc").touch()
    assert digest() == last


def source_twice(script: Path, environment: dict[str, str]) -> dict[str, str]:
    command = f". {script}; . {script}; env -0"
    answer = subprocess.run(
        ["sh", "-euc", command], env=environment, capture_output=True, text=True, check=True
    )
    return dict(line.split("=", 1) for line in answer.stdout.split("\0") if line)


def test_kernels_are_compiled_again_after_a_change_of_the_library(tmp_path, monkeypatch):
    monkeypatch.setattr(setup_environment, "LIBRARY", tmp_path)
    cache = tmp_path / "arc" / "__pycache__"
    cache.mkdir(parents=True)
    for name in ("k.py311.nbi", "k.py311.1.nbc", "k.cpython-311.pyc"):
        (cache / name).touch()
    setup_environment.forget_kernels()
    assert [path.name for path in cache.iterdir()] == ["k.cpython-311.pyc"]


def test_env_script_puts_paths_in_front_in_order_and_only_once(tmp_path):
    script = tmp_path / "env.sh"
    paths = {"PATH": ["/first dir", "/second"], "NEW_PATH": ["/only"]}
    script.write_text(setup_environment.env_script(paths, {"PLAIN": "a 'b' $c"}))
    result = source_twice(script, {"PATH": "/usr/bin:/bin"})
    assert result["PATH"] == "/first dir:/second:/usr/bin:/bin"
    assert result["NEW_PATH"] == "/only"
    assert result["PLAIN"] == "a 'b' $c"


def test_a_failing_stage_shows_the_end_of_its_output(tmp_path, monkeypatch):
    monkeypatch.setattr(setup_environment, "LOGS", tmp_path / "log")
    command = [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"]
    with pytest.raises(setup_environment.SetupError, match=r"(?s)wheels ended with 3.*the reason"):
        setup_environment.run("wheels", command, dict(os.environ))
    assert "the reason" in (tmp_path / "log/wheels.log").read_text()


def shell_setup(environment: dict[str, str]) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["sh", str(TOOLS / "setup.sh")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_setup_without_a_usable_python_says_what_is_allowed(tmp_path):
    old = tmp_path / "python3.8"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    result = shell_setup({"PATH": os.environ["PATH"], "REFLEXARC_PYTHON": str(old)})
    assert result.returncode == 1
    assert "3.11, 3.12 or 3.13" in result.stderr
    assert "system_packages.sh" in result.stderr


def test_setup_without_a_compiler_names_it(tmp_path):
    for tool in ("sh", "awk", "dirname", "gcc", "cmake", "make"):
        (tmp_path / tool).symlink_to(
            next(p for d in os.environ["PATH"].split(":") if (p := Path(d) / tool).exists())
        )
    result = shell_setup({"PATH": str(tmp_path)})
    assert result.returncode == 1
    assert "g++ is missing" in result.stderr


def test_what_env_sh_added_is_taken_out_again(tmp_path):
    ours, report = TOOLS.parent / ".venv/bin", tmp_path / "report"
    fake = tmp_path / "python3"
    fake.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$PATH" "$PYTHONPATH" "${{VIRTUAL_ENV-unset}}" > {report}\nexit 1\n'
    )
    fake.chmod(0o755)
    environment = {
        "PATH": f"{ours}:{os.environ['PATH']}",
        "PYTHONPATH": f"{TOOLS.parent}/ros2_ws/install/x:/opt/ros/x",
        "REFLEXARC_ROOT": str(TOOLS.parent),
        "REFLEXARC_PYTHON": str(fake),
        "VIRTUAL_ENV": str(TOOLS.parent / ".venv"),
    }
    assert shell_setup(environment).returncode == 1
    path, python_path, venv = report.read_text().splitlines()
    assert str(ours) not in path.split(":")
    assert path
    assert python_path == "/opt/ros/x"
    assert venv == "unset"


def test_lock_files_have_a_hash_for_every_wheel_and_name_no_index():
    for name in lock.LOCKS:
        text = (TOOLS.parent / name).read_text()
        blocks = [b for b in text.replace("\\\n", " ").splitlines() if b and not b.startswith("#")]
        assert len(blocks) > 5
        assert all("==" in b and "--hash=sha256:" in b for b in blocks)
        assert "://" not in text


def test_no_distribution_is_locked_twice():
    names = [
        line.split("==")[0]
        for name in lock.LOCKS
        for line in (TOOLS.parent / name).read_text().splitlines()
        if "==" in line and not line.startswith((" ", "#"))
    ]
    assert sorted(names) == sorted(set(names))
