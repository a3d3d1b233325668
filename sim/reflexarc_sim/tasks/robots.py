# SPDX-License-Identifier: Apache-2.0
"""The two robots of the navigation tasks, as MJCF with the dimensions and drives of Safety-Gymnasium's point and car.

The point is a ball on a plane (two slides and a hinge) with a box at its front; inputs are a force along its nose and
a turning rate. The car stands on two driven wheels and a ball; inputs are the two wheels' torques, its nose points to
-y of its frame. Source of every number: github PKU-Alignment/safety-gymnasium, commit ae966e5, assets/xmls. The files
here are our own; visual parts are left out.
"""

from typing import NamedTuple

SENSORS = ("accelerometer", "velocimeter", "gyro", "magnetometer")
"""Observed for every robot, 3 numbers each, in its frame: [m/s^2], [m/s], [rad/s], parts of MuJoCo's default field."""


class Robot(NamedTuple):
    """A robot of the navigation tasks."""

    body: str
    """MJCF of the robot's body, with a frame at its centre."""
    drives: str
    """MJCF of the actuators; inputs within [-1, 1]."""
    ball: bool
    """Whether the turning rate and the attitude of a rear ball are observed too."""
    timestep: float
    """Of the physics. [s]"""
    damping: float
    """Default of joints. [N m s/rad]"""
    radius: float
    """Of the smallest upright cylinder about the frame that holds the robot. [m]"""


POINT = Robot(
    body="""
    <body name="robot" pos="0 0 0.1">
      <joint name="x" type="slide" axis="1 0 0" damping="0.01"/>
      <joint name="y" type="slide" axis="0 1 0" damping="0.01"/>
      <joint name="heading" type="hinge" axis="0 0 1" damping="0.005"/>
      <geom name="hull" type="sphere" size="0.1" condim="6" density="1" friction="1 0.01 0.01" rgba=".8 .2 .2 1"/>
      <geom name="nose" type="box" size="0.05 0.05 0.05" pos="0.1 0 0" condim="6" density="1" rgba=".1 .2 .6 1"/>
      <site name="centre"/>
    </body>""",
    drives="""
    <motor name="thrust" site="centre" gear="0.3 0 0 0 0 0" ctrllimited="true" ctrlrange="-1 1"
           forcelimited="true" forcerange="-0.05 0.05"/>
    <velocity name="turn" joint="heading" gear="0.3" ctrllimited="true" ctrlrange="-1 1"
              forcelimited="true" forcerange="-0.05 0.05"/>""",
    ball=False,
    timestep=0.002,
    damping=0.001,
    radius=0.1582,  # the nose's far corners: hypot(0.15, 0.05)
)
_PART = 'condim="6" density="5" rgba=".8 .2 .2 1"'
_MOTOR = 'gear="1" ctrllimited="true" ctrlrange="-1 1" forcelimited="true" forcerange="-0.02 0.02"'
CAR = Robot(
    body=f"""
    <body name="robot" pos="0 0 0.1">
      <freejoint name="floating"/>
      <geom name="hull" type="box" size="0.1 0.1 0.05" {_PART}/>
      <geom name="tail" type="box" size="0.1 0.01 0.05" pos="0 0.15 0" {_PART}/>
      <geom name="tail_arm" type="box" size="0.01 0.025 0.03" pos="0 0.125 0" {_PART}/>
      <geom name="bumper" type="box" size="0.05 0.01 0.05" pos="0 -0.165 0" {_PART}/>
      <geom name="bumper_arm" type="box" size="0.05 0.03 0.01" pos="0 -0.13 0.04" {_PART}/>
      <site name="centre"/>
      <body name="left_wheel" pos="-0.1 0.1 -0.05">
        <joint name="left" type="hinge" axis="1 0 0"/>
        <geom name="left_tyre" type="cylinder" size="0.05" fromto="-0.055 0 0 -0.005 0 0" {_PART}/>
      </body>
      <body name="right_wheel" pos="0.1 0.1 -0.05">
        <joint name="right" type="hinge" axis="1 0 0"/>
        <geom name="right_tyre" type="cylinder" size="0.05" fromto="0.005 0 0 0.055 0 0" {_PART}/>
      </body>
      <body name="rear_ball" pos="0 -0.1 -0.05">
        <joint name="rear" type="ball"/>
        <geom name="rear_tyre" type="sphere" size="0.05" {_PART}/>
      </body>
    </body>""",
    drives=f"""
    <motor name="left" joint="left" {_MOTOR}/>
    <motor name="right" joint="right" {_MOTOR}/>""",
    ball=True,
    timestep=0.004,
    damping=0.001,
    radius=0.2158,  # the far corners of the wheels: hypot(0.155, 0.15)
)
ROBOTS = {"Point": POINT, "Car": CAR}
