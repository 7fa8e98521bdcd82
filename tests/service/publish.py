"""What a publisher leaves for the machine that `boot.sh` boots: `python -m tests.service.publish FOLDER`.

root.json      the anchor
signed         a bundle that they have signed
strange        the same, signed by somebody else
altered        the same with one byte of the network changed since
repository     static files, where `signed` is the newest
"""

import shutil
import sys
import tempfile
from pathlib import Path

import msgspec

from agent.bundle import default_bundle_path
from agent.manifest import MANIFEST
from agent.signature import SIGNATURE
from export.keys import make_keys
from export.publish import publish
from export.sign import sign

NAME = "tried-here"


def signed(folder: Path, keys: Path) -> Path:
    """The shipped bundle under another name, so that it is a newer one."""
    shutil.copytree(default_bundle_path(), folder)
    (folder / SIGNATURE).unlink(missing_ok=True)
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes()) | {"id": NAME}
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    sign(folder, keys)
    return folder


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as secret:
        ours, theirs = Path(secret) / "ours", Path(secret) / "theirs"
        for keys in (ours, theirs):
            make_keys(keys)
        shutil.copy(ours / "root.json", folder)
        publish(signed(folder / "signed", ours), folder / "repository", ours)
        signed(folder / "strange", theirs)
        network = signed(folder / "altered", ours) / "model.onnx"
        content = network.read_bytes()
        network.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
