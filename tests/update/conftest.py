"""A publisher with keys, and bundles that it has signed."""

import hashlib
import json
import shutil
from pathlib import Path

import msgspec
import pytest

from agent.bundle import MANIFEST, default_bundle_path
from agent.signature import PAYLOAD_TYPE, SIGNATURE, Trust

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
def trust(keys: Path) -> Trust:
    """As on a gateway that trusts the publisher."""
    return Trust(keys / "root.json", required=True, gateway="ward3/gw1")


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
