# SPDX-License-Identifier: Apache-2.0
"""The tutorial's code runs from top to bottom and prints what the page says."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reach" / "tutorial.md"
NUMBER = re.compile(r"[-+]?\d+\.\d+")
TOLERANCE = 0.011
"""Between printed and found numbers: one in the last of two digits."""


def test_every_block_prints_what_stands_under_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(
        r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", PAGE.read_text(encoding="utf-8"), re.S
    )
    assert len(blocks) >= 6
    names: dict[str, object] = {}
    for code, said in blocks:
        exec(compile(code, str(PAGE), "exec"), names)
        printed = capsys.readouterr().out
        assert NUMBER.sub("#", printed) == NUMBER.sub("#", said), code
        found, expected = ([float(number) for number in NUMBER.findall(text)] for text in (printed, said))
        assert found == pytest.approx(expected, abs=TOLERANCE), code
