# SPDX-License-Identifier: Apache-2.0
"""Checks of MuJoCo: physics, and pictures without a screen."""

from reflexarc.cli.checks.finding import Finding, Level, Probe

_MODEL = """
model = mujoco.MjModel.from_xml_string(
    "<mujoco><worldbody><light pos='0 0 3'/><body pos='0 0 1'><freejoint/><geom size='.1'/></body></worldbody></mujoco>"
)
data = mujoco.MjData(model)
"""
PHYSICS_PROBE = (
    "import mujoco"
    + _MODEL
    + """
for _ in range(10):
    mujoco.mj_step(model, data)
assert data.qpos[2] < 1.0, "a body in the air does not fall"
print(mujoco.__version__)
"""
)
RENDERING_PROBE = (
    "import os; os.environ['MUJOCO_GL'] = 'egl'; import mujoco"
    + _MODEL
    + """
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 48, 64) as renderer:
    renderer.update_scene(data)
    picture = renderer.render()
assert picture.std() > 0.0, "the picture is empty"
from OpenGL import GL
print("EGL")
"""
)


def check_mujoco(probe: Probe) -> Finding:
    """Judge whether MuJoCo loads and steps."""
    answer = probe(PHYSICS_PROBE)
    if answer.ok:
        return Finding("MuJoCo", Level.OK, answer.text)
    return Finding("MuJoCo", Level.FAILED, answer.text, "run make clean setup")


def check_rendering(probe: Probe) -> Finding:
    """Judge whether pictures can be made; without them everything else works."""
    answer = probe(RENDERING_PROBE)
    if answer.ok:
        return Finding("rendering", Level.OK, answer.text)
    return Finding(
        "rendering",
        Level.WARNING,
        f"no pictures in reports: {answer.text}",
        "install libegl1 and libgl1: sudo sh tools/system_packages.sh",
    )
