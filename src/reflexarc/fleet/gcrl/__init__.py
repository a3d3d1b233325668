# SPDX-License-Identifier: Apache-2.0
"""Goal-conditioned safe reinforcement learning: how many steps, and how much danger, lie between two places.

A policy pi(s, g), a distance critic and a cost critic are learned from roll-outs alone; the roadmap
(`reflexarc.fleet.roadmap`) is drawn with them. Sources: Eysenbach et al., NeurIPS 2019, arXiv 1906.05253 (search on the
replay buffer); Feng, Parimi and Williams, ICRA 2025, arXiv 2502.17813 (cost critic, Lagrangian stage, self-sampling).
"""
