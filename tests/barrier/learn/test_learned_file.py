# SPDX-License-Identifier: Apache-2.0
"""The barrier file: round trip, gradients, and what is refused."""

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from reflexarc.barrier.learned import LearnedBarrier, Mlp, file_hash, load_barrier
from reflexarc.core.errors import ModelError


def network(rng, activation, n=3):
    sizes = (n, 8, 7, 1)
    return Mlp(
        tuple(
            np.float32(rng.normal(size=(b, a))).astype(float)
            for a, b in zip(sizes[:-1], sizes[1:], strict=True)
        ),
        tuple(np.float32(rng.normal(size=b)).astype(float) for b in sizes[1:]),
        activation,
    )


def barrier(form="margin_minus", activation="tanh", seed=0):
    rng = np.random.default_rng(seed)
    members = tuple(network(rng, activation) for _ in range(3))
    centre, scale = rng.normal(size=3), rng.uniform(0.3, 2.0, 3)
    return LearnedBarrier(
        members, form, centre, scale, 0.07, "test", ("a", "b", "c"), {"learner": "none", "k": 1}
    )


@pytest.mark.parametrize("form", ["min", "margin_minus"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "softplus"])
def test_gradients_agree_with_finite_differences_and_batches_with_single_states(form, activation):
    learned = barrier(form, activation)
    x = np.random.default_rng(1).normal(size=(40, 3))
    values, gradients = learned.values_and_gradients(x)
    assert values == pytest.approx(learned.values(x), abs=1e-12)
    checked = 0
    for k in range(len(x)):
        value, gradient = learned.value_and_gradient(x[k])
        assert value == pytest.approx(values[k], abs=1e-12)
        assert gradient == pytest.approx(gradients[k], abs=1e-12)
        step = 1e-6 * np.eye(3)
        ahead, behind = learned.values(x[k] + step), learned.values(x[k] - step)
        if np.abs(ahead + behind - 2 * value).max() < 1e-9:  # no kink in between
            assert gradient == pytest.approx((ahead - behind) / 2e-6, abs=1e-6)
            checked += 1
    assert checked > 30


@pytest.mark.parametrize("form", ["min", "margin_minus"])
def test_the_value_is_the_lower_bound_of_the_ensemble(form):
    learned = barrier(form)
    x = np.random.default_rng(1).normal(size=(200, 3))
    z = (x - learned.centre) / learned.scale
    each = np.array([m.values(z) for m in learned.members])
    if form == "min":
        expected = each.min(axis=0)
    else:
        expected = (each[0] - np.log1p(np.exp(each[1:]))).min(axis=0)
    assert learned.values(x) == pytest.approx(expected - 0.07, abs=1e-9)


def test_large_outputs_do_not_overflow():
    learned = barrier("margin_minus", "softplus")
    with np.errstate(over="raise"):
        values, gradients = learned.values_and_gradients(np.full((1, 3), -1e4))
        value, gradient = learned.value_and_gradient(np.full(3, -1e4))
    assert np.isfinite(gradients).all() and np.isfinite(gradient).all()
    assert value == pytest.approx(values[0])


def test_a_barrier_comes_back_from_its_file(tmp_path):
    learned = barrier()
    sha = learned.save(tmp_path / "b.safetensors")
    again = load_barrier(tmp_path / "b.safetensors", state=("a", "b", "c"))
    x = np.random.default_rng(1).normal(size=(50, 3))
    assert (again.values(x) == learned.values(x)).all()
    assert (again.delta, again.form, again.system, again.recipe) == (
        0.07,
        "margin_minus",
        "test",
        learned.recipe,
    )
    assert sha == file_hash(tmp_path / "b.safetensors")


def rewritten(path, change):
    """Write the file again with changed tensors."""
    tensors = load_file(path)
    with safe_open(path, framework="numpy") as file:
        metadata = dict(file.metadata())
    change(tensors, metadata)
    save_file(tensors, path, metadata=metadata)


def poison(tensors, _):
    tensors["1.0.weight"][0, 0] = np.nan


def cut(tensors, _):
    tensors["0.1.weight"] = np.ascontiguousarray(tensors["0.1.weight"][:, :5])


def flat(tensors, _):
    tensors["scale"] = np.array([1.0, 0.0, 1.0])


def drop(tensors, _):
    del tensors["2.1.bias"]


def other(_, metadata):
    metadata["format"] = "reflexarc-barrier-0"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (poison, "not finite in 1.0.weight"),
        (cut, "layer 1 of member 0 has shape"),
        (flat, "scales positive"),
        (drop, "incomplete barrier"),
        (other, "'reflexarc-barrier-0'"),
    ],
)
def test_a_damaged_barrier_is_refused(tmp_path, change, words):
    path = tmp_path / "b.safetensors"
    barrier().save(path)
    rewritten(path, change)
    with pytest.raises(ModelError, match=words):
        load_barrier(path)


def test_a_barrier_for_another_state_a_text_and_nothing_are_refused(tmp_path):
    path = tmp_path / "b.safetensors"
    barrier().save(path)
    with pytest.raises(ModelError, match="it would be fed"):
        load_barrier(path, state=("b", "a", "c"))
    path.write_text("no weights")
    with pytest.raises(ModelError, match="not a readable safetensors file"):
        load_barrier(path)
    with pytest.raises(ModelError, match="no such barrier file"):
        load_barrier(tmp_path / "missing.safetensors")
