# SPDX-License-Identifier: Apache-2.0
"""The tool that breaks the safety layer on purpose: which mutants it makes, and that it tells the two ends apart."""

import ast
import importlib
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
try:
    mutants = importlib.import_module("mutants")
    mutate = importlib.import_module("mutate")
    targets = importlib.import_module("mutation_targets")
    judging = importlib.import_module("mutation_tests")
    report = importlib.import_module("mutation_report")
finally:
    sys.path.remove(str(ROOT / "tools"))

SOURCE = '''"""A text with 3 numbers."""

LEASE = 0.2


def late(now: float, sent: float, config) -> bool:
    """Docstring."""
    if now < sent and sent > -5:
        raise ValueError(f"{now - sent} is negative")
    return now - sent > config.lease_s
'''
TEST = """
from reflexarc.toy import late


class Config:
    lease_s = 0.2


def test_late():
    assert late(1.0, 0.5, Config)
    assert not late(1.0, 0.9, Config)
    assert not late(1.0, 1.0, Config)
"""


def changes(kind, source=SOURCE):
    return [(m.line, m.before, m.after) for m in mutants.mutants(source) if m.kind == kind]


def test_signs_are_flipped_but_not_in_messages():
    assert changes("sign") == [(8, "-5", "5"), (10, "now - sent", "now + sent")]


def test_comparisons_are_turned_round():
    assert (8, "now < sent", "now > sent") in changes("comparison")
    assert (10, "now - sent > config.lease_s", "now - sent < config.lease_s") in changes("comparison")


def test_numbers_are_halved_and_doubled_and_whole_ones_stay_whole():
    assert changes("constant") == [(3, "0.2", "0.1"), (3, "0.2", "0.4"), (8, "5", "10")]


def test_guards_and_clauses_are_dropped():
    assert changes("guard") == [(8, "now < sent and sent > -5", "False")]
    assert [after for _, _, after in changes("clause")] == ["now < sent", "sent > -5"]
    elif_too = "if a:\n    x = 1\nelif b:\n    x = 2\nelse:\n    x = 3\n"
    assert [line for line, _, _ in changes("guard", elif_too)] == [1, 3]


def test_seconds_become_milliseconds_and_speeds_kilometres_per_hour():
    assert changes("unit") == [(10, "config.lease_s", "config.lease_s * 1000.0")]
    assert changes("unit", "x = top_m_s\n") == [(1, "top_m_s", "top_m_s * 3.6")]


def test_every_mutant_is_one_change_and_compiles():
    original = ast.dump(ast.parse(SOURCE))
    found = mutants.mutants(SOURCE)
    sources = [mutants.mutated(SOURCE, mutant) for mutant in found]
    assert len(set(sources)) == len(found)
    before = ast.unparse(ast.parse(SOURCE)).splitlines()
    for mutant, source in zip(found, sources, strict=True):
        assert ast.dump(ast.parse(source)) != original
        ((old, new),) = [pair for pair in zip(before, source.splitlines(), strict=True) if pair[0] != pair[1]]
        assert mutant.before in old
        assert mutant.after in new


def test_a_sample_is_the_same_for_a_seed_and_in_order():
    found = mutants.mutants(SOURCE)
    some = mutants.sample(found, 4, 1)
    assert some == mutants.sample(found, 4, 1)
    assert [found.index(m) for m in some] == sorted(found.index(m) for m in some)
    assert mutants.sample(found, 4, 1) != mutants.sample(found, 4, 2)
    assert mutants.sample(found, 99, 1) == found


@pytest.mark.parametrize("name", sorted(mutate.TARGETS))
def test_every_target_has_its_module_its_tests_and_mutants(name):
    target = mutate.TARGETS[name]
    assert all((ROOT / "tests" / test).exists() for test in target.tests)
    assert mutants.mutants((ROOT / mutate.PACKAGE / target.module).read_text(encoding="utf-8"))


def test_a_line_belongs_to_its_innermost_statement_and_a_block_only_to_its_head():
    assert mutants.statement(SOURCE, 9) == range(9, 10)
    assert mutants.statement(SOURCE, 8) == range(8, 9)
    spread = "def f(a,\n      b=2):\n    if (a\n            and b):\n        return g(\n            a)\n    return 0\n"
    assert mutants.statement(spread, 2) == range(1, 3)
    assert mutants.statement(spread, 4) == range(3, 5)
    assert mutants.statement(spread, 6) == range(5, 7)


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A package of one module, and a weak test of it."""
    package = tmp_path / "src" / "reflexarc"
    package.mkdir(parents=True)
    (tmp_path / "sim").mkdir()
    (tmp_path / "tests").mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "toy.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "tests" / "test_toy.py").write_text(TEST, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  ros\n  slow\n", encoding="utf-8")
    monkeypatch.setitem(mutate.TARGETS, "toy", targets.Target("toy.py", ("test_toy.py",)))
    return tmp_path


def test_what_the_tests_do_not_look_at_survives_and_the_rest_is_killed(toy, monkeypatch):
    outcomes = mutate.run_target("toy", toy, None, 0, lambda _: None, 30.0)
    survived = {(o.line, o.kind, o.after) for o in outcomes if o.result == judging.SURVIVED}
    assert (8, "guard", "False") in survived, "no test has a clock that goes back"
    assert (3, "constant", "0.4") in survived
    killed = {(o.line, o.kind) for o in outcomes if o.result == judging.KILLED}
    assert {(10, "comparison"), (10, "sign"), (10, "unit")} <= killed
    assert (toy / "src" / "reflexarc" / "toy.py").read_text(encoding="utf-8") == SOURCE
    judged = []
    monkeypatch.setattr(judging.Tests, "judge", lambda *_: judged.append(1) or judging.KILLED)
    again = mutate.run_target("toy", toy, None, 0, lambda _: None, 30.0, outcomes)
    assert len(judged) == sum(o.result == judging.SURVIVED for o in outcomes), (
        "only what survived is judged again"
    )
    assert all(o.result != judging.SURVIVED for o in again)
    assert [o.index for o in again] == [o.index for o in outcomes]


@pytest.mark.parametrize(
    ("test", "complaint"),
    [
        ("def test_never():\n    assert False\n", "fail without a mutation"),
        ("def test_always():\n    pass\n", "do not look at the copy"),
    ],
)
def test_tests_that_cannot_judge_are_refused(toy, test, complaint):
    (toy / "tests" / "test_toy.py").write_text(test, encoding="utf-8")
    with pytest.raises(RuntimeError, match=f"toy: .*{complaint}"):
        mutate.run_target("toy", toy, None, 0, lambda _: None, 30.0)


def test_a_test_that_reaches_the_line_runs_first_and_one_that_never_ends_runs_out_of_time(toy):
    waits = "import time\nfrom reflexarc import toy\n\ndef test_a():\n    time.sleep(60 if toy.LEASE > 1 else 0)\n"
    (toy / "tests" / "test_toy.py").write_text(f"{waits}\n{TEST}", encoding="utf-8")
    module = toy / "src" / "reflexarc" / "toy.py"
    endless = SOURCE.replace("LEASE = 0.2", "LEASE = 2")
    with judging.Tests(toy, module, ["test_toy.py"], 120.0) as tests:
        assert tests.judge(endless, range(3, 4), 1.0) == judging.LATE
        wrong = endless.replace("now - sent >", "now - sent <")
        assert tests.judge(wrong, range(10, 11)) == judging.KILLED
        assert tests.judge(SOURCE, range(10, 11)) == judging.SURVIVED


REASON = {"file": "toy.py", "code": "LEASE = 0.2", "change": "0.2 -> 0.4", "why": "no test needs less"}


def outcome(line, code, before, after, result):
    return {
        "file": "src/reflexarc/toy.py",
        "line": line,
        "code": code,
        "before": before,
        "after": after,
        "result": result,
    }


def test_the_page_of_survivors_tells_why_each_stays_and_what_is_missing(tmp_path):
    path = tmp_path / "reasons.yaml"
    path.write_text(
        yaml.safe_dump([REASON, REASON | {"change": ["a -> b"], "why": "gone"}]), encoding="utf-8"
    )
    outcomes = [
        outcome(3, "LEASE = 0.2", "0.2", "0.4", "survived"),
        outcome(8, "if now < sent:", "now < sent", "False", "survived"),
        outcome(9, "raise ValueError", "a", "b", "time limit"),
        outcome(10, "return now - sent", "now - sent", "now + sent", "killed"),
    ]
    text, wrong = report.page(outcomes, report.read_reasons(path))
    assert "| toy.py | 4 | 2 | 1 | 2 | 1 | 0.500 |" in text
    assert "| toy.py:3 | `0.2` becomes `0.4` | no test needs less |" in text
    assert f"| toy.py:8 | `now < sent` becomes `False` | {report.MISSING} |" in text
    assert wrong == [
        f"{report.MISSING}: toy.py | if now < sent: | now < sent -> False",
        "no longer survives: toy.py | LEASE = 0.2 | a -> b",
    ]


@pytest.mark.parametrize(
    "entries", [[REASON, REASON], [REASON | {"why": " "}], [{k: v for k, v in REASON.items() if k != "code"}]]
)
def test_a_reason_that_is_given_twice_or_says_nothing_is_refused(tmp_path, entries):
    path = tmp_path / "reasons.yaml"
    path.write_text(yaml.safe_dump(entries), encoding="utf-8")
    with pytest.raises(ValueError, match="reasons|needs file"):
        report.read_reasons(path)
