"""`make fuzz`: each target under atheris (libFuzzer), and one line for each: inputs, seconds, memory.

Fails on a finding, on a hang, on an input that took longer than a second, and on memory that grows.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.targets import TARGETS

GROWTH_MB = 4.0
AT_ONCE = 200_000
"""Inputs for one process: atheris itself keeps some kilobytes for each comparison of arrays that it watches."""
SLOWEST_S = 1.0
FINDINGS = Path(__file__).parent / "findings"


def fuzz(name: str, inputs: int, folder: Path) -> bool:
    """One target; whether all is well."""
    inputs = max(20, inputs // TARGETS[name].one_in)
    seconds = slowest_s = 0.0
    for turn, done in enumerate(range(0, inputs, AT_ONCE)):
        ended = started("one", name, min(AT_ONCE, inputs - done), folder, turn)
        found = [path for what in ("crash", "timeout", "oom") for path in sorted(folder.glob(f"{name}-{what}-*"))]
        report = folder / f"{name}-{turn}.json"
        if found or ended.returncode or not report.exists():
            print(f"{name}: FOUND, status {ended.returncode}\n{ended.stderr[-3000:]}")
            print(f"keep it: cp {' '.join(map(str, found))} {FINDINGS / name}/, and mend what it shows", flush=True)
            return False
        told = json.loads(report.read_text())
        seconds, slowest_s = seconds + told["seconds"], max(slowest_s, told["slowest_s"])
    flat = started("flat", name, max(20, inputs // 10), folder, 0)
    if flat.returncode:
        print(f"{name}: FOUND while its memory was watched\n{flat.stderr[-3000:]}", flush=True)
        return False
    growth_mb, end_mb = map(float, flat.stdout.split())
    speed = f"{inputs:9,} inputs {seconds:8.1f} s, slowest {slowest_s:.3f} s"
    print(f"{name:19} {speed}, nothing found; {end_mb:.0f} MB, {growth_mb:+.1f} MB in a tenth as many", flush=True)
    return growth_mb <= GROWTH_MB and slowest_s <= SLOWEST_S


def started(module: str, name: str, inputs: int, folder: Path, turn: int) -> "subprocess.CompletedProcess[str]":
    """In a process of its own, for a finding may well be a crash of the interpreter."""
    command = [sys.executable, "-m", f"tests.fuzz.{module}", name, str(inputs), str(folder), str(turn)]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *TARGETS], metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--inputs", type=int, default=1_000_000, help="for each target; slow ones take fewer")
    parser.add_argument("--folder", type=Path, help="where findings and what was collected are left")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="veille-fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    well = [fuzz(name, given.inputs, folder) for name in given.names or TARGETS]  # one finding does not end the others
    return int(not all(well))


if __name__ == "__main__":
    sys.exit(main())
