# SPDX-License-Identifier: Apache-2.0
"""`python -m reflexarc.cli`: the command line without an installed console script."""

import sys

from reflexarc.cli import main

if __name__ == "__main__":  # worker processes import this module under another name
    sys.exit(main())
