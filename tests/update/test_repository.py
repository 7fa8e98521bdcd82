"""A repository on a real web server: what it offers arrives whole, and no trick of who owns the server is taken."""

import datetime as dt
import json
import shutil
from pathlib import Path

import pytest

from agent.audit_check import entries, examine
from agent.manifest import MANIFEST


def state(site) -> dict:
    path = site.state / "bundles" / "offer.json"
    return json.loads(path.read_text()) if path.exists() else {}


def snapshot_of(site, folder: Path) -> Path:
    return Path(shutil.copytree(site.repository, folder))


def restore(site, folder: Path) -> None:
    shutil.rmtree(site.repository)
    shutil.copytree(folder, site.repository)


def refused(site, veille, *, keeps: str = "", status: int = 1) -> str:
    """The updater says no in one line, offers nothing new, and writes it down.

    `status`: 1 = it may be better tomorrow, the timer tries again; 2 = a person is needed.
    """
    told = veille("update", "--config", site.config)
    assert told.returncode == status, told.stderr
    assert told.stderr.count("\n") == 1
    assert state(site).get("digest", "") == keeps
    last = list(entries(site.state / "audit"))[-1]
    assert (last.kind, last.data["what"]) == ("update", "failed")
    return told.stderr


def test_a_new_bundle_is_fetched_examined_shown_and_offered(site, veille):
    digest = site.publish("first")
    told = veille("update", "--config", site.config)
    assert told.returncode == 0, told.stderr
    assert state(site)["digest"] == digest
    assert (site.state / "bundles" / digest / MANIFEST).exists()
    assert "offered     first" in told.stdout
    assert "fewest false alarms/day" in told.stdout
    assert "the shadow run comes before the switch" in told.stdout
    assert [entry.data["what"] for entry in entries(site.state / "audit")] == ["offered"]
    assert examine(site.state / "audit").faults == []


def test_a_plan_shows_what_would_change_and_offers_nothing(site, veille, workshop, keys):
    folder = site.bundle("narrow")
    layout = json.loads((folder / MANIFEST).read_text())["layout"]
    del layout["positions"]["left_wrist"]
    workshop.rewrite(folder, layout=layout)
    workshop.sign(folder, keys)
    from export.publish import publish

    publish(folder, site.repository, keys)
    told = veille("update", "--config", site.config, "--plan")
    assert "positions: gone left_wrist; new -" in told.stdout
    assert "nothing was offered" in told.stdout
    assert state(site) == {}


def test_the_newest_for_this_gateway_is_taken(site, veille):
    for_all = site.publish("for_all")
    site.publish("for_others", gateways=("ward9/gw1",))
    veille("update", "--config", site.config)
    assert state(site)["digest"] == for_all
    ours = site.publish("ours", gateways=("ward3/gw1",))
    veille("update", "--config", site.config)
    assert state(site)["digest"] == ours


def test_a_repository_stays_small_and_can_be_extended_for_ever(site):
    for number in range(8):
        site.publish(f"b{number}")
    current = max((site.repository / "targets").glob("*.current.json"), key=lambda path: path.stat().st_mtime_ns)
    assert [one["id"] for one in json.loads(current.read_text())["bundles"]] == ["b7", "b6", "b5", "b4", "b3"]


def test_old_bundles_leave_the_disk_of_the_gateway(site, veille):
    for number in range(4):
        site.publish(f"b{number}")
        veille("update", "--config", site.config)
    folders = [path for path in (site.state / "bundles").iterdir() if len(path.name) == 64]
    assert len(folders) <= 2


def test_what_is_in_service_is_not_offered_again(site, veille):
    digest = site.publish("first")
    (site.state / "bundles").mkdir(parents=True)
    (site.state / "bundles" / "service.json").write_text(json.dumps({"digest": digest}))
    assert "in service" in veille("update", "--config", site.config).stdout
    assert state(site) == {}


def test_what_was_refused_is_tried_again_only_when_someone_asks(site, veille):
    digest = site.publish("first")
    (site.state / "bundles").mkdir(parents=True)
    service = {"refused": {digest: {"at_s": 1e9, "reason": "a flood of alarms"}}}
    (site.state / "bundles" / "service.json").write_text(json.dumps(service))
    assert "was tried: a flood of alarms" in veille("update", "--config", site.config).stdout
    assert state(site) == {}
    veille("update", "--config", site.config, "--again")
    assert state(site)["digest"] == digest


def test_going_back_needs_no_repository(site, veille):
    (site.state / "bundles").mkdir(parents=True)
    site.close()
    assert "nothing to go back from" in veille("update", "--config", site.config, "--back").stdout
    (site.state / "bundles" / "service.json").write_text(json.dumps({"digest": "a" * 64}))
    assert "out of service" in veille("update", "--config", site.config, "--back").stdout
    assert state(site)["back"]
    assert json.loads(veille("update", "--config", site.config, "--status").stdout)["service"]["digest"] == "a" * 64


# --- attacks of who owns the server or the line -----------------------------------------------------------


def test_rollback_to_an_older_state_that_was_signed_all_right(site, veille, tmp_path):
    site.publish("old")
    old = snapshot_of(site, tmp_path / "old")
    new = site.publish("new")
    veille("update", "--config", site.config)
    restore(site, old)
    assert "BadVersionNumberError" in refused(site, veille, keeps=new)


def test_rollback_of_the_list_alone(site, veille, tmp_path):
    site.publish("old")
    old = snapshot_of(site, tmp_path / "old")
    site.publish("new")
    for path in (old / "metadata").glob("*.targets.json"):
        newest = max((site.repository / "metadata").glob("*.targets.json"))
        shutil.copy(path, newest)
    assert "BadVersionNumberError" in refused(site, veille)


def test_freeze_by_a_timestamp_that_has_expired(site, veille, keys):
    from export.publish import refresh

    site.publish("first")
    refresh(site.repository, keys, fresh_days=-1)
    assert "ExpiredMetadataError" in refused(site, veille)
    refresh(site.repository, keys)
    assert veille("update", "--config", site.config).returncode == 0


def test_expired_targets_even_under_a_fresh_timestamp(site, veille, keys):
    from export import publish as publishing
    from export.publish import refresh

    before, publishing.TARGETS_DAYS = publishing.TARGETS_DAYS, -1.0
    try:
        site.publish("first")
    finally:
        publishing.TARGETS_DAYS = before
    refresh(site.repository, keys)
    assert "ExpiredMetadataError" in refused(site, veille)


def test_mix_and_match_of_a_new_snapshot_with_old_targets(site, veille, tmp_path):
    site.publish("old")
    old = snapshot_of(site, tmp_path / "old")
    site.publish("new")
    (site.repository / "metadata" / "2.targets.json").write_bytes((old / "metadata" / "1.targets.json").read_bytes())
    refused(site, veille)


def test_mix_and_match_of_files_of_two_bundles(site, veille):
    first, second = site.publish("first"), site.publish("second")
    folders = [site.repository / "targets" / "bundles" / digest for digest in (first, second)]
    (manifest,) = folders[1].glob("*.bundle.json")
    manifest.write_bytes(next(folders[0].glob("*.bundle.json")).read_bytes())
    refused(site, veille)


@pytest.mark.parametrize("name", ["bundle.json", "signature.json", "model.onnx", "calibration.npz", "golden.npz"])
def test_a_flipped_byte_on_the_server(site, veille, name):
    digest = site.publish("first")
    (path,) = (site.repository / "targets" / "bundles" / digest).glob(f"*.{name}")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "LengthOrHashMismatchError" in refused(site, veille)


@pytest.mark.parametrize("pattern", ["timestamp.json", "*.snapshot.json", "*.targets.json"])
def test_metadata_that_claim_to_hold_for_a_century_more(site, veille, pattern):
    site.publish("first")
    (path,) = (site.repository / "metadata").glob(pattern)
    content = path.read_bytes()
    assert b'"expires":"20' in content.replace(b'": "', b'":"')
    path.write_bytes(content.replace(b'"20', b'"21'))
    refused(site, veille)


def test_metadata_signed_by_somebody_else(site, veille, other_keys, tmp_path, workshop):
    from export.publish import publish

    bundle = workshop.sign(site.bundle("theirs"), other_keys)
    publish(bundle, site.repository, other_keys)
    assert "UnsignedMetadataError" in refused(site, veille)


def test_a_bundle_that_the_publisher_lists_but_has_not_signed(site, veille, keys, other_keys, monkeypatch, workshop):
    """The key for the list is in the wrong hands, the one of the bundle is not: both walls are needed."""
    from export import publish as publishing

    bundle = workshop.sign(site.bundle("theirs"), other_keys)
    real = publishing.open_bundle
    monkeypatch.setattr(publishing, "open_bundle", lambda path, **_: real(path))
    publishing.publish(bundle, site.repository, keys)
    assert "not signed by a key of the anchor" in refused(site, veille, status=2)


def test_the_key_that_vouches_cannot_offer_bundles(site, veille, keys):
    """`online` lies on a server: who steals it may freeze or refresh, no more."""
    from tuf.api.metadata import Metadata, Targets

    from export.keys import read_key
    from export.publish import refresh

    site.publish("first")
    path = site.repository / "metadata" / "1.targets.json"
    targets = Metadata[Targets].from_file(str(path))
    targets.signed.version = 2
    targets.signatures.clear()
    targets.sign(read_key(keys, "online"))
    targets.to_file(str(path.with_name("2.targets.json")))
    refresh(site.repository, keys)
    assert "UnsignedMetadataError" in refused(site, veille)


@pytest.mark.parametrize("length", [20_000, 40 << 20])
def test_metadata_without_end(site, veille, length):
    site.publish("first")
    (site.repository / "metadata" / "timestamp.json").write_bytes(b" " * length)
    assert "DownloadLengthMismatchError" in refused(site, veille)


@pytest.mark.parametrize("content", [b"", b"null", b"{}", b"[" * 10_000, b"\xff" * 99])
def test_metadata_that_are_none(site, veille, content):
    site.publish("first")
    (site.repository / "metadata" / "timestamp.json").write_bytes(content)
    refused(site, veille)


def listed(site, **changes: object) -> None:
    """Change what the list says of the first bundle, and sign it with the right key."""
    from export import publish as publishing

    real = publishing._kept

    def changed(offered):
        import msgspec

        kept = real(offered)
        return [msgspec.structs.replace(kept[0], **changes), *kept[1:]]

    publishing._kept = changed
    try:
        site.publish("first")
    finally:
        publishing._kept = real


@pytest.mark.parametrize("digest", ["../../../etc", "0" * 63, "0" * 64, "A" * 64, ""])
def test_a_list_that_names_another_folder(site, veille, digest):
    listed(site, digest=digest)
    refused(site, veille)
    assert sorted(path.name for path in site.state.iterdir()) == ["audit", "bundles"]


@pytest.mark.parametrize("name", ["../../service.json", "/etc/passwd", "sitecustomize.py", "bundle.json/../x"])
def test_a_list_that_names_files_that_belong_to_no_bundle(site, veille, name):
    listed(site, files=["bundle.json", name])
    assert "belongs to no bundle" in refused(site, veille)


def test_a_repository_that_is_away_or_empty(site, veille):
    assert "DownloadHTTPError" in refused(site, veille)
    site.close()
    assert "the bundle in service stays" in refused(site, veille)


def test_keys_can_be_changed_by_the_root_key_and_by_nobody_else(site, veille, keys, other_keys):
    from tuf.api.metadata import Metadata, Root

    from export.keys import read_key

    site.publish("first")
    root = Metadata[Root].from_file(str(keys / "root.json"))
    root.signed.version = 2
    root.signed.revoke_key(root.signed.roles["targets"].keyids[0], "targets")
    root.signed.add_key(read_key(other_keys, "bundles").public_key, "targets")
    root.signatures.clear()
    root.sign(read_key(other_keys, "root"))
    root.to_file(str(site.repository / "metadata" / "2.root.json"))
    assert "UnsignedMetadataError" in refused(site, veille)
    root.signatures.clear()
    root.sign(read_key(keys, "root"))
    root.to_file(str(site.repository / "metadata" / "2.root.json"))
    assert "UnsignedMetadataError" in refused(site, veille)  # the list is still signed with the key that was withdrawn


def test_updates_without_an_anchor_or_a_repository_are_a_mistake_of_settings(site, veille):
    site.config.write_text(f'state_dir = "{site.state}"\n')
    told = veille("update", "--config", site.config)
    assert told.returncode == 2
    assert "need `url` under [update], and `trust`" in told.stderr


def test_two_updaters_do_not_trample_on_each_other(site, veille):
    import fcntl

    site.publish("first")
    (site.state / "bundles").mkdir(parents=True)
    with (site.state / "bundles" / "update.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "another update is under way" in veille("update", "--config", site.config).stderr


def test_a_timestamp_says_how_long_it_is_valid(site):
    site.publish("first")
    timestamp = json.loads((site.repository / "metadata" / "timestamp.json").read_text())
    expires = dt.datetime.fromisoformat(timestamp["signed"]["expires"])
    assert dt.timedelta(days=13) < expires - dt.datetime.now(dt.UTC) < dt.timedelta(days=15)
