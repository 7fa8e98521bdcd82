"""Files that somebody may have changed: settings, and every part of a bundle up to its network."""

import io
import struct
import zipfile
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from agent.arrays import Arrays, read_arrays
from agent.bundle import default_bundle_path, open_bundle
from agent.contents import calibration_of, prototypes_of
from agent.errors import BundleError, SettingsError
from agent.manifest import MANIFEST, Manifest, read_manifest
from agent.settings import Settings, read_toml
from agent.settings_page import settings_page
from tests.fuzz.draw import Draw, scratch, told_in_one_line

SHIPPED = default_bundle_path()
PARTS = ("prototypes.npz", "calibration.npz")


def small_manifest() -> Manifest:
    """The shipped one, with as few words as it may have."""
    manifest = msgspec.json.decode((SHIPPED / MANIFEST).read_bytes(), type=Manifest)
    return msgspec.structs.replace(manifest, data=[], training={}, limits="", parity={})


class SettingsFile:
    """`agent.toml`."""

    most_bytes = 1024
    words = (*(f"{name} = " for name in Settings.__struct_fields__), "[broker]", "[[", "]]", "'''", '"""', "inf")

    def __init__(self) -> None:
        self._folder = scratch()
        self._path = Path(self._folder.name) / "agent.toml"

    def seeds(self) -> list[bytes]:
        sections = settings_page().encode().split(b"\n[")
        return [sections[0], *(b"[" + one for one in sections[1:]), b"a.b.c = {d = [1979-05-27T07:32:00Z, 0x1F, 1e9]}"]

    def __call__(self, content: bytes) -> None:
        self._path.write_bytes(content)
        try:
            read_toml(self._path, Settings)
        except SettingsError:
            return


class ManifestFile:
    """`bundle.json`."""

    most_bytes = 6000
    words = ("schema", "layout", "families", "positions", "files", "rate_hz", "1e308", "-1", "null", "veille-bundle/2")

    def seeds(self) -> list[bytes]:
        whole = msgspec.json.encode(small_manifest())
        return [whole, whole.replace(b"wrist", b"\\u0000"), b'{"schema": "veille-bundle/2"}', b"[" * 2000]

    def __call__(self, content: bytes) -> None:
        try:
            manifest = read_manifest(content, SHIPPED)
        except BundleError:
            return
        assert all(manifest.layout.family_index(position) is not None for position in manifest.layout.positions)


class ArraysFile:
    """`.npz`: as bytes, or with whole members of any header and content, so that the fuzzer gets past the checksums."""

    most_bytes = 4096
    words = (
        "\\x93NUMPY",
        "'descr': '<f4'",
        "'|O'",
        "'fortran_order': False",
        "'shape': (3, 4)",
        "-1",
        "1e9",
        "PK\\x03\\x04",
    )

    def seeds(self) -> list[bytes]:
        plain = io.BytesIO()
        np.savez(plain, places=np.ones((3, 4), np.float32), wearers=np.array(3), words=np.array(["a", "b"]))
        members = []
        for values in (np.ones((2, 3)), np.array(1), np.array([None]), np.zeros((0, 5), "<f4")):
            member = io.BytesIO()
            np.lib.format.write_array(member, values)
            members.append(struct.pack("<BBH", len(members), 0, len(member.getvalue())) + member.getvalue())
        return [b"\0" + plain.getvalue(), b"\1" + b"".join(members)]

    def __call__(self, content: bytes) -> None:
        whole = content[1:] if content[:1] == b"\0" else _archive(Draw(content[1:]))
        try:
            arrays = read_arrays(whole, "prototypes.npz")
        except BundleError:
            return
        assert all(values.dtype.kind in "biuf" for values in arrays.values())


def _archive(draw: Draw) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for number in range(8):
            if not draw.left:
                break
            name, packed = f"{draw.below(4)}.npy", (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)[draw.below(2)]
            if name not in archive.namelist() or number == 7:
                archive.writestr(name, draw.take(draw.below(65536)), compress_type=packed)
    return made.getvalue()


class ArraysInside:
    """Arrays that can be read, of other names, types, shapes and numbers than they should have."""

    most_bytes = 64
    words = ()
    kinds = ("<f4", "<f8", "<f2", "<i8", "|b1", "<u1", ">f8")
    """Others than numbers are refused with the archive."""

    def __init__(self) -> None:
        self._manifest = small_manifest()
        self._parts = {name: read_arrays((SHIPPED / name).read_bytes(), name) for name in PARTS}
        prototypes = self._parts["prototypes.npz"]
        _, one_each = np.unique(prototypes["family"], return_index=True)  # thousands more would say nothing new
        self._parts["calibration.npz"]["concentration"] = np.array(30.0)
        prototypes |= {name: prototypes[name][one_each] for name in ("places", "family")}
        self._open = {
            "prototypes.npz": partial(prototypes_of, manifest=self._manifest),
            "calibration.npz": partial(calibration_of, layout=self._manifest.layout),
        }

    def seeds(self) -> list[bytes]:
        return [bytes([part, key, what, 3, 1]) for part in range(2) for key in range(8) for what in range(6)]

    def __call__(self, content: bytes) -> None:
        draw = Draw(content)
        part = draw.one_of(PARTS)
        arrays = dict(self._parts[part])
        changed(arrays, draw)
        try:
            self._open[part](arrays)
        except BundleError as error:
            told_in_one_line(error)


def changed(arrays: Arrays, draw: Draw) -> None:
    """Up to four changes, in place."""
    for _ in range(1 + draw.below(4)):
        if not arrays:
            return
        key, what = draw.one_of(sorted(arrays)), draw.below(6)
        values = arrays[key]
        if what == 0:
            del arrays[key]
        elif what == 1:
            arrays[key] = np.zeros(values.shape, draw.one_of(ArraysInside.kinds))
        elif what == 2:
            count = draw.below(4)
            arrays[key] = (values.reshape(-1), values[None], values.T, values.reshape(-1)[:count])[draw.below(4)]
        elif what == 3 and values.size and values.dtype.kind == "f":
            arrays[key] = values.copy()
            with np.errstate(over="ignore"):
                arrays[key].reshape(-1)[draw.below(65536) % values.size] = draw.number()
        elif what == 4 and values.dtype.kind == "f":
            with np.errstate(over="ignore"):
                arrays[key] = np.full(values.shape, draw.number(), values.dtype)
        elif what == 5:
            arrays[f"{key}{draw.below(3)}"] = arrays.pop(key)


class WholeBundle:
    """A whole bundle whose digests agree with its changed files, network and golden stream included: slow, so few."""

    most_bytes = 256
    words = ()

    def __init__(self) -> None:
        import shutil

        self._folder = scratch()
        self._place = Path(self._folder.name) / "bundle"
        shutil.copytree(SHIPPED, self._place)
        self._manifest = (SHIPPED / MANIFEST).read_bytes()
        self._names = sorted(name for name in small_manifest().files if not name.endswith((".md", ".tflite")))

    def seeds(self) -> list[bytes]:
        return [bytes([number, what, 7, 3, 99, 2, 200]) for number in range(len(self._names)) for what in range(3)]

    def __call__(self, content: bytes) -> None:
        import hashlib

        draw = Draw(content)
        name = draw.one_of(self._names)
        before = (SHIPPED / name).read_bytes()
        after = _rebuilt(before, draw) if name.endswith(".npz") and draw.below(2) else _spoilt(before, draw)
        fields = msgspec.json.decode(self._manifest)
        fields["files"][name] = hashlib.sha256(after).hexdigest()
        (self._place / name).write_bytes(after)
        (self._place / MANIFEST).write_bytes(msgspec.json.encode(fields))
        try:
            open_bundle(self._place)
        except BundleError as error:
            told_in_one_line(error)
        finally:
            (self._place / name).write_bytes(before)


def _rebuilt(content: bytes, draw: Draw) -> bytes:
    arrays, made = read_arrays(content, "a bundle's"), io.BytesIO()
    changed(arrays, draw)
    np.savez(made, **arrays)
    return made.getvalue()


def _spoilt(content: bytes, draw: Draw) -> bytes:
    spoilt = bytearray(content)
    for _ in range(1 + draw.below(16)):
        at = (draw.below(65536) * 65536 + draw.below(65536)) % len(spoilt)
        spoilt[at : at + draw.below(3)] = draw.take(1 + draw.below(3))
    return bytes(spoilt[: len(spoilt) - draw.below(256)] if draw.below(8) == 0 else spoilt)
