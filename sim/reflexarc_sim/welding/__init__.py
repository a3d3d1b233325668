# SPDX-License-Identifier: Apache-2.0
"""The welding cell as a place: an operator, a tool that moves, sensors, and the verified supervisor that drives them.

A kinematic simulation in the plan view, without MuJoCo: the tool is a disc, the person a disc and a limb. Links of the
arm, heights and clamping are not simulated.
"""
