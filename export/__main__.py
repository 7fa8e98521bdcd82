"""`python -m export RUN OUT`: a training run -> a bundle that the agent opens.

Examples:
  python -m export runs/student agent/shipped_bundle
  python -m export runs/ours bundle --folder our_recordings
  python -m export --renew-evidence agent/shipped_bundle
With --litert the bundle also serves LiteRT; that needs an environment of its own: `make bundle-litert`.
"""

import argparse
import sys
from pathlib import Path

from agent.errors import AgentError
from export.make import make, renew_evidence
from training.datasets.corpus import add_data_arguments
from training.errors import TrainingError


def main(argv: list[str] | None = None) -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m export", description=__doc__, formatter_class=raw)
    parser.add_argument("run", type=Path, nargs="?", help="folder of a training run (weights.npz, run.json)")
    parser.add_argument("out", type=Path, help="folder of the bundle; replaced as a whole")
    add_data_arguments(parser)
    parser.add_argument("--litert", action="store_true", help="add model.tflite and model.b1.tflite")
    parser.add_argument(
        "--renew-evidence", action="store_true", help="of the bundle OUT, teach only what tells wrong measurements"
    )
    args = parser.parse_args(argv)
    if args.run is None and not args.renew_evidence:
        parser.error("name the folder of a training run, and that of the bundle")
    try:
        if args.renew_evidence:
            renew_evidence(args.out, args.root)
            return 0
        make(args.run, args.out, args.root, args.folder, with_litert=args.litert)
    except (TrainingError, AgentError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
