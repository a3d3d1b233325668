# SPDX-License-Identifier: Apache-2.0
"""Analytic barriers: rows, gains, margins for sampling, delay and model error, backup sets, the filter made of them.

Nothing is imported here, so that `braking` and `separation` can be had without JAX.
"""
