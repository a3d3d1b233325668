# SPDX-License-Identifier: Apache-2.0
"""Learning curves: a panel per column that changes, stages apart, a log that is none refused."""

import pytest
from matplotlib.image import imread

from reflexarc.cli._curves import draw_curves
from reflexarc.core.errors import ConfigError


def drawn(folder, text):
    (folder / "log.csv").write_text(text)
    return draw_curves(folder)


def test_a_column_that_changes_has_a_panel_and_others_have_none(tmp_path):
    one = imread(drawn(tmp_path, "step,loss,lambda\n1,0.5,0\n2,0.2,0\n"))
    two = imread(drawn(tmp_path, "step,loss,lambda\n1,0.5,0\n2,0.2,1\n"))
    assert two.shape[1] == pytest.approx(2 * one.shape[1], rel=0.02) and two.shape[0] == one.shape[0]
    assert one[..., :3].min() < 0.5, "something is drawn"


def test_stages_are_lines_of_their_own(tmp_path):
    def colours(text):
        pixels = imread(drawn(tmp_path, text))[..., :3].reshape(-1, 3)
        return {tuple(p) for p in pixels.round(1) if p.max() - p.min() > 0.4}

    both = colours("stage,step,loss\n1,1,0.5\n1,2,0.2\n2,1,0.6\n2,2,0.1\n")
    assert both > colours("stage,step,loss\n1,1,0.5\n1,2,0.2\n")


@pytest.mark.parametrize("text", ["step\n", "step,loss\n1,0.5\n", "step,loss\n1,0.5\n2,0.5\n"])
def test_nothing_that_changes_is_nothing_to_draw(tmp_path, text):
    assert drawn(tmp_path, text) is None and not (tmp_path / "curves.png").exists()


@pytest.mark.parametrize("text", [None, "step,loss\n1,much\n", "step,loss\n1\n"])
def test_a_log_that_is_none_is_refused(tmp_path, text):
    with pytest.raises(ConfigError, match="not a training's log"):
        drawn(tmp_path, text) if text is not None else draw_curves(tmp_path)
