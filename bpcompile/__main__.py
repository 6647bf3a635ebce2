"""`python -m bpcompile`: the same as the command `bpcompile`."""

import sys

from bpcompile.cli import main

sys.exit(main())
