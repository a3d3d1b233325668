# SPDX-License-Identifier: Apache-2.0
"""The learned density: its data, what it predicts, its bounds, its file, and what it refuses."""

import json

import jax
import numpy as np
import pytest
import yaml
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from reflexarc.cli import main
from reflexarc.core.errors import ConfigError, ModelError, PlantError, UnknownNameError
from reflexarc.core.paths import models_dir
from reflexarc.reach.blackbox import BlackBox, ensemble, from_closed_loop, from_mujoco, sample
from reflexarc.reach.learned import LearnedDensity, Network, load_density
from reflexarc.reach.learned_training import Training, calibrate, errors, train, train_density
from reflexarc.reach.systems import SYSTEMS
from reflexarc.robots.systems.system import Coordinate

PLANE = (Coordinate("x", "m"), Coordinate("y", "m"))
PENDULUM = models_dir() / "double_pendulum" / "double_pendulum.xml"
SMALL = Training(
    trajectories=1000, shaping=100, calibration=400, width=48, depth=2, steps=3000, batch=256, rate=1e-2
)


def hopf(x, t):
    """Return where r' = r (1 - r^2), theta' = 1 leads in time t, in closed form."""
    square = np.sum(x**2, axis=1, keepdims=True)
    stretch = 1.0 / np.sqrt(square + (1.0 - square) * np.exp(-2.0 * t))
    turn = np.array([[np.cos(t), np.sin(t)], [-np.sin(t), np.cos(t)]])
    return stretch * (x @ turn)


def hopf_gain(x0, t):
    """Return ln rho(x(t), t) - ln rho_0(x0) in closed form, from r at time t."""
    decay = np.exp(-2.0 * t)
    square = np.sum(hopf(x0, t) ** 2, axis=1)
    return -2.0 * t - 2.0 * np.log(1.0 - square * (1.0 - decay))


def box_of(advance, low=(-1.5, -1.5), high=(1.5, 1.5), dt=0.1, steps=10, name="hopf", state=PLANE):
    return BlackBox(name, "test", state, np.array(low), np.array(high), dt, steps, advance)


HOPF = box_of(lambda x, _: hopf(x, 0.1))


@pytest.fixture(scope="module")
def learned():
    return train(HOPF, SMALL)[0]


class Bell:
    """A Gaussian around (0.5, 0) with deviation 0.5 m."""

    def log_density(self, x):
        return -0.5 * np.sum((x - [0.5, 0.0]) ** 2, axis=1) / 0.25 - np.log(2.0 * np.pi * 0.25)


# --- the data


def test_an_ensemble_measures_the_increment_of_a_flow_in_closed_form():
    data = ensemble(HOPF, sample(HOPF, 200, np.random.default_rng(1)))
    for k in range(11):
        assert data.x[k] == pytest.approx(hopf(data.x[0], 0.1 * k), abs=1e-12)
        assert data.gain[k] == pytest.approx(hopf_gain(data.x[0], 0.1 * k), abs=1e-7)


def test_an_ensemble_stays_exact_where_the_whole_flow_contracts_beyond_rounding():
    matrix = np.array([[1e-3, 0.0], [0.2, -1e-2]])  # ten steps shrink an area by 1e-50, and mirror it
    data = ensemble(box_of(lambda x, _: x @ matrix.T), np.array([[1.0, -0.3], [0.0, 0.0]]))
    assert data.gain[:, 0] == pytest.approx(-np.arange(11) * np.log(1e-5), abs=1e-7)
    assert data.gain[:, 1] == pytest.approx(data.gain[:, 0], abs=1e-7)


def test_the_number_of_the_output_reaches_a_simulator_that_depends_on_time():
    data = ensemble(box_of(lambda x, k: x * np.exp(k / 10)), np.ones((1, 2)))
    assert data.gain[:, 0] == pytest.approx([-2.0 * k * (k - 1) / 20 for k in range(11)], abs=1e-7)


def test_a_mujoco_pendulum_has_the_increment_that_its_mass_matrix_and_damping_imply():
    mujoco = pytest.importorskip("mujoco")
    box = from_mujoco(PENDULUM, np.full(4, -1.0), np.ones(4), 0.01, 101)
    assert [tuple(c) for c in box.state[1:3]] == [("elbow", "rad"), ("shoulder_rate", "rad/s")]
    data = ensemble(box, sample(box, 4, np.random.default_rng(2)))
    model = mujoco.MjModel.from_xml_path(str(PENDULUM))
    state = mujoco.MjData(model)

    def inverse_mass(q):
        state.qpos[:] = q
        mujoco.mj_forward(model, state)
        inverse = np.zeros((2, 2))
        mujoco.mj_solveM(model, state, inverse, np.eye(2))
        return inverse

    for i in range(4):
        inverses = np.array([inverse_mass(q) for q in data.x[:, i, :2]])
        rate = np.trace(inverses, axis1=1, axis2=2) * model.dof_damping[0]
        volume = np.log(np.linalg.det(inverses[0]) / np.linalg.det(inverses[-1]))
        expected = np.trapezoid(rate, dx=0.01) + volume
        assert data.gain[-1, i] == pytest.approx(expected, abs=2e-3)
        assert abs(volume) > 0.01 and data.gain[-1, i] > 3.0  # neither part could be left out


def test_a_control_law_closes_the_loop_of_a_mujoco_model(tmp_path):
    pytest.importorskip("mujoco")
    path = tmp_path / "cart.xml"
    path.write_text(
        '<mujoco><option timestep="0.001"/><worldbody><body><joint name="cart" type="slide" axis="1 0 0"/>'
        '<geom size="0.1" mass="2"/></body></worldbody><actuator><motor joint="cart"/></actuator></mujoco>'
    )
    box = from_mujoco(path, -np.ones(2), np.ones(2), 0.001, 1000, lambda x, _: -2.0 * x[:, 1:])
    data = ensemble(box, np.array([[0.0, 1.0]]))
    assert box.state == (("cart", "m"), ("cart_rate", "m/s"))
    assert data.x[-1, 0, 1] == pytest.approx(np.exp(-1.0), abs=1e-3)  # m v' = -2 v with m = 2
    assert data.gain[-1, 0] == pytest.approx(1.0, abs=1e-3)


def test_a_known_closed_loop_can_be_hidden_behind_a_simulator():
    box = from_closed_loop(SYSTEMS["pend"])
    data = ensemble(box, sample(box, 50, np.random.default_rng(3)))
    expected = 2.8343 * np.exp(data.x[0, :, 2])  # t = 1 s; the divergence is constant along a trajectory
    assert data.gain[-1] == pytest.approx(expected, rel=1e-4)


# --- what it predicts


def test_a_learned_flow_and_increment_are_close_on_states_never_seen_and_exact_at_the_start(learned):
    x0 = sample(HOPF, 500, np.random.default_rng(4))
    start = learned.predict(x0, 0)
    assert (start.x == x0).all() and (start.gain == 0.0).all() and (start.x_bound == 0.0).all()
    for k in (3, 10):
        answer = learned.predict(x0, k)
        assert np.sqrt(np.mean((answer.x - hopf(x0, 0.1 * k)) ** 2)) < 0.04
        error = answer.gain - hopf_gain(x0, 0.1 * k)
        assert np.sqrt(np.mean(error**2)) < 0.1
        assert np.std(hopf_gain(x0, 0.1 * k)) > 0.5


def test_the_density_at_a_point_is_that_of_the_initial_state_which_leads_there(learned):
    x0 = np.random.default_rng(5).uniform(-1.0, 1.0, (300, 2))
    answer = learned.log_density(Bell(), hopf(x0, 1.0), 10)
    assert answer.found.mean() > 0.99
    found = answer.found
    assert (
        np.median(np.abs(answer.x0 - x0)[found]) < 0.05
    )  # the cycle attracts: an error of x is magnified backward
    expected = Bell().log_density(x0) + hopf_gain(x0, 1.0)
    error = np.abs(answer.log_density - expected)[found]
    assert np.median(error) < 0.15 and np.quantile(error, 0.9) < 0.5
    assert np.std(expected) > 1.0
    reached = learned.predict(answer.x0, 10).x
    assert reached[found] == pytest.approx(hopf(x0, 1.0)[found], abs=1e-3)
    nowhere = learned.log_density(Bell(), np.array([[40.0, 40.0]]), 10)
    assert not nowhere.found[0] and np.isnan(nowhere.log_density[0])


# --- its bounds


def test_bounds_of_a_training_hold_at_all_outputs_at_once_and_not_outside_the_box(learned):
    data = ensemble(HOPF, sample(HOPF, 2000, np.random.default_rng(6)))
    error = errors(learned, data)
    inside = (np.abs(error.x) <= learned.x_bound[:, None]).all(axis=(0, 2))
    inside &= (np.abs(error.gain) <= learned.gain_bound[:, None]).all(axis=0)
    assert 0.92 < inside.mean() < 0.99  # 0.95 promised; one calibration scatters by 0.015
    outside = learned.predict(np.array([[0.0, 1.6]]), 4)
    assert np.isinf(outside.x_bound).all() and np.isinf(outside.gain_bound).all()
    assert np.isfinite(learned.predict(np.array([[0.0, 1.4]]), 4).gain_bound).all()


def untrained(steps=3):
    network = Network(2, 8, 1, jax.random.key(7))
    shapes = np.zeros((steps + 1, 2)), np.zeros(steps + 1)
    return LearnedDensity(network, "hopf", ("x", "y"), HOPF.low, HOPF.high, 0.1, steps, 0.1, *shapes)


def test_the_coverage_over_a_thousand_calibrations_is_the_promised_one():
    box = box_of(lambda x, _: hopf(x, 0.1), steps=3)
    rng = np.random.default_rng(8)
    pool = ensemble(box, sample(box, 100_000, rng))
    network = untrained()
    shape = type(pool)(pool.x[:, :500], pool.gain[:, :500])
    missed = []
    for i in range(1000):
        part = slice(500 + 99 * i, 500 + 99 * (i + 1))  # 79 calibrate, 20 are fresh
        x, gain = pool.x[:, part], pool.gain[:, part]
        bounded = calibrate(network, shape, type(pool)(x[:, :79], gain[:, :79]), 0.2)
        fresh = errors(bounded, type(pool)(x[:, 79:], gain[:, 79:]))
        miss = (np.abs(fresh.x) > bounded.x_bound[:, None]).any(axis=(0, 2))
        miss_gain = (np.abs(fresh.gain) > bounded.gain_bound[:, None]).any(axis=0)
        missed.append([miss.mean(), miss_gain.mean(), (miss | miss_gain).mean()])
    x_missed, gain_missed, either = np.mean(missed, axis=0)
    # rank 72 of 80: exactly 0.1 per bound; 20 fresh of each calibration share its luck, hence the scatter
    assert x_missed == pytest.approx(0.1, abs=4.0 * 0.075 / np.sqrt(1000))
    assert gain_missed == pytest.approx(0.1, abs=4.0 * 0.075 / np.sqrt(1000))
    assert either <= 0.2


def test_trajectories_that_escape_count_as_misses_of_the_calibration():
    data = ensemble(HOPF, sample(HOPF, 200, np.random.default_rng(9)))
    network = untrained(10)
    few, many = data.gain.copy(), data.gain.copy()
    few[5:, :3], many[5:, :30] = np.nan, np.inf
    bounded = calibrate(network, data, type(data)(data.x, few), 0.1)
    assert np.isfinite(bounded.gain_bound).all()
    unbounded = calibrate(network, data, type(data)(data.x, many), 0.1)
    assert np.isinf(unbounded.gain_bound[1:]).all() and np.isfinite(unbounded.x_bound).all()


# --- its file


def test_a_density_comes_back_from_its_file(learned, tmp_path):
    path = tmp_path / "d.safetensors"
    learned.save(path)
    again = load_density(path, HOPF)
    x0 = sample(HOPF, 50, np.random.default_rng(10))
    for ours, theirs in zip(learned.predict(x0, 7), again.predict(x0, 7), strict=True):
        assert (ours == theirs).all()
    assert (again.recipe, again.alpha, again.steps) == (learned.recipe, 0.05, 10)


def edited(**changes):
    def change(_, metadata):
        metadata["density"] = json.dumps(json.loads(metadata["density"]) | changes)

    return change


def poison(tensors, _):
    tensors["flow.layers.1.weight"][0, 0] = np.nan


def cut(tensors, _):
    tensors["rate.layers.0.weight"] = np.ascontiguousarray(tensors["rate.layers.0.weight"][:, :2])


def drop(tensors, _):
    del tensors["spread"]


def unasked(tensors, _):
    tensors["extra"] = np.zeros(1)


def below_zero(tensors, _):
    tensors["gain_bound"][3] = -0.1


def flat(tensors, _):
    tensors["scale"][1] = 0.0


def other(_, metadata):
    metadata["format"] = "reflexarc-barrier-1"


def bare(_, metadata):
    metadata["density"] = "{}"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (poison, "not finite in flow.layers.1.weight"),
        (cut, "rate.layers.0.weight has shape"),
        (drop, "missing spread, unknown nothing"),
        (unasked, "missing nothing, unknown extra"),
        (below_zero, "negative bounds in gain_bound"),
        (flat, "scale and horizon must be positive"),
        (other, "'reflexarc-barrier-1' is not"),
        (bare, "incomplete density"),
        (edited(width=33), "has shape"),
        (edited(steps=12), "x_bound has shape"),
        (edited(low=[0.0, 2.0]), "the box"),
        (edited(dt=0.0), "the box"),
    ],
)
def test_a_damaged_density_is_refused(learned, tmp_path, change, words):
    path = tmp_path / "d.safetensors"
    learned.save(path)
    tensors = load_file(path)
    with safe_open(path, framework="numpy") as file:
        metadata = dict(file.metadata())
    change(tensors, metadata)
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(ModelError, match=words):
        load_density(path)


def test_a_density_of_another_system_a_text_and_nothing_are_refused(learned, tmp_path):
    path = tmp_path / "d.safetensors"
    learned.save(path)
    for box in (SYSTEMS["vdp"], box_of(HOPF.advance, dt=0.2), box_of(HOPF.advance, state=PLANE[::-1])):
        with pytest.raises(ModelError, match="it would be used for"):
            load_density(path, box)
    path.write_text("no weights")
    with pytest.raises(ModelError, match="not a readable safetensors file"):
        load_density(path)
    with pytest.raises(ModelError, match="no such density file"):
        load_density(tmp_path / "missing.safetensors")


# --- a training by recipe

TINY = {
    "trajectories": 40,
    "shaping": 20,
    "calibration": 60,
    "width": 8,
    "depth": 1,
    "steps": 1500,
    "batch": 32,
}


def recipe(folder, name="recipe.yaml", **content):
    path = folder / name
    path.write_text(yaml.safe_dump(content))
    return path


class Stop(Exception):
    pass


def test_a_training_that_was_stopped_goes_on_to_the_same_weights_and_its_recipe_repeats_it(tmp_path):
    path = recipe(tmp_path, system="vdp", training=TINY)
    whole = train_density(path, tmp_path / "whole")
    assert load_density(tmp_path / "whole/density.safetensors", SYSTEMS["vdp"]).recipe == whole.recipe
    assert (tmp_path / "whole/log.csv").read_text().splitlines()[-1].startswith("1500,")
    told = []

    def stop(done, total, _):
        told.append(done)
        if done == 1250 and stopping:
            raise Stop

    place = tmp_path / "stopped/checkpoint.safetensors"
    stopping = True
    with pytest.raises(Stop):
        train_density(path, tmp_path / "stopped", stop)
    assert place.is_file()
    stopping, told[:] = False, []
    resumed = train_density(path, tmp_path / "stopped", stop)
    assert min(t for t in told if t) == 1250 and not place.exists()
    repeated = train_density(tmp_path / "whole/recipe.yaml", tmp_path / "again")
    x0 = sample(from_closed_loop(SYSTEMS["vdp"]), 20, np.random.default_rng(0))
    for again in (resumed, repeated):
        assert (again.predict(x0, 50).gain == whole.predict(x0, 50).gain).all()
        assert (again.gain_bound == whole.gain_bound).all()


def test_a_checkpoint_of_another_training_is_refused_or_thrown_away(tmp_path):
    def stop(done, *_):
        if done >= 1250:
            raise Stop

    with pytest.raises(Stop):
        train_density(recipe(tmp_path, system="vdp", training=TINY), tmp_path / "out", stop)
    other = recipe(tmp_path, "other.yaml", system="vdp", training=TINY | {"seed": 1})
    with pytest.raises(ModelError, match="checkpoint of another training"):
        train_density(other, tmp_path / "out")
    train_density(other, tmp_path / "out", resume=False)


def test_a_mujoco_model_is_learned_by_recipe_and_the_written_recipe_finds_it_again(tmp_path):
    pytest.importorskip("mujoco")
    committed = yaml.safe_load((PENDULUM.parent / "density.yaml").read_text())
    committed["simulator"] |= {"mjcf": str(PENDULUM), "steps": 10}
    density = train_density(recipe(tmp_path, **committed | {"training": TINY}), tmp_path / "out")
    again = train_density(tmp_path / "out/recipe.yaml", tmp_path / "again")
    assert density.system == "double_pendulum" and density.state[2] == "shoulder_rate"
    assert again.recipe["data_sha256"] == density.recipe["data_sha256"]


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        ({"system": "vdp", "trainig": {}}, UnknownNameError, "unknown key 'trainig'"),
        ({"training": {}}, ConfigError, "exactly one of"),
        ({"system": "nosuch"}, UnknownNameError, "unknown system 'nosuch'"),
        ({"system": "vdp", "training": {"alpha": 0.9}}, ConfigError, "0.9 is out of bounds"),
        ({"system": "vdp", "training": {"calibration": 30}}, ConfigError, "at least 39 can"),
        (
            {"simulator": {"mjcf": "no.xml", "low": [0.0], "high": [1.0], "dt": 0.1, "steps": 3}},
            ModelError,
            "no such model",
        ),
    ],
)
def test_a_recipe_that_is_not_acceptable_is_refused_with_the_reason(tmp_path, content, error, words):
    with pytest.raises(error, match=words):
        train_density(recipe(tmp_path, **content), tmp_path / "out")


def test_the_command_trains_by_recipe_and_says_what_the_bounds_are(tmp_path, capsys):
    path = recipe(tmp_path, system="vdp", training=TINY | {"steps": 50})
    assert main(["train", "density", str(path), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    bound = load_density(tmp_path / "out/density.safetensors").gain_bound[-1]
    said = capsys.readouterr().out
    assert "with probability 0.95 at all outputs" in said and f"log-density within {bound:.3g} nat" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["recipe.yaml", "--seed", "3", "--learner", "vocbf"], "--learner, --seed: of `train barrier`"),
        (["missing.yaml"], "missing.yaml: no such file"),
    ],
)
def test_the_command_refuses_what_a_density_does_not_take(tmp_path, capsys, words, said):
    recipe(tmp_path, system="vdp", training=TINY)
    arguments = [str(tmp_path / words[0]), *words[1:], "--quiet", "--out", str(tmp_path / "out")]
    assert main(["train", "density", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# --- black boxes that are none


@pytest.mark.parametrize(
    ("body", "dt", "error", "words"),
    [
        ("<freejoint/>", 0.1, ModelError, "hinges and slides only"),
        ('<joint type="ball"/>', 0.1, ModelError, "hinges and slides only"),
        ("<nonsense/>", 0.1, ModelError, "not a model that MuJoCo reads"),
        ('<joint type="hinge"/>', 0.0015, ConfigError, "no multiple of the model's time step"),
    ],
)
def test_a_model_without_a_density_over_its_coordinates_is_refused(tmp_path, body, dt, error, words):
    pytest.importorskip("mujoco")
    path = tmp_path / "m.xml"
    path.write_text(
        f'<mujoco><option timestep="0.001"/><worldbody><body>{body}<geom size="1"/></body></worldbody></mujoco>'
    )
    with pytest.raises(error, match=words):
        from_mujoco(path, -np.ones(2), np.ones(2), dt, 5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"low": (1.0, 2.0), "high": (2.0, 1.0)}, "is empty"),
        ({"low": (1.0, 1.0), "high": (1.0, 1.0)}, "is empty"),
        ({"low": (np.nan, 1.0)}, "2 finite numbers"),
        ({"dt": 0.0}, "must be positive"),
        ({"steps": 0}, "at least 1"),
    ],
)
def test_a_box_without_states_or_time_is_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        box_of(HOPF.advance, **changes)


def test_a_simulator_of_another_shape_and_states_of_another_size_are_refused(learned):
    with pytest.raises(PlantError, match="must answer"):
        ensemble(box_of(lambda x, _: x[:, :1]), np.zeros((3, 2)))
    with pytest.raises(ConfigError, match=r"shape \(N, 2\)"):
        ensemble(HOPF, np.zeros((3, 3)))
    with pytest.raises(ConfigError, match=r"shape \(N, 2\)"):
        learned.predict(np.zeros(2), 3)
    with pytest.raises(ConfigError, match="outputs 0 to 10, asked for 11"):
        learned.predict(np.zeros((1, 2)), 11)


def test_a_simulator_that_mostly_escapes_is_refused():
    def burst(x, _):
        with np.errstate(divide="ignore"):
            return np.where(x > 0.0, np.inf, x)

    with pytest.raises(ConfigError, match="are not finite; a smaller box"):
        train(box_of(burst), SMALL)
