# SPDX-License-Identifier: Apache-2.0
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "barrier" / "arms.md"


def test_the_example_of_the_page_stops_before_the_ball(capsys):
    example = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert example
    names: dict = {}
    exec(compile(example.group(1), str(PAGE), "exec"), names)
    assert capsys.readouterr().out.startswith("FILTERED sphere ")
    assert 0.0 <= names["verdict"].h < 0.05
    assert abs(names["q"] - names["goal"]).max() > 0.05


def test_the_example_with_a_learned_barrier_stops_before_the_pillar(capsys):
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict = {}
    exec(compile(examples[1], str(PAGE), "exec"), names)
    assert capsys.readouterr().out.endswith(": the learned barrier binds\n")
    assert 0.0 < names["verdict"].learned_margin < 0.03 and names["verdict"].h > 0.1
