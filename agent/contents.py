"""What the arrays of a bundle say: prototypes, calibration and evidential layer, each checked before it is used."""

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from agent.arrays import Arrays
from agent.calibrate import CONCENTRATION, Calibration, FamilyCalibration
from agent.errors import BundleError, first_line
from agent.evidence import Layer
from agent.known import Known
from agent.layout import Layout
from agent.manifest import EVIDENCE, Manifest
from agent.records import FALL, OPEN, PARTS
from agent.score import MERGED, SHARED, Norms, Prototypes
from agent.symptoms import width


def prototypes_of(arrays: Arrays, manifest: Manifest) -> Prototypes:
    families = len(manifest.layout.families)
    try:
        known = Prototypes(
            places=arrays["places"].astype(np.float32),
            family=arrays["family"].astype(np.int64),
            norms=_norms(arrays),
            context_weight=manifest.context_weight,
            echo=manifest.echo,
            habit=manifest.habit,
            known=_known(arrays) if "fall" in manifest.known else None,
            legs=arrays["legs"].astype(np.bool_) if "legs" in arrays else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"prototypes.npz: {first_line(error)}: missing, or not numbers") from error
    norms = known.norms
    right = known.places.ndim == 2 and known.family.shape == known.places.shape[:1]
    right &= known.legs is None or known.legs.shape == (families,)
    if not right or norms.median.shape != (families, MERGED + 1):
        raise BundleError("prototypes.npz: shapes do not fit each other or the layout's families")
    scales = norms.scale[np.isfinite(norms.scale)]
    needed = norms.scale[:, [OPEN, MERGED] + [FALL] * (known.known is not None)]
    finite = all(np.isfinite(values).all() for values in (known.places, norms.median, needed))
    if not finite or (scales <= 0).any() or np.isinf(norms.scale).any():
        raise BundleError("prototypes.npz: numbers must be finite, scales above 0")
    if known.known and not known.known.fits(known.places.shape[1]):
        raise BundleError("prototypes.npz: the head for falls does not fit the embedding")
    served = set(known.family.tolist())
    if not served <= {SHARED, *range(families)} or not (SHARED in served or served >= set(range(families))):
        raise BundleError("prototypes.npz: every family of the layout needs a prototype, and no other may have one")
    return known


def _norms(arrays: Arrays) -> Norms:
    """Columns in the order of `PARTS`, then the whole; the open part's are `median` and `scale`."""
    names = ("", *(f"{part}_" for part in PARTS[1:]), "score_")
    median, scale = (
        np.stack([arrays[f"{name}{what}"].astype(np.float64) for name in names], axis=1) for what in ("median", "scale")
    )
    if median.shape != scale.shape:
        raise ValueError("medians and scales differ in shape")
    return Norms(median, scale)


def _known(arrays: Arrays) -> Known:
    numbers = {field.name: arrays[f"known_{field.name}"].astype(np.float32) for field in fields(Known)}
    last_bias = float(numbers.pop("last_bias"))
    return Known(**numbers, last_bias=last_bias)


def layer_of(arrays: Arrays, layout: Layout) -> Layer:
    try:
        numbers = {name: arrays[name].astype(np.float32) for name in Layer.ARRAYS}
        caution, reliability = float(arrays["caution"]), float(arrays["reliability"])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{EVIDENCE}: {first_line(error)}: missing, or not numbers") from error
    layer = Layer(**numbers, caution=caution, reliability=reliability)
    if not layer.fits(width(len(layout.families))):
        raise BundleError(f"{EVIDENCE}: shapes do not fit each other or the layout, or numbers are out of range")
    return layer


def calibration_of(arrays: Arrays, layout: Layout) -> Calibration:
    families = []
    for name in layout.families:
        try:
            scores, low, high = (arrays[f"{name}_{part}"].astype(np.float64) for part in ("scores", "low", "high"))
            wearers = int(arrays[f"{name}_wearers"])
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"calibration.npz: {name}: {first_line(error)}") from error
        if scores.ndim != 1 or low.shape != (len(scores) + 1,) or high.shape != low.shape or not _ascend(scores):
            raise BundleError(f"calibration.npz: {name}: scores must ascend, with one more interval than scores")
        if not ((low >= 0) & (low <= high) & (high <= 1)).all():
            raise BundleError(f"calibration.npz: {name}: the ends of an interval must ascend and lie in [0, 1]")
        families.append(FamilyCalibration(scores, low, high, wearers, _parts(arrays, name)))
    concentration = float(arrays.get("concentration", np.array(CONCENTRATION)))
    if not (np.isfinite(concentration) and concentration > 0):
        raise BundleError(f"calibration.npz: concentration {concentration}: must be finite and above 0")
    return Calibration(tuple(families), concentration)


def _parts(arrays: Arrays, name: str) -> tuple[NDArray[np.float64], ...]:
    """Half-minutes of each part of the score, where a family has it."""
    try:
        found = tuple(arrays[f"{name}_{part}"].astype(np.float64) for part in PARTS)
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"calibration.npz: {name}: {first_line(error)}") from error
    if not all(values.ndim == 1 and _ascend(values) for values in found):
        raise BundleError(f"calibration.npz: {name}: the scores of a part must ascend")
    return found


def _ascend(scores: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(scores).all() and (np.diff(scores) >= 0).all())
