"""One target without the fuzzer, whose own memory grows: `python -m tests.fuzz.flat NAME INPUTS FOLDER`.

Plays what the fuzzer has collected in FOLDER/NAME-corpus again and again, with a few bytes changed, and prints
by how much the resident memory grew from the first quarter to the end, and what it was then, in MB.
"""

import logging
import random
import sys
import warnings
from pathlib import Path

from tests.fuzz.targets import TARGETS, Target


def resident_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS:"))) / 1024


def spoilt(content: bytes, chance: random.Random) -> bytes:
    """Up to three places of it are changed, taken out or put in."""
    for _ in range(chance.randrange(4)):
        at, out = chance.randrange(len(content) + 1), chance.randrange(3)
        content = content[:at] + chance.randbytes(chance.randrange(3)) + content[at + out :]
    return content


def play(target: Target, contents: list[bytes], inputs: int, chance: random.Random) -> tuple[float, float]:
    """Growth, and memory at the end, in MB."""
    early_mb = 0.0
    for number in range(inputs):
        target(spoilt(chance.choice(contents), chance))
        if number == inputs // 4:
            early_mb = resident_mb()
    return resident_mb() - early_mb, resident_mb()


def main(name: str, inputs: int, folder: Path) -> None:
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    target = TARGETS[name].make()
    kept = sorted((folder / f"{name}-corpus").iterdir())
    growth, end = play(target, [path.read_bytes() for path in kept], inputs, random.Random(8))
    print(f"{growth:.1f} {end:.0f}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
