"""One target under atheris, in a process of its own: `python -m tests.fuzz.one NAME INPUTS FOLDER TURN`.

What is worth keeping goes into FOLDER/NAME-corpus. When all inputs are through FOLDER/NAME-TURN.json is written; a
finding lies in FOLDER/NAME-crash-*, a hang in FOLDER/NAME-timeout-*.
"""

import json
import logging
import os
import sys
import time
from pathlib import Path

import atheris

from tests.fuzz.targets import TARGETS, Target

HANG_S = 10
SEED = 8


class Counted:
    """Calls the target, counts, and ends the process with a report."""

    def __init__(self, target: Target, inputs: int, report: Path) -> None:
        self.target, self.inputs, self.report = target, inputs, report
        self.done, self.slowest_s, self.began_s = 0, 0.0, time.perf_counter()

    def __call__(self, content: bytes) -> None:
        began_s = time.process_time()  # of ours: while others have the cores a clock on the wall says nothing
        self.target(content)
        self.slowest_s = max(self.slowest_s, time.process_time() - began_s)
        self.done += 1
        if self.done == self.inputs:
            told = {
                "inputs": self.done,
                "seconds": round(time.perf_counter() - self.began_s, 1),
                "slowest_s": round(self.slowest_s, 4),
            }
            self.report.write_text(json.dumps(told))
            os._exit(0)


def main(name: str, inputs: int, folder: Path, turn: int) -> None:
    logging.disable(logging.CRITICAL)
    where = TARGETS[name]
    with atheris.instrument_imports(include=list(where.watched)):
        target = where.make()
    corpus = folder / f"{name}-corpus"
    corpus.mkdir(exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    words = folder / f"{name}.dict"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words) or '"\\x00"\n')
    options = [f"-seed={SEED + turn}", f"-timeout={HANG_S}", "-rss_limit_mb=2048", f"-max_len={target.most_bytes}"]
    options += [f"-artifact_prefix={folder / name}-", "-print_final_stats=0", f"-dict={words}"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], Counted(target, inputs, folder / f"{name}-{turn}.json"))
    atheris.Fuzz()


def _escaped(word: str) -> str:
    return word.replace('"', '\\"') if "\\x" in word else word.replace("\\", "\\\\").replace('"', '\\"')


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
