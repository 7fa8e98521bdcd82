"""Which wearers train, which calibrate, which test: split by wearer, never by window.

A wearer's part follows from a hash of its name alone, so that it stays the same when other wearers come or go.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Literal

Part = Literal["train", "calibrate", "test"]

SPLIT = ("sisfall", "umafall", "watch_walk_geotec")
"""Datasets that the student learns from. All others are never trained on: all of their wearers test."""
NEED: tuple[Part, ...] = ("train", "calibrate", "test")
"""Without the first nothing is learnt, without the second no p-value can be given, without the third nothing judged.
Two should calibrate where there are enough: how unlike people are cannot be seen from one."""
SHARES = {"train": 0.45, "calibrate": 0.30, "test": 0.25}
# Chosen once, by counting heads only: with 38 to 41 wearers a hash alone can leave a part of a dataset nearly empty.
# Under this salt each dataset, and both age groups of SisFall, come close to the shares. No score was looked at.
_SALT = "veille-split-2956:"


def split(wearer: str) -> Part:
    """Part of one wearer.

    Args:
        wearer: `<dataset>-<person>`, for example `sisfall-SA01`.
    """
    if wearer.partition("-")[0] not in SPLIT:
        return "test"
    return _by_place(wearer)


def assigned(wearers: Iterable[str], given: Mapping[str, Part]) -> dict[str, Part]:
    """Parts of the wearers of a folder, the same whenever the same wearers are there.

    Those in `given` stay where they were put. The others go by their hash; then each part that has too few, `train`
    first, gets one of them from the part that has most. So a part can change when others come or go, but only where
    wearers are few.
    """
    free = {wearer for wearer in wearers if wearer not in given}
    parts = {wearer: given.get(wearer) or _by_place(wearer) for wearer in sorted(free | set(given))}
    fewest: dict[Part, int] = {"train": 1, "calibrate": 2 if len(parts) > len(NEED) else 1, "test": 1}
    for rank, needy in enumerate(NEED):
        for _ in range(fewest[needy] - list(parts.values()).count(needy)):
            if donor := _donor(parts, free, fewest, needy, NEED[rank + 1 :]):
                parts[donor] = needy
    return parts


def _donor(
    parts: Mapping[str, Part], free: set[str], fewest: Mapping[Part, int], needy: Part, lesser: tuple[Part, ...]
) -> str | None:
    """Who moves to `needy`: one of the largest part that can spare one; a `lesser` part may be emptied."""
    sizes = {part: list(parts.values()).count(part) for part in NEED}
    spare = [part for part in NEED if part != needy and (sizes[part] > fewest[part] or part in lesser)]
    movable = [wearer for wearer in parts if wearer in free and parts[wearer] in spare]
    return min(movable, key=lambda wearer: (-sizes[parts[wearer]], _place(wearer)), default=None)


def _by_place(wearer: str) -> Part:
    place = _place(wearer)
    if place < SHARES["train"]:
        return "train"
    return "calibrate" if place < SHARES["train"] + SHARES["calibrate"] else "test"


def _place(wearer: str) -> float:
    """Uniform in [0, 1)."""
    digest = hashlib.sha256(f"{_SALT}{wearer}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
