# SPDX-License-Identifier: Apache-2.0
"""The messages say what they mean, and mirror the core types."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from reflexarc.core.plant import CargoEvent, ContactClass, ContactEvent, RolloverEvent
from reflexarc.core.types import (
    ContactVerdict,
    ImpedanceProposal,
    Intervention,
    Mode,
    Obstacles,
    Status,
    Verdict,
    Walls,
)
from reflexarc.mission import Outcome

FOLDER = Path(__file__).resolve().parents[2] / "ros2_ws/src/reflexarc_msgs/msg"
FILES = sorted(FOLDER.glob("*.msg"))
ACTIONS = sorted((FOLDER.parent / "action").glob("*.action"))
_FIELD = re.compile(r"^([a-zA-Z0-9_/]+(?:\[\d*\])?)\s+([a-z][a-z0-9_]*)$")
_CONSTANT = re.compile(r"^([a-z0-9]+)\s+([A-Z][A-Z0-9_]*)\s*=\s*(.+)$")
_UNITS = re.compile(r"\[(m|m/s|m/s\^2|rad|rad/s|s|N|N s|N m|N/m|N s/m|J|Hz|d|usd|usd/run)\]")
# no unit: counts, enumerations, probabilities, nested messages that explain themselves
_WITHOUT_UNIT = {
    "seq",
    "status",
    "mode",
    "risk",
    "p",
    "ci_low",
    "ci_high",
    "upper",
    "limit",
    "n",
    "speed_scale",
    "state",
    "number",
    "count",
    "successes",
    "outcome",
    "lost",
    "total",
    "episodes",
    "skipped",
    "success",
    "probability_margin_positive",
    "bep_runs",
}


def parse(path: Path) -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
    """Return fields (name: type, comment above it) and constants (name: value) of a message or an action."""
    members, constants, comment = {}, {}, []
    for line in path.read_text(encoding="utf-8").replace("\n---\n", "\n\n").splitlines():
        if line.startswith("#"):
            comment.append(line.lstrip("# "))
        elif match := _FIELD.match(line):
            members[match[2]] = (match[1], " ".join(comment))
            comment = []
        elif match := _CONSTANT.match(line):
            constants[match[2]] = match[3].strip('"')
            comment = []
        else:
            assert not line.strip(), f"{path.name}: {line!r} is neither comment, field nor constant"
            comment = []
    return members, constants


def test_there_are_messages():
    assert len(FILES) >= 9
    listed = re.findall(r'"msg/(\w+\.msg)"', (FOLDER.parent / "CMakeLists.txt").read_text())
    assert listed == sorted(p.name for p in FILES)
    listed = re.findall(r'"action/(\w+\.action)"', (FOLDER.parent / "CMakeLists.txt").read_text())
    assert listed == sorted(p.name for p in ACTIONS)


@pytest.mark.parametrize("path", [*FILES, *ACTIONS], ids=lambda p: p.stem)
def test_every_field_has_a_comment_with_unit_and_meaning_of_zero(path):
    members, _ = parse(path)
    assert members
    for name, (kind, comment) in members.items():
        assert comment, f"{path.name}: {name} has no comment directly above it"
        if kind == "std_msgs/Header":
            assert "stamp" in comment and "frame_id" in comment, f"{path.name}: {name}: stamp and frame"
        elif kind == "string":
            assert re.search(r"[Ee]mpty", comment), f"{path.name}: {name}: meaning of empty"
        elif kind.endswith("[]"):
            assert re.search(r"[Ee]mpty", comment), f"{path.name}: {name}: meaning of empty"
        else:
            assert re.search(r"[Zz]ero|\(0, 0\)|\b0\b", comment), f"{path.name}: {name}: meaning of zero"
        numeric = kind.startswith(("float", "geometry_msgs/"))
        if numeric and name not in _WITHOUT_UNIT:
            assert _UNITS.search(comment), f"{path.name}: {name}: unit in brackets, got {comment!r}"


@pytest.mark.parametrize(
    ("message", "core", "renamed"),
    [
        ("Verdict", Verdict, {"contact": "command", "walker": "command"}),  # of a base, which has neither
        ("ArmVerdict", Verdict, {"walker": "reflex"}),  # a quadruped's says there who acts
        ("ArmVerdict", ContactVerdict, {}),
        ("ImpedanceProposal", ImpedanceProposal, {"stamp": "header", "frame_id": "header"}),
        ("Intervention", Intervention, {}),
        ("ContactEvent", ContactEvent, {}),
        ("CargoEvent", CargoEvent, {"stamp": "header"}),
        ("RolloverEvent", RolloverEvent, {"stamp": "header"}),
        (
            "TrackedObstacles",
            Obstacles,
            {n.name: "obstacles" for n in fields(Obstacles)} | {"stamp": "header"},
        ),
        ("TrackedObstacle", Obstacles, {"stamp": "id", "frame_id": "id", "ids": "id"}),
        ("Walls", Walls, {"stamp": "header", "frame_id": "header"}),
    ],
)
def test_every_field_of_the_core_type_is_in_its_message(message, core, renamed):
    members, _ = parse(FOLDER / f"{message}.msg")
    missing = [f.name for f in fields(core) if renamed.get(f.name, f.name) not in members]
    assert not missing


def test_constants_are_those_of_the_core_enumerations():
    _, verdict = parse(FOLDER / "Verdict.msg")
    assert {k: int(v) for k, v in verdict.items()} == {s.name: i for i, s in enumerate(Status)}
    _, mode = parse(FOLDER / "Mode.msg")
    assert {k: int(v) for k, v in mode.items()} == {m.name: int(m) for m in Mode}
    _, contact = parse(FOLDER / "ContactEvent.msg")
    assert contact == {c.name: c.value for c in ContactClass}
    _, mission = parse(FOLDER / "MissionStatus.msg")
    outcomes = {k for k in mission if k not in ("IDLE", "UNDER_WAY", "ENDED", "ALL_DONE", "NONE")}
    assert outcomes == {o.name for o in Outcome}
