# SPDX-License-Identifier: Apache-2.0
"""Conformance of a hazard model: what simulations and logs did, against what the model says that can happen."""
