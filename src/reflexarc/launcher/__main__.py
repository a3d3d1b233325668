# SPDX-License-Identifier: Apache-2.0
"""`python -m reflexarc.launcher FILE name:=value ...` is `reflexarc launch FILE name:=value ...`."""

import sys

from reflexarc.cli import main

sys.exit(main(["launch", *sys.argv[1:]]))
