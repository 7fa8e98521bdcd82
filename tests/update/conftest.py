"""A publisher with keys, and bundles that it has signed."""

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.bundle import default_bundle_path
from agent.manifest import MANIFEST
from agent.signature import PAYLOAD_TYPE, SIGNATURE, Keyring

WHY = "NOT TESTED: signatures and updates need the extra `veille[update]` (python-tuf, securesystemslib, cryptography)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Loud where the extra is missing."""
    try:
        import cryptography  # noqa: F401
        import securesystemslib  # noqa: F401
        import tuf  # noqa: F401
    except ImportError:
        here = Path(__file__).parent
        for item in items:
            if here in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=WHY))


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The publisher's keys."""
    from export.keys import make_keys

    folder = tmp_path_factory.mktemp("publisher") / "keys"
    make_keys(folder)
    return folder


@pytest.fixture(scope="session")
def other_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of somebody else, who makes keys just as well."""
    from export.keys import make_keys

    folder = tmp_path_factory.mktemp("stranger") / "keys"
    make_keys(folder)
    return folder


@pytest.fixture(scope="session")
def keyring(keys: Path) -> Keyring:
    """As on a gateway that trusts the publisher."""
    return Keyring(keys / "root.json", required=True, gateway="ward3/gw1")


class Workshop:
    """What publishers and attackers do to bundles."""

    @staticmethod
    def copy(source: Path, folder: Path, name: str) -> Path:
        """Under another id, so that it is another bundle with the same model; not signed."""
        shutil.copytree(source, folder)
        (folder / SIGNATURE).unlink(missing_ok=True)
        Workshop.rewrite(folder, id=name)
        return folder

    @staticmethod
    def rewrite(folder: Path, **fields: object) -> None:
        """Other fields in the manifest."""
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes()) | fields
        (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))

    @staticmethod
    def put(folder: Path, name: str, content: bytes) -> None:
        """Another file with its right digest."""
        (folder / name).write_bytes(content)
        files = msgspec.json.decode((folder / MANIFEST).read_bytes())["files"]
        Workshop.rewrite(folder, files=files | {name: hashlib.sha256(content).hexdigest()})

    @staticmethod
    def sign(folder: Path, keys: Path, kind: str = PAYLOAD_TYPE) -> Path:
        """Sign whatever lies there, without the examination of `export.sign`: a key in the wrong hands."""
        from securesystemslib.dsse import Envelope

        from export.keys import read_key

        envelope = Envelope((folder / MANIFEST).read_bytes(), kind, {})
        envelope.sign(read_key(keys, "bundles"))
        (folder / SIGNATURE).write_text(json.dumps(envelope.to_dict()))
        return folder


class Quiet(SimpleHTTPRequestHandler):
    """Static files, and no word about it."""

    def log_message(self, *_: object) -> None:
        pass


class Site:
    """A repository behind a real web server, and a gateway that is told of it."""

    def __init__(self, folder: Path, keys: Path) -> None:
        self.folder, self.keys = folder / "site", keys
        self.repository = self.folder / "veille"
        self.repository.mkdir(parents=True)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(self.folder)))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/veille"
        self.state = folder / "state"
        self.config = folder / "agent.toml"
        self.configure()

    def configure(self, more: str = "", **update: float) -> Path:
        """Write agent.toml."""
        limits = "".join(f"{key} = {value}\n" for key, value in update.items())
        self.config.write_text(
            f'site = "ward3"\ngateway = "gw1"\nstate_dir = "{self.state}"\ntrust = "{self.keys / "root.json"}"\n{more}'
            f'[update]\nurl = "{self.url}"\n{limits}'
        )
        return self.config

    def bundle(self, name: str, *, gateways: tuple[str, ...] = ()) -> Path:
        """A signed bundle under its own id."""
        folder = Workshop.copy(default_bundle_path(), self.folder.parent / "made" / name, name)
        if gateways:
            Workshop.rewrite(folder, gateways=list(gateways))
        return Workshop.sign(folder, self.keys)

    def publish(self, name: str, **more: Any) -> str:
        """A new bundle in the repository; returns its digest."""
        from export.publish import publish

        return publish(self.bundle(name, **more), self.repository, self.keys)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def site(keys: Path, tmp_path: Path) -> Iterator[Site]:
    """Serves until the test is over."""
    made = Site(tmp_path, keys)
    yield made
    made.close()


@pytest.fixture(scope="session")
def workshop() -> type[Workshop]:
    return Workshop


@pytest.fixture
def signed(keys: Path, tmp_path: Path) -> Path:
    """A signed bundle, to be attacked."""
    from export.sign import sign

    folder = Workshop.copy(default_bundle_path(), tmp_path / "signed", "good")
    sign(folder, keys)
    return folder
