"""Keys are changed: gateways follow from the root that they trust, and a withdrawn key opens nothing."""

import json
import shutil
from pathlib import Path

import pytest

from agent.errors import StopError
from agent.signature import trusted_root


@pytest.fixture
def own(tmp_path, keys) -> Path:
    """A publisher's keys, to be changed."""
    return Path(shutil.copytree(keys, tmp_path / "own_keys"))


def offered(site, veille) -> str:
    """Digest that this gateway is offered."""
    told = veille("update", "--config", site.config)
    assert told.returncode == 0, told.stderr
    return json.loads((site.state / "bundles" / "offer.json").read_text())["digest"]


def refused(site, veille) -> str:
    told = veille("update", "--config", site.config)
    assert (told.returncode, told.stderr.count("\n")) == (1, 1), told.stdout
    return told.stderr


def published(site, name: str, keys: Path) -> str:
    from export.publish import publish
    from export.sign import sign

    folder = site.bundle(name)
    sign(folder, keys)
    return publish(folder, site.repository, keys)


def test_a_gateway_that_slept_over_two_changes_of_the_root_key_follows_both(site, veille, own):
    """It trusts version 1 all the time; so does a new gateway with an old root.json."""
    from export.rotate import rotate

    digest = published(site, "first", own)
    assert offered(site, veille) == digest
    first_root = (own / "root.pem").read_bytes()
    assert rotate(site.repository, own, ["root"]) == 2
    assert rotate(site.repository, own, ["root", "online"]) == 3
    assert (own / "root.1.pem").read_bytes() == first_root != (own / "root.pem").read_bytes()
    digest = published(site, "second", own)
    assert offered(site, veille) == digest
    history = site.state / "bundles" / "tuf" / "root_history"
    assert trusted_root(site.keys / "root.json", history).signed.version == 3


def test_a_stolen_key_for_bundles_opens_nothing_after_it_was_withdrawn(site, veille, own, tmp_path):
    from export.rotate import rotate

    published(site, "first", own)
    stolen = Path(shutil.copytree(own, tmp_path / "stolen"))
    rotate(site.repository, own, ["bundles"])
    told = veille("update", "--config", site.config)
    assert (told.returncode, told.stdout) == (0, "the repository offers nothing for this gateway\n")
    published(site, "theirs", stolen)  # whoever holds it owns the web server too, and `online.pem`
    assert "UnsignedMetadataError" in refused(site, veille)


def test_a_root_that_the_old_root_key_has_not_signed_is_not_made_and_not_followed(site, veille, own, other_keys):
    from tuf.api.metadata import Metadata, Root

    from export.keys import read_key
    from export.rotate import rotate

    published(site, "first", own)
    before = {path.name: path.read_bytes() for path in own.iterdir()}
    shutil.copy(other_keys / "root.pem", own / "root.pem")
    with pytest.raises(StopError, match="is not the key"):
        rotate(site.repository, own, ["bundles"])
    assert {path.name for path in own.iterdir()} == before.keys()
    root = Metadata[Root].from_file(str(own / "root.json"))
    root.signed.version += 1
    root.sign(read_key(own, "root"))
    root.to_file(str(site.repository / "metadata" / "2.root.json"))
    assert "UnsignedMetadataError" in refused(site, veille)


def test_a_withdrawn_root_key_makes_no_further_root(site, veille, own, tmp_path):
    from export.rotate import rotate

    published(site, "first", own)
    rotate(site.repository, own, ["root"])
    digest = published(site, "second", own)
    assert offered(site, veille) == digest
    thief = Path(shutil.copytree(own, tmp_path / "thief"))
    shutil.copy(thief / "root.1.pem", thief / "root.pem")
    with pytest.raises(StopError, match="is not the key"):
        rotate(site.repository, thief, ["bundles"])
    from tuf.api.metadata import Metadata, Root

    from export.keys import read_key

    root = Metadata[Root].from_file(str(own / "root.json"))
    root.signed.version = 3
    root.sign(read_key(thief, "root"))
    root.to_file(str(site.repository / "metadata" / "3.root.json"))
    assert "UnsignedMetadataError" in refused(site, veille)


def test_a_root_is_renewed_before_it_expires(site, own):
    from export.rotate import rotate

    published(site, "first", own)
    before = trusted_root(own / "root.json").signed
    rotate(site.repository, own, [])
    after = trusted_root(own / "root.json").signed
    assert (after.version, after.roles) == (2, before.roles)
    assert after.expires >= before.expires
