"""A program that kills itself (SIGKILL) at its Nth touch of the disk below a folder, or of the network.

    killed_child.py N FOLDER update CONFIG         the real `veille update`
    killed_child.py N FOLDER switch CONFIG DIGEST  an agent that changes bundles to and fro

N = 0: count the touches, kill nobody, and print their number at the end.
"""

import os
import signal
import sys
from pathlib import Path

POINT, FOLDER = int(sys.argv[1]), sys.argv[2]
WATCHED = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.truncate", "socket.connect"}
touches = iter(range(1, 1 << 30))
seen = [0]


def touched() -> None:
    seen[0] = next(touches)
    if seen[0] == POINT:
        os.kill(os.getpid(), signal.SIGKILL)


def hear(event: str, arguments: tuple) -> None:
    if event in WATCHED and (event == "socket.connect" or str(arguments[0]).startswith(FOLDER)):
        touched()


def watched(real):
    def call(*arguments, **more):
        touched()  # before, and
        done = real(*arguments, **more)
        touched()  # after: between them lies what a power cut may or may not have kept
        return done

    return call


os.fsync, os.write, os.replace = watched(os.fsync), watched(os.write), watched(os.replace)
sys.addaudithook(hear)


def switch(config: Path, digest: str) -> None:
    from agent.audit import AuditLog
    from agent.clock import WallClock
    from agent.settings import read_settings
    from agent.shelf import shelf_of

    settings = read_settings(config)
    shelf = shelf_of(settings, WallClock(), AuditLog(Path(settings.state_dir) / "audit", WallClock()))
    shelf.begin()
    bundle = shelf.open(digest)
    for _ in range(3):
        shelf.switch(bundle, "a test")
        shelf.settle("a test")
        shelf.go_back("a test")
    shelf.stopped()


if sys.argv[3] == "update":
    from agent.cli.main import main

    status = main(["update", "--again", "--config", sys.argv[4]])
else:
    switch(Path(sys.argv[4]), sys.argv[5])
    status = 0
print("touches", seen[0])
sys.exit(status)
