# SPDX-License-Identifier: Apache-2.0
"""Planning under risk: a nominal plan, the risk of its next second, a better candidate, the rest planned anew.

After Meng, Qiu, Waez, Fan, *Case Studies for Computing Density of Reachable States for Safe Autonomous Motion
Planning*, NFM 2022, arXiv 2209.08073; the density there is a network's, here the particles are exact.
"""
