"""`veille replay`: score recordings at full speed, on the path that live packets take."""

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from agent.cli.page import Commands, add_command, add_runtime, written
from agent.errors import RecordingError, StopError

if TYPE_CHECKING:
    from agent.settings import Settings

PAGE = """
Score recordings on the path that live packets take, at full speed.

A recording is a CSV file with the header t_s,<position>_x_g,<position>_y_g,<position>_z_g,... (seconds from the
start, or Unix seconds; one or more positions; acceleration in g; an empty cell = missing), the same columns as
arrays in .npz, or Parquet (needs `veille[parquet]`).

Examples:
  veille replay walk.csv --explain --explanations walk/
  veille replay ward/*.npz --scores scores.csv --events events.jsonl

The scores file is CSV: recording,wearer,t_s,score,p_value,p_low,p_high,verdict; one line a window, t_s = its end in
the recording's time, score: higher = stranger. The events file holds one event a line, as subscribers get them.
"""


def add_to(commands: Commands) -> None:
    """Add `replay` to the command line."""
    parser = add_command(commands, "replay", "score recordings from files", PAGE, run)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recordings: .csv, .npz or .parquet")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="the model (default: the one in the package)")
    add_runtime(parser)
    parser.add_argument("--scores", metavar="S.csv", help="write one line a window; - = standard output")
    parser.add_argument("--events", metavar="E.jsonl", help="write one event a line; - = standard output")
    parser.add_argument("--wearer", metavar="W", help="pseudonym (default: the file's name)")
    parser.add_argument("--config", type=Path, metavar="agent.toml", help="settings whose [alarms] hold")
    parser.add_argument("--explain", action="store_true", help="print each event in words")
    parser.add_argument(
        "--explanations", type=Path, metavar="DIR", help="write the whole explanation of each event: JSON and SVG"
    )


def run(given: argparse.Namespace) -> int:
    """Replay all files and say how much it was."""
    _check_files(given)
    settings = _settings(given)
    from agent.bundle import default_bundle_path, open_bundle
    from agent.cli.progress import Progress
    from agent.replay import replay_recordings

    bundle = open_bundle(given.bundle or default_bundle_path(), given.runtime or settings.runtime)
    with written(given.scores) as scores, written(given.events) as events, Progress("replay") as progress:
        summary = replay_recordings(
            given.files,
            bundle=bundle,
            wearer=given.wearer,
            settings=settings,
            scores=scores,
            events=_told(events, given.explain),
            explanations=_folder(given.explanations),
            on_progress=progress.show,
        )
    recordings = f"{summary.recordings} recording{'s' if summary.recordings != 1 else ''}"
    told = f"{summary.windows} windows, {summary.events} events in {summary.seconds:.1f} s"
    sys.stderr.write(f"{recordings}, {told}\n")
    if summary.refused:
        sys.stderr.write(f"refused or repaired: {', '.join(f'{name} {n}' for name, n in summary.refused.items())}\n")
    return 0


def _folder(path: Path | None) -> Path | None:
    if path is not None:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StopError(f"--explanations {path}: {error.strerror}; name a folder that can be written") from error
    return path


def _settings(given: argparse.Namespace) -> "Settings":
    import msgspec

    from agent.settings import Settings, read_settings

    settings = Settings() if given.config is None else read_settings(given.config)
    return msgspec.structs.replace(settings, wearers=())  # who may send is a matter of live packets


def _check_files(given: argparse.Namespace) -> None:
    """What can be known before the work is told before it."""
    if given.wearer is not None and re.fullmatch(r"[A-Za-z0-9_-]{1,64}", given.wearer) is None:
        raise StopError(f"--wearer {given.wearer}: a pseudonym is 1 to 64 of A-Z a-z 0-9 _ -")
    for path in given.files:
        if not path.exists():
            raise RecordingError(f"{path}: no such file; name recordings that exist")
    outputs = [Path(name).resolve() for name in (given.scores, given.events) if name not in (None, "-")]
    for path in given.files:
        if path.resolve() in outputs:
            raise StopError(f"{path}: is a recording and would be overwritten; name another output")
    if given.scores is not None and given.scores == given.events:
        raise StopError(f"{given.scores}: scores and events cannot share one output; name two files")


def _told(file: TextIO | None, explain: bool) -> TextIO | None:
    """`file`, or with `explain` a stream that also tells each event in words on standard output."""
    if not explain:
        return file
    from agent.telling import Teller

    return Teller(file, sys.stderr if file is sys.stdout else sys.stdout)
