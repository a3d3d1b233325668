# SPDX-License-Identifier: Apache-2.0
"""Which shapes meet, and with what friction: against the contacts that MuJoCo makes when everything overlaps."""

import itertools

import mujoco
import numpy as np
import pytest

from reflexarc_sim.scenario import load_scenario
from reflexarc_sim.usd.compare import compare
from reflexarc_sim.usd.contact_pairs import model_pairs, stage_pairs
from reflexarc_sim.usd.export import export_stage
from reflexarc_sim.usd.materials import MODES, Choice, Surface, choose, mujoco_friction, physx_friction
from reflexarc_sim.usd.read_back import read_shapes
from reflexarc_sim.usd.source import scenario_source

NAMES = ("w0", "w1", "a0", "a1", "b0", "c0", "d0", "e0")


def _heap(rng, flag="enable"):
    """Return a model of overlapping spheres with bits of their own: two of the world, a chain of four, one loose."""
    bits = [f'contype="{rng.integers(4)}" conaffinity="{rng.integers(4)}"' for _ in NAMES]
    shape = dict(
        zip(
            NAMES, (f'<geom name="{n}" size="1" {b}/>' for n, b in zip(NAMES, bits, strict=True)), strict=True
        )
    )
    body = "<body name='{0}'>{1}{2}"
    return f"""<mujoco><option><flag filterparent="{flag}"/></option><worldbody>{shape["w0"]}{shape["w1"]}
      {body.format("a", "<joint/>", shape["a0"] + shape["a1"])}
      {body.format("b", "<joint axis='1 0 0'/>", shape["b0"])}
      {body.format("c", "", shape["c0"])}
      {body.format("d", "<joint axis='0 1 0'/>", shape["d0"])}</body></body></body></body>
      {body.format("e", "<freejoint/>", shape["e0"])}</body></worldbody>
      <contact><exclude body1="a" body2="d"/><exclude body1="e" body2="world"/></contact></mujoco>"""


def _touching(model):
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    names = [tuple(sorted(model.geom(g).name for g in contact.geom)) for contact in data.contact]
    assert len(set(names)) == len(names)
    return set(names)


@pytest.mark.parametrize("flag", ["enable", "disable"])
@pytest.mark.parametrize("seed", range(8))
def test_those_shapes_meet_that_meet_in_mujoco(stage_of, seed, flag):
    source, made = stage_of(_heap(np.random.default_rng(seed), flag))
    touching = _touching(source.model)
    assert model_pairs(source.model) == touching
    assert stage_pairs(made.stage) == touching
    assert compare(source, made.stage).worst < 1e-6


def test_the_heaps_meet_in_more_than_one_way():
    sizes = {
        len(_touching(mujoco.MjModel.from_xml_string(_heap(np.random.default_rng(seed)))))
        for seed in range(8)
    }
    assert len(sizes) > 3


def test_without_contacts_nothing_is_a_collider(stage_of):
    text = _heap(np.random.default_rng(0)).replace("<flag ", '<flag contact="disable" ')
    _, made = stage_of(text)
    assert made.counts["shapes that collide"] == 0


def test_a_pair_of_its_own_that_the_bits_contradict_is_said(stage_of):
    _, made = stage_of(
        """<mujoco><worldbody><geom name="a" size="1" contype="0" conaffinity="0"/>
          <body><freejoint/><geom name="b" size="1"/></body></worldbody>
          <contact><pair geom1="a" geom2="b"/></contact></mujoco>"""
    )
    assert any("a with b" in text and "it does not collide" in text for text in made.lost)


SURFACES = [
    Surface(slide, 0.0, 0.0, condim, priority)
    for slide, condim, priority in itertools.product((0.3, 0.8), (1, 3), (0, 1))
]


@pytest.mark.parametrize(("a", "b"), list(itertools.combinations_with_replacement(range(len(SURFACES)), 2)))
def test_the_friction_that_is_aimed_at_is_that_of_mujocos_contact(a, b):
    one, two = SURFACES[a], SURFACES[b]
    geom = '<geom size="1" condim="{0.condim}" priority="{0.priority}" friction="{0.slide}"/>'
    model = mujoco.MjModel.from_xml_string(
        f"""<mujoco><worldbody>{geom.format(one)}<body pos="0 0 1"><freejoint/>{geom.format(two)}</body>
        </worldbody></mujoco>"""
    )
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    (contact,) = data.contact
    assert mujoco_friction(one, two) == (contact.friction[0] if contact.dim > 1 else 0.0)


def test_the_later_mode_of_two_materials_combines():
    one = {mode: Choice(mode, 0.2) for mode in MODES}
    two = {mode: Choice(mode, 0.6) for mode in MODES}
    assert physx_friction(one["average"], two["average"]) == pytest.approx(0.4)
    assert physx_friction(one["average"], two["min"]) == 0.2
    assert physx_friction(one["multiply"], two["min"]) == pytest.approx(0.12)
    assert physx_friction(one["multiply"], two["max"]) == 0.6


def test_the_modes_that_are_chosen_are_the_best_there_are():
    rng = np.random.default_rng(0)
    for _ in range(20):
        surfaces = [SURFACES[k] for k in rng.choice(len(SURFACES), 3, replace=False)]
        pairs = {p for p in itertools.combinations_with_replacement(range(3), 2) if rng.random() < 0.7}
        chosen, wrong = choose(surfaces, pairs)

        def gap(choices, surfaces=surfaces, pairs=pairs):
            return sum(
                abs(physx_friction(choices[i], choices[j]) - mujoco_friction(surfaces[i], surfaces[j]))
                for i, j in pairs
            )

        options = [
            [Choice(m, f) for m in MODES for f in {s.slide, 0.0 if s.condim == 1 else s.slide}]
            for s in surfaces
        ]
        assert gap(chosen) == pytest.approx(min(map(gap, itertools.product(*options))))
        assert bool(wrong) == (gap(chosen) > 1e-9)


def test_driven_wheels_grip_the_pavement_and_casters_slide_on_everything():
    stage = export_stage(scenario_source(load_scenario("sidewalk_calm"), seed=0)).stage
    told = {s.name: Choice(s.friction[1], s.friction[0]) for s in read_shapes(stage) if s.collides}
    assert physx_friction(told["wheel_left"], told["sidewalk"]) == pytest.approx(0.9)
    for ground in ("sidewalk", "road"):
        assert physx_friction(told["caster_fl"], told[ground]) == 0.0


def test_many_kinds_of_surface_are_still_exported(stage_of):
    geoms = "".join(
        f'<geom size="0.1" pos="{k} 0 0" friction="{0.1 + 0.05 * k}" priority="{k % 3}"/>' for k in range(14)
    )
    _, made = stage_of(f"{geoms}<body pos='0 0 1'><freejoint/><geom size='0.1'/></body>")
    assert made.counts["friction materials"] == 15
    assert any(text.startswith("friction between two kinds of surface") for text in made.lost)
