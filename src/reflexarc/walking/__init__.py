# SPDX-License-Identifier: Apache-2.0
"""Walking at run time: what a policy of a quadruped sees, its forward pass without JAX, and the risk of a fall."""
