# SPDX-License-Identifier: Apache-2.0
"""Reflexes: a critic of failure that judges an action while it is going on, and a recovery that takes over.

Sources: Thananjeyan et al., RA-L 2021, arXiv 2010.15920 (recovery reinforcement learning: safety critic and recovery
policy, judged once per action); Zhang, Solak and Ajoudani, arXiv 2503.21989 (Bresa: the critic judges every
intermediate action at control rate). Of Bresa neither code nor figures can be had; where its text is silent, the
modules here say what was chosen.
"""
