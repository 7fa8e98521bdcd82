"""`python -m training convert`: rows of a dataset -> files in the recording format, ready for `veille replay`."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from agent.errors import RecordingError
from agent.recording import Recording, write_recording
from training.datasets import NAMES, open_dataset, reader_of
from training.errors import DataError

DESCRIPTION = "Write recordings of a dataset as files in the recording format; each file is named after its recording."
EXAMPLE = """example:
  python -m training convert sisfall /tmp/sisfall --wearer SA01
  python -m training convert umafall /tmp/wrist --position wrist --format npz
A dataset whose positions have times of their own (umafall) gives one file a position: with --position straight
into OUT, otherwise into OUT/<position>/."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Tell `parser` what `main` needs."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("dataset", choices=NAMES, metavar="DATASET", help=", ".join(NAMES))
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the files; made if it is missing")
    parser.add_argument("--root", help="folder of the datasets (default: $VEILLE_DATA, then ../shared/data)")
    parser.add_argument("--wearer", help="only this wearer, for example SA01")
    parser.add_argument("--recording", help="only the recording of this name")
    parser.add_argument("--position", help="only this position")
    parser.add_argument("--format", choices=("csv", "npz", "parquet"), default="csv", help="default: csv")


def main(args: argparse.Namespace) -> int:
    """Convert; returns the exit status.

    Raises:
        DataError: the dataset is missing, nothing in it fits the arguments, or a file cannot be written.
    """
    written = 0
    for recording, folder in _chosen(args):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_recording(recording, folder / f"{recording.name}.{args.format}")
        except (OSError, RecordingError) as error:
            raise DataError(f"convert into {args.out}: {error}") from error
        written += 1
    if not written:
        raise DataError(f"dataset {args.dataset}: no recording fits {_wish(args)}")
    reader = reader_of(args.dataset)
    print(f"{written} recordings of {args.dataset} in {args.out}. Source: {reader.SOURCE}. Licence: {reader.LICENCE}.")
    return 0


def _chosen(args: argparse.Namespace) -> Iterator[tuple[Recording, Path]]:
    """The wanted recordings, and the folder of each."""
    whose = (args.wearer, f"{args.dataset}-{args.wearer}")
    for labelled in open_dataset(args.dataset, args.root, lambda wearer: not args.wearer or wearer in whose):
        recording = labelled.recording
        if args.recording not in (None, recording.name):
            continue
        if args.position is None:
            apart = args.dataset == "umafall"  # several recordings of one name
            yield recording, args.out / next(iter(recording.positions)) if apart else args.out
        elif args.position in recording.positions:
            only = {args.position: recording.positions[args.position]}
            yield replace(recording, positions=only), args.out


def _wish(args: argparse.Namespace) -> str:
    wishes = {"--wearer": args.wearer, "--recording": args.recording, "--position": args.position}
    return " ".join(f"{option} {value}" for option, value in wishes.items() if value) or "(it is empty)"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m training.datasets.convert")
    add_arguments(parser)
    try:
        sys.exit(main(parser.parse_args()))
    except DataError as error:
        print(f"convert: {error}", file=sys.stderr)
        sys.exit(2)
