"""Code that only a start has needed is given back, and nothing else is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from agent.bundle import default_bundle_path, open_bundle
from agent.resident import _unchanged, forget_code

SMAPS = """\
7f0000000000-7f0000003000 r-xp 00001000 fe:00 4711                       /usr/lib/libone.so
Rss:                  12 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
7f0000003000-7f0000004000 r-xp 00004000 fe:00 4711                       /usr/lib/with a breakpoint.so
Rss:                   4 kB
Anonymous:             4 kB
7f0000004000-7f0000005000 r--p 00005000 fe:00 4711                       /usr/lib/libone.so
Anonymous:             0 kB
7f0000005000-7f0000006000 rw-p 00006000 fe:00 4711                       /usr/lib/libone.so
Anonymous:             0 kB
7f0000006000-7f0000007000 r-xs 00006000 fe:00 4711                       /usr/lib/shared
Anonymous:             0 kB
7f0000007000-7f0000008000 r-xp 00000000 00:00 0
Anonymous:             0 kB
7f0000008000-7f0000009000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
7f0000009000-7f000000b000 r-xp 00000000 fe:00 12                         /usr/lib/libtwo.so
Anonymous:             0 kB
"""


def test_only_code_of_files_that_nobody_has_changed():
    assert list(_unchanged(SMAPS)) == [(0x7F0000000000, 0x3000), (0x7F0000009000, 0x2000)]


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="NOT TESTED: only Linux tells its mappings")
def test_a_start_gives_back_megabytes_and_the_network_answers_as_before():
    """In a process of its own: in this one other tests have run half of the libraries."""
    program = """
from agent.bundle import default_bundle_path, open_bundle
from agent.resident import forget_code
def file_kb():
    return int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("RssFile")))
open_bundle(default_bundle_path())
before = file_kb()
forget_code()
open_bundle(default_bundle_path())  # the golden stream once more, number by number
forget_code()
print(before, file_kb())
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr
    before, after = map(int, re.findall(r"\d+", told.stdout))
    assert before - after > 10_000, (before, after)


def test_where_nothing_is_told_of_mappings_nothing_happens(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda *_: (_ for _ in ()).throw(FileNotFoundError()))
    forget_code()
    monkeypatch.undo()
    assert open_bundle(default_bundle_path()).id
