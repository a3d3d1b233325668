# SPDX-License-Identifier: Apache-2.0
"""Checks of everything the project needs from its machine, each with what to do when it is missing.

A check is a function that receives what it judges as arguments and returns a `Finding`; `examine` calls all of them
with what this machine has. Checks that could take the process down with them (shared libraries, DDS, OpenGL) run in
a process of their own.
"""

from reflexarc.cli.checks.examine import examine as examine
from reflexarc.cli.checks.finding import Finding as Finding
from reflexarc.cli.checks.finding import Level as Level
