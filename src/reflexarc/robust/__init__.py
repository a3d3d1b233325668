# SPDX-License-Identifier: Apache-2.0
"""The H-infinity disturber: a push that is learned against a policy, and a policy that is trained to bound its gain."""
