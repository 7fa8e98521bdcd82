"""`veille demo`: the whole agent, on this machine, in under a minute."""

import argparse
import tempfile
from pathlib import Path

from agent.cli.page import Commands, add_command
from agent.errors import StopError

PAGE = """
Show what a subscriber receives: start a broker on this machine (mosquitto where it is installed, else the one of
the extra `veille[demo]`), start the agent, play a SIMULATED recording of two minutes through them faster than life
(walking, arm movements, a fall, a sensor fault), print the events as they come,
and draw their explanations. Ends by itself.

With `--profile stroke` it shows three simulated weeks of two wrists in a minute instead, with `--profile
return_to_play` four of two ankles, and writes their page.

Examples:
  veille demo
  veille demo --profile stroke --out demo
"""


def add_to(commands: Commands) -> None:
    """Add `demo` to the command line."""
    parser = add_command(commands, "demo", "play a simulated recording and show its events", PAGE, run)
    parser.add_argument("--speed", type=_speed, default=4.0, metavar="N", help="times faster than life (default 4)")
    parser.add_argument("--profile", choices=("stroke", "return_to_play"), help="show weeks instead of two minutes")
    parser.add_argument("--out", type=Path, default=Path("veille-demo"), metavar="DIR", help="folder of that page")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="where pictures go (default: a temporary folder)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another person and another fall (default 0)")


def run(given: argparse.Namespace) -> int:
    """Play the demo; 0 where the fall and the sensor fault were both told."""
    if given.profile:
        from agent.demo_weeks import play_weeks

        return play_weeks(given.out, given.seed, given.profile)
    from agent.demo import play

    pictures = given.pictures or Path(tempfile.mkdtemp(prefix="veille-pictures-"))
    try:
        pictures.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StopError(f"--pictures {pictures}: {error.strerror}; name a folder that can be written") from error
    return play(speed=given.speed, seed=given.seed, pictures=pictures)


def _speed(text: str) -> float:
    speed = float(text)
    if not 0.1 <= speed <= 20:
        raise argparse.ArgumentTypeError(f"{text}: choose 0.1 to 20")
    return speed
