# SPDX-License-Identifier: Apache-2.0
"""Readers: whatever tells about runs becomes a `Policy`, a summary or an episode table with the robot's
capital.
"""

from reflexarc.economics.readers.dispatch import Policy as Policy
from reflexarc.economics.readers.dispatch import read_policies as read_policies
