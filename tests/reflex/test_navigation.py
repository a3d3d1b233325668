# SPDX-License-Identifier: Apache-2.0
"""The navigation problems: published constants, and control steps that add up to published steps."""

import numpy as np
import pytest

from reflexarc.core.errors import UnknownNameError
from reflexarc.reflex.navigation import NAVIGATION, navigation


def test_constants_are_those_of_recovery_rl():
    assert {n: (p.gamma, p.threshold, p.multiplier) for n, p in NAVIGATION.items()} == {
        "navigation1": (0.8, 0.3, 5000.0),
        "navigation2": (0.65, 0.2, 1000.0),
    }
    corridor, box = NAVIGATION["navigation1"], NAVIGATION["navigation2"]
    places = np.array([[0.0, 5.0], [0.0, 4.99], [-79.9, 0.0], [-80.0, 0.0], [140.0, -10.0], [0.0, -10.1]])
    assert corridor.failed(places).tolist() == [True, False, False, True, True, False]
    places = np.array([[-30.0, 7.5], [-20.0, -7.5], [-25.0, 7.51], [-30.1, 0.0]])
    assert box.failed(places).tolist() == [True, True, False, False]
    assert box.reached(np.array([[0.0, 3.99], [0.0, 4.0]])).tolist() == [True, False]
    with pytest.raises(UnknownNameError, match="navigation2"):
        navigation("navigation3")


@pytest.mark.parametrize("control", [1, 10, 40])
def test_control_steps_add_up_to_a_published_step(control):
    problem = navigation("navigation2", control=control)
    rng = np.random.default_rng(0)
    s, a = np.zeros((20_000, 2)), np.array([0.7, -1.0])
    for _ in range(control):
        s = problem.move(s, a, rng.standard_normal(s.shape))
    np.testing.assert_allclose(s.mean(axis=0), a, atol=0.002)
    np.testing.assert_allclose(s.std(axis=0), 0.05, rtol=0.02)


@pytest.mark.parametrize("name", NAVIGATION)
def test_probes_come_at_every_face_and_from_anywhere(name):
    problem = NAVIGATION[name]
    places, actions = problem.probes(4000, np.random.default_rng(0))
    assert np.isfinite(places).all() and (np.abs(actions) <= 1.0).all()
    ahead = problem.failed(places + 10.0 * actions) & ~problem.failed(places)
    assert 0.1 < ahead.mean() < 0.9
    far = np.hypot(*(places - (-25.0, 0.0)).T) > 20.0
    assert far.mean() > 0.02
