# SPDX-License-Identifier: Apache-2.0
"""A tool in contact: mazes, what critic and recovery see of a contact, the model that they are learned in."""
