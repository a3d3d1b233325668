# SPDX-License-Identifier: Apache-2.0
"""`python -m reflexarc.cli`: the command line without an installed console script."""

import sys

from reflexarc.cli import main

sys.exit(main())
