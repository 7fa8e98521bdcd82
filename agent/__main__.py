"""`veille ...`, also as `python -m agent ...`."""

import os
import sys

# Before numpy is loaded: its matrix threads spin while they wait, and on small products cost more than they give.
# With them scoring took twice as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from agent.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
