"""`python -m lab` is the same as the command `descent`."""

import sys

from lab.cli import main

if __name__ == "__main__":
    sys.exit(main())
