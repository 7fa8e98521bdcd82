"""A bundle is signed as a whole, by those who are trusted, for this gateway; what is not says so or is refused."""

import dataclasses
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from agent import signature
from agent.bundle import default_bundle_path, open_bundle
from agent.errors import BundleError, SettingsError, StopError
from agent.manifest import MANIFEST
from agent.signature import SIGNATURE, Keyring


def refusal(folder: Path, keyring: Keyring) -> str:
    with pytest.raises(BundleError) as caught:
        open_bundle(folder, keyring=keyring)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_the_publisher_signed_opens(signed, keyring):
    assert open_bundle(signed, keyring=keyring).origin == "signed"


def test_the_shipped_bundle_needs_no_key_for_it_is_pinned(keyring):
    assert open_bundle(default_bundle_path(), keyring=keyring).origin == "shipped"


def test_another_bundle_in_the_place_of_the_shipped_one_is_refused(monkeypatch, signed, tmp_path):
    monkeypatch.setattr(signature, "SHIPPED", signed)
    assert "not the bundle that came with this agent" in refusal(signed, Keyring())
    pin = tmp_path / "pin"
    pin.write_text(f"{'0' * 64}\n")
    monkeypatch.setattr(signature, "PIN", pin)
    monkeypatch.setattr(signature, "SHIPPED", default_bundle_path())
    assert "not the bundle that came with this agent" in refusal(default_bundle_path(), Keyring())


def test_without_a_signature_it_is_refused_where_one_is_required_and_named_where_not(signed, keyring, caplog):
    (signed / SIGNATURE).unlink()
    assert "is not signed" in refusal(signed, keyring)
    assert open_bundle(signed, keyring=dataclasses.replace(keyring, required=False)).origin == "unsigned"
    assert "is not signed" in caplog.text


def test_without_an_anchor_nobody_is_trusted(signed):
    assert "nobody is trusted" in refusal(signed, Keyring(required=True))
    assert open_bundle(signed, keyring=Keyring()).origin == "unverified"


def test_without_the_extra_it_says_plainly_that_it_cannot_check(signed, keyring, monkeypatch, caplog):
    monkeypatch.setattr(signature, "find_spec", lambda name: None)
    assert "pip install 'veille[update]'" in refusal(signed, keyring)
    assert open_bundle(signed, keyring=dataclasses.replace(keyring, required=False)).origin == "unverified"
    assert "cannot be checked" in caplog.text


def test_a_wrong_signature_is_refused_even_where_none_is_required(signed, keyring, workshop):
    workshop.rewrite(signed, id="other")
    assert "another manifest" in refusal(signed, dataclasses.replace(keyring, required=False))


def test_an_anchor_that_is_none_is_a_mistake_of_settings(signed, keyring, tmp_path):
    for content in (b"", b"{}", b"\x00" * 50, (signed / SIGNATURE).read_bytes()):
        (tmp_path / "root.json").write_bytes(content)
        with pytest.raises(SettingsError, match="trust"):
            open_bundle(signed, keyring=dataclasses.replace(keyring, anchor=tmp_path / "root.json"))


def test_an_anchor_that_was_altered_is_no_anchor(signed, keyring, keys, other_keys, tmp_path):
    root, other = (json.loads((folder / "root.json").read_text()) for folder in (keys, other_keys))
    root["signed"]["roles"]["targets"] = other["signed"]["roles"]["targets"]
    (tmp_path / "root.json").write_text(json.dumps(root))
    with pytest.raises(SettingsError):
        open_bundle(signed, keyring=dataclasses.replace(keyring, anchor=tmp_path / "root.json"))


def test_a_bundle_for_other_gateways_is_refused_here(signed, keyring, keys):
    from export.sign import sign

    sign(signed, keys, ["ward4/gw1", "ward5/gw1"])
    assert "made for ward4/gw1, ward5/gw1, this is ward3/gw1" in refusal(signed, keyring)
    sign(signed, keys, ["ward3/gw1"])
    assert open_bundle(signed, keyring=keyring).manifest.gateways == ["ward3/gw1"]


def new_root(keys: Path, history: Path, newcomer: Path, *, signed_by: tuple[Path, ...]) -> None:
    """Version 2 of the root, in which `newcomer` signs bundles."""
    from tuf.api.metadata import Metadata, Root

    from export.keys import read_key

    root = Metadata[Root].from_file(str(keys / "root.json"))
    root.signed.version = 2
    root.signed.revoke_key(root.signed.roles["targets"].keyids[0], "targets")
    root.signed.add_key(read_key(newcomer, "bundles").public_key, "targets")
    root.signatures.clear()
    for folder in signed_by:
        root.sign(read_key(folder, "root"), append=True)
    history.mkdir(exist_ok=True)
    root.to_file(str(history / "2.root.json"))


def test_keys_can_be_changed_and_withdrawn_by_a_new_root(signed, keyring, keys, other_keys, workshop, tmp_path):
    following = dataclasses.replace(keyring, history=tmp_path / "roots")
    new_root(keys, tmp_path / "roots", other_keys, signed_by=(keys,))
    assert "not signed by a key of the anchor" in refusal(signed, following)
    assert open_bundle(workshop.sign(signed, other_keys), keyring=following).origin == "signed"


def test_a_new_root_by_somebody_else_is_not_followed(signed, keyring, keys, other_keys, tmp_path, workshop):
    new_root(keys, tmp_path / "roots", other_keys, signed_by=(other_keys,))
    following = dataclasses.replace(keyring, history=tmp_path / "roots")
    assert open_bundle(signed, keyring=following).origin == "signed"
    assert "not signed by a key of the anchor" in refusal(workshop.sign(signed, other_keys), following)


def test_private_keys_are_their_owners_alone_and_are_never_overwritten(keys):
    from export.keys import make_keys, read_key

    for name in ("root", "bundles", "online"):
        assert stat.S_IMODE((keys / f"{name}.pem").stat().st_mode) == 0o600
    before = (keys / "root.pem").read_bytes()
    with pytest.raises(StopError, match="never overwritten"):
        make_keys(keys)
    assert (keys / "root.pem").read_bytes() == before
    with pytest.raises(StopError, match="python -m export keys"):
        read_key(keys / "nowhere", "bundles")


def test_private_keys_can_have_a_password(tmp_path, monkeypatch):
    from export.keys import make_keys, read_key

    monkeypatch.setenv("VEILLE_KEY_PASSWORD", "a long one")
    make_keys(tmp_path / "keys")
    read_key(tmp_path / "keys", "bundles")
    for wrong in ("", "another"):
        monkeypatch.setenv("VEILLE_KEY_PASSWORD", wrong)
        with pytest.raises(StopError, match="VEILLE_KEY_PASSWORD"):
            read_key(tmp_path / "keys", "bundles")


def test_openssl_agrees_that_the_signature_is_good(signed, keys, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("NOT TESTED: no openssl")
    from securesystemslib.dsse import Envelope

    envelope = Envelope.from_dict(json.loads((signed / SIGNATURE).read_text()))
    (tmp_path / "pae").write_bytes(envelope.pae())
    (one,) = envelope.signatures.values()
    (tmp_path / "sig").write_bytes(bytes.fromhex(one.signature))
    commands = [
        ["openssl", "pkey", "-in", keys / "bundles.pem", "-pubout", "-out", "pub.pem"],
        ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "pub.pem", "-rawin", "-in", "pae", "-sigfile", "sig"],
    ]
    for command in commands:
        found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "Verified Successfully" in found.stdout, found.stderr


def test_nothing_is_read_out_of_a_bundle_before_its_signature_holds(signed, keyring, workshop, monkeypatch):
    workshop.rewrite(signed, id="other")
    opened: list[str] = []
    real = os.open

    def watched(path, *rest, **more):
        opened.append(Path(path).name)
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "open", watched)
    refusal(signed, keyring)
    assert set(opened) <= {MANIFEST, SIGNATURE, "root.json"}


def test_the_command_line_verifies_against_an_anchor(signed, keys, other_keys, veille):
    good = veille("bundle", "verify", signed, "--trust", keys / "root.json")
    assert good.returncode == 0
    assert "(signed, " in good.stdout
    bad = veille("bundle", "verify", signed, "--trust", other_keys / "root.json")
    assert bad.returncode == 2
    assert "not signed by a key of the anchor" in bad.stderr
