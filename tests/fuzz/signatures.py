"""Who signed a bundle: its envelope, and the root file that is to be trusted."""

import json
from pathlib import Path

from agent.errors import BundleError, SettingsError
from agent.signature import PAYLOAD_TYPE, trusted_root, verified_payload
from tests.fuzz.draw import scratch, told_in_one_line


class Signature:
    """`signature.json`, and the root file that is to be trusted."""

    most_bytes = 4096
    words = (
        "payload",
        "payloadType",
        "signatures",
        "keyid",
        "sig",
        "signed",
        "roles",
        "threshold",
        "keys",
        PAYLOAD_TYPE,
    )

    def __init__(self) -> None:
        from export.keys import make_keys, read_key

        self._folder = scratch()
        keys = Path(self._folder.name) / "keys"
        make_keys(keys)
        self._root, self._signer = keys / "root.json", read_key(keys, "bundles")
        self._trusted, self._other = trusted_root(self._root), keys / "other.json"

    def seeds(self) -> list[bytes]:
        from securesystemslib.dsse import Envelope

        envelope = Envelope(b"{}", PAYLOAD_TYPE, {})
        envelope.sign(self._signer)
        signed = json.dumps(envelope.to_dict()).encode()
        return [b"E" + signed, b"E" + signed.replace(b"e30=", b"e31="), b"R" + self._root.read_bytes()]

    def __call__(self, content: bytes) -> None:
        if content[:1] != b"R":
            try:
                assert verified_payload(content[1:], self._trusted, Path("signature.json")) == b"{}", "a forgery"
            except BundleError as error:
                told_in_one_line(error)
            return
        self._other.write_bytes(content[1:])
        try:
            trusted_root(self._other)
        except SettingsError as error:
            told_in_one_line(error)
