# SPDX-License-Identifier: Apache-2.0
"""A system from a user's file: what it needs, and what is said when it is missing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reflexarc.core.errors import ConfigError
from reflexarc.reach.systems import load_user_system

PENDULUM = """
import jax.numpy as jnp
low, high = [-1.0, -1.0], [1.0, 1.0]
def field(x):
    return jnp.stack([x[1], -jnp.sin(x[0])])
"""


@pytest.fixture
def load(tmp_path):
    def loader(text, name="mine.py"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return load_user_system(path)

    return loader


def test_one_function_and_a_box_make_a_system(load):
    system = load(PENDULUM)
    assert (system.name, system.n, system.dt, system.steps) == ("mine", 2, 0.05, 50)
    assert [c.name for c in system.state] == ["x1", "x2"]
    assert np.asarray(system.field(jnp.array([0.5, 0.2]), 0.0, None)) == pytest.approx([0.2, -np.sin(0.5)])
    assert system.low.tolist() == [-1.0, -1.0]


def test_optional_constants_and_time_are_taken(load):
    system = load(
        "low = (0.0,)\nhigh = (2.0,)\ndt = 0.1\nsteps = 7\nsubsteps = 3\nnames = ['level']\n"
        "def field(x, t):\n    return [t - x[0]]\n"
    )
    assert (system.dt, system.steps, system.substeps, system.state[0].name) == (0.1, 7, 3, "level")
    with jax.enable_x64(True):
        assert np.asarray(system.field(jnp.array([0.5]), 2.0, None)) == pytest.approx([1.5])


def test_a_default_argument_is_not_taken_for_time(load):
    system = load("low, high = [0.0], [1.0]\ndef field(x, gain=2.0):\n    return -gain * x\n")
    assert float(system.field(jnp.array([0.5]), 9.0, None)[0]) == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("low, high = [0.0], [1.0]", "defines no function `field"),
        ("low, high, field = [0.0], [1.0], 3", "defines no function `field"),
        ("def field(x): return -x", "defines no `low` and no `high`"),
        ("low = [0.0]\ndef field(x): return -x", "defines no `high`"),
        ("low, high = [0.0], [1.0]\ndef field(): return 0", r"`field\(\)` must be callable as field\(x\)"),
        ("low, high = [0.0], [1.0]\ndef field(x, t, u): return -x", "must be callable as field"),
        (PENDULUM.replace("[x[1], -jnp", "[x[1], x[0], -jnp"), r"must return shape \(2,\).*got \(3,\)"),
        (
            PENDULUM.replace("jnp.stack([x[1], -jnp.sin(x[0])])", "x[0]"),
            r"must return shape \(2,\).*got \(\)",
        ),
        (PENDULUM.replace("x[1]", "x.nothing"), "`field` fails for a state of shape.*AttributeError"),
        (PENDULUM.replace("jnp.sin(x[0])", "jnp.log(x[0])"), "`field` is not finite at x ="),
        (
            PENDULUM.replace("jnp.stack([x[1], -jnp.sin(x[0])])", "jnp.sqrt(0.0 * x)"),
            "trace of the Jacobian of `field` is not finite at x =",
        ),
        (
            PENDULUM.replace("[1.0, 1.0]", "[1.0, -2.0]"),
            "lower bound -1 of 'x2' lies above its upper bound -2",
        ),
        (PENDULUM.replace("[1.0, 1.0]", "[1.0, float('nan')]"), "the box must be 2 finite numbers each"),
        (PENDULUM.replace("[1.0, 1.0]", "[1.0]"), "the box must be 2 finite numbers each"),
        (PENDULUM.replace("[1.0, 1.0]", "'wide'"), "`high` must be a list of numbers"),
        (PENDULUM.replace("[1.0, 1.0]", "1.0"), "`high` must be a list of numbers"),
        (PENDULUM + "names = ['one']", "`names` must be 2 texts"),
        (PENDULUM + "names = 7", "`names` must be 2 texts"),
        (PENDULUM + "dt = 0.0", "dt 0.0 s must be positive"),
        (PENDULUM + "dt = 'fast'", "`dt` must be a number of seconds"),
        (PENDULUM + "steps = 2.5", "`steps` must be a whole number"),
        (PENDULUM + "steps = 0", "steps 0 and substeps 4 at least 1"),
        ("def field(x: return", "cannot be run: SyntaxError"),
        ("import a_module_that_is_not_there", "cannot be run: ModuleNotFoundError"),
    ],
)
def test_a_bad_file_is_refused_with_what_is_wrong(load, text, message):
    with pytest.raises(ConfigError, match=message):
        load(text)


def test_a_missing_file_and_another_kind_of_file_are_refused(tmp_path, load):
    with pytest.raises(ConfigError, match="there is no such file"):
        load_user_system(tmp_path / "nothing.py")
    with pytest.raises(ConfigError, match="not a Python file"):
        load(PENDULUM, "mine.txt")
