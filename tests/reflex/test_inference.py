# SPDX-License-Identifier: Apache-2.0
"""Networks at the control rate, judged by plain numpy and by Equinox; reflexes by rule."""

import math

import numpy as np
import pytest

from reflexarc.core.errors import ModelError
from reflexarc.reflex.contact.glance import entries, entry, glance
from reflexarc.reflex.contact.inference import Network, NetworkReflexes
from reflexarc.reflex.contact.reflexes import RULES, RuleReflexes, admissible, rule_action
from reflexarc.reflex.contact.view import STEP, direction, newtons_per_metre, stiffness_matrix, view


def layers(rng, sizes):
    pairs = zip(sizes[1:], sizes[:-1], strict=True)
    return [(rng.normal(size=(o, i)) / math.sqrt(i), rng.normal(size=o)) for o, i in pairs]


def plain(network, x):
    for k, (w, b) in enumerate(network):
        x = w @ x + b
        if k < len(network) - 1:
            x = np.maximum(x, 0.0)
    return x


@pytest.mark.parametrize("sizes", [(9, 64, 64, 1), (9, 16, 8), (3, 2), (5, 7, 1, 4)])
@pytest.mark.parametrize("members", [1, 2, 4])
def test_network_says_what_its_matrices_say(sizes, members):
    rng = np.random.default_rng(len(sizes) + members)
    ensemble = [layers(rng, sizes) for _ in range(members)]
    network = Network(ensemble)
    for _ in range(20):
        x = rng.normal(size=sizes[0])
        expected = [plain(one, x) for one in ensemble]
        assert network(x) == pytest.approx(np.array(expected), rel=1e-4, abs=1e-5)
    assert network(x).tobytes() == network(x).tobytes()


def test_network_agrees_with_equinox():
    jax = pytest.importorskip("jax")
    equinox = pytest.importorskip("equinox")
    mlp = equinox.nn.MLP(9, 8, 64, 2, dtype=np.float32, key=jax.random.key(3))
    network = Network([[(layer.weight, layer.bias) for layer in mlp.layers]])
    for x in np.random.default_rng(0).normal(size=(20, 9)).astype(np.float32):
        assert network(x)[0] == pytest.approx(np.asarray(mlp(x)), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([], "at least one member"),
        ([[]], "layers need W"),
        ([[(np.ones((2, 3)), np.ones(3))]], "layers need W"),
        ([[(np.ones((2, 3)), np.ones(2)), (np.ones((1, 3)), np.ones(1))]], "do not follow"),
        ([[(np.ones((2, 3)), np.ones(2))], [(np.ones((1, 3)), np.ones(1))]], "the first one"),
        ([[(np.full((2, 3), np.nan), np.ones(2))]], "not finite"),
        ([[(np.ones((2, 3)), np.full(2, np.inf))]], "not finite"),
    ],
)
def test_weights_that_are_no_network_are_refused(members, words):
    with pytest.raises(ModelError, match=words):
        Network(members)


def networks(rng):
    critic = [layers(rng, (9, 64, 64, 1)) for _ in range(3)]
    recovery = layers(rng, (9, 64, 64, 8))
    return critic, recovery, NetworkReflexes(Network(critic), Network([recovery]), 0.2, 0.001, 0.03, 0.7)


def test_risk_is_the_sigmoid_of_the_largest_logit_and_the_recovery_the_tanh_of_the_means():
    rng = np.random.default_rng(5)
    critic, recovery, reflexes = networks(rng)
    for x in rng.normal(size=(30, 9)):
        logit = max(float(plain(one, x)[0]) for one in critic)
        assert reflexes.risk(x) == pytest.approx(1.0 / (1.0 + math.exp(-logit)), rel=1e-4)
        assert reflexes.recovery(x) == pytest.approx(np.tanh(plain(recovery, x)[:4]), abs=1e-4)


@pytest.mark.parametrize("place", range(9))
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_never_a_low_risk_and_never_an_action(place, bad):
    *_, reflexes = networks(np.random.default_rng(1))
    x = np.full(9, 0.3)
    x[place] = bad
    risk = reflexes.risk(x)
    assert math.isnan(risk) or risk in (0.0, 1.0)
    if math.isnan(bad):
        assert math.isnan(risk)
        assert not admissible(reflexes.recovery(x))


def test_one_member_without_a_number_makes_the_risk_none():
    rng = np.random.default_rng(2)
    huge = [(np.full((4, 9), 3e38), np.zeros(4)), (np.array([[1.0, -1.0, 1.0, -1.0]]) * 3e38, np.zeros(1))]
    good = layers(rng, (9, 4, 1))
    for members in ([good, huge], [huge, good]):
        critic = Network(members)
        reflexes = NetworkReflexes(critic, Network([layers(rng, (9, 8))]), 0.2, 0.001, 0.03, 0.7)
        assert np.isnan(critic(np.ones(9))).any()
        assert math.isnan(reflexes.risk(np.ones(9)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"threshold": -0.1}, "threshold"),
        ({"threshold": math.nan}, "threshold"),
        ({"every_s": 0.0}, "every_s"),
        ({"dwell_s": math.inf}, "dwell_s"),
        ({"release": 0.0}, "release"),
        ({"release": 1.1}, "release"),
        ({"force": 0.0}, "force"),
        ({"critic": Network([[(np.ones((1, 6)), np.ones(1))]])}, "critic takes 9"),
        ({"recovery": Network([[(np.ones((4, 9)), np.ones(4))]])}, "recovery is one member"),
    ],
)
def test_reflexes_that_would_never_look_or_do_not_fit_are_refused(change, words):
    rng = np.random.default_rng(0)
    good = {
        "critic": Network([layers(rng, (9, 1))]), "recovery": Network([layers(rng, (9, 8))]), "threshold": 0.1,
        "every_s": 0.001, "dwell_s": 0.0, "release": 1.0,
    }  # fmt: skip
    NetworkReflexes(**good)
    with pytest.raises(ModelError, match=words):
        NetworkReflexes(**(good | change))


def test_compiled_view_is_the_view():
    rng = np.random.default_rng(0)
    out = np.zeros(9)
    for scale in [1.0] * 50 + [0.0]:
        force, velocity, stretch = rng.normal(size=(3, 3))
        left, k = scale * 0.03 * rng.normal(size=2), rng.uniform(-1, 1, 2)
        glance(force, velocity, stretch, left, k, out)
        expected = view(np, force[:2], velocity[:2], stretch[:2], left, k)
        assert out == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_entries_of_a_stiffness_are_those_it_was_made_of():
    rng = np.random.default_rng(0)
    for _ in range(50):
        e = direction(np, rng.normal(size=2))
        k = rng.uniform(-1.0, 1.0, 2)
        matrix = stiffness_matrix(np, e, k)
        assert entries(matrix, *(e / np.linalg.norm(e))) == pytest.approx(tuple(k), abs=1e-5)
    assert entry(1.0) == -1.0
    assert entry(1e6) == 1.0
    assert newtons_per_metre(entry(700.0)) == pytest.approx(700.0)


def test_rules_press_nowhere_and_only_the_retreat_moves():
    for rule in RULES:
        action = rule_action(rule, 0.2, -0.4, (0.6, -0.8))
        assert admissible(action)
        assert (np.abs(action) <= 1.0).all()
        moved = STEP * np.linalg.norm(action[:2])
        assert moved == pytest.approx(0.02 if rule == "retreat" else 0.0)
    assert rule_action("hold", 0.2, -0.4, (0.0, 0.0)).tolist() == [0.0, 0.0, 0.2, -0.4]
    assert rule_action("soften", 0.2, -0.4, (0.0, 0.0)).tolist() == [0.0, 0.0, -1.0, -1.0]
    assert rule_action("brake", 0.2, -0.4, (0.0, 0.0)).tolist() == [0.0, 0.0, 1.0, 1.0]


def test_risk_by_rule_grows_with_force_and_with_closing_on_what_it_comes_from():
    rule = RuleReflexes(25.0, 20e3)

    def risk(force, velocity):
        return rule.risk(
            view(np, np.array(force), np.array(velocity), np.zeros(2), np.array([0.02, 0.0]), np.zeros(2))
        )

    assert risk([0.0, 0.0], [0.3, 0.0]) == 0.0
    assert risk([-10.0, 0.0], [0.0, 0.0]) == pytest.approx(0.4, rel=1e-3)
    assert risk([-10.0, 0.0], [0.02, 0.0]) == pytest.approx(0.4 + 0.02 * 0.01 * 20e3 / 25.0, rel=1e-3)
    assert risk([-10.0, 0.0], [-0.2, 0.0]) == pytest.approx(0.4, rel=1e-3)
    assert risk([-100.0, 0.0], [0.0, 0.0]) == 1.0
    assert math.isnan(risk([math.nan, 0.0], [0.0, 0.0]))
    assert math.isnan(risk([0.0, 0.0], [math.nan, 0.0]))
    assert not admissible(rule.recovery(np.zeros(9)))


@pytest.mark.parametrize(
    "action", [np.zeros(3), np.zeros((4, 1)), np.array([0, 0, np.nan, 0]), np.array([0, np.inf, 0, 0])]
)
def test_actions_that_cannot_be_carried_out_are_known(action):
    assert not admissible(action)
