"""Every form of one bundle, scored: whole recordings at once, packet by packet as it runs live, and on LiteRT.

fp32 stays on the workstation: it is beside int8 and LiteRT in `parity`, measured at each export for each dataset.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from agent.batch import cut_recording, packets
from agent.bundle import Bundle, open_bundle
from agent.counters import Counters
from agent.errors import BundleError
from agent.ingest import Streams
from agent.judge import Judge, Judged
from agent.recording import Recording
from agent.records import Floats
from agent.windows import Cutter
from training.compare import Protocol, judged_recordings, scored
from training.markdown import table
from training.metrics import ScoredRecording, average_precision_of, roc_auc_of, tally
from training.progress import watched

ALPHA = 1 / 120
"""Level of the verdicts that are compared: the budget that a gateway starts with."""
HEADINGS = ("protocol", "form", "ROC-AUC", "AP", "same verdict as int8 at once")
NOTES = """The same bundle in every form that ships: int8 on whole recordings at once, int8 packet by packet as it runs
live, and LiteRT where it is installed."""

Form = Callable[[Recording], list[Judged]]


@dataclass(frozen=True, slots=True)
class Formed:
    """One form under one protocol."""

    protocol: str
    form: str
    roc_auc: float
    average_precision: float
    same_verdict: float
    """Share of windows whose set of labels is that of the first form."""


def forms(bundle: Bundle) -> dict[str, Form]:
    """Name -> how it judges a recording, from its beginning."""
    found = {"int8, at once": _at_once(bundle), "int8, stream": _stream(bundle)}
    if find_spec("ai_edge_litert") and "model.tflite" in bundle.manifest.files:
        found["LiteRT, at once"] = _at_once(_on_litert(bundle.path))
    return found


def compare_forms(protocols: Sequence[Protocol], bundle: Bundle, root: Path | None) -> list[Formed]:
    """All forms under some protocols; the first is what the others are held against."""
    results = []
    for protocol in protocols:
        items = judged_recordings(protocol, bundle.manifest.layout, root)
        first: list[np.ndarray] = []
        for name, form in forms(bundle).items():
            judged, labels = [], []
            for item in watched(items, f"{protocol.name}: {name}"):
                end_s, score, verdicts = _joined(form(item.recording))
                judged.append(scored(item, end_s, score))
                labels.append(verdicts)
            first = first or labels
            results.append(_formed(protocol.name, name, judged, labels, first, bundle.manifest.layout.window_s))
    return results


def markdown(results: Sequence[Formed]) -> str:
    """A Markdown table and what it means."""
    lines = []
    for one in results:
        figures = (one.roc_auc, one.average_precision, one.same_verdict)
        lines.append((one.protocol, one.form, *(f"{figure:.4f}" for figure in figures)))
    return table(HEADINGS, lines) + "\n\n" + NOTES


def _formed(
    protocol: str,
    form: str,
    judged: list[ScoredRecording],
    labels: list[np.ndarray],
    first: list[np.ndarray],
    window_s: float,
) -> Formed:
    counts = tally(judged, window_s)
    everyone = np.ones(len(counts.wearers))
    same = np.concatenate([(mine == theirs).all(axis=1) for mine, theirs in zip(labels, first, strict=True)])
    auc, precision = roc_auc_of(counts, everyone), average_precision_of(counts, everyone)
    return Formed(protocol, form, auc, precision, float(same.mean()))


def _at_once(bundle: Bundle) -> Form:
    def judge(recording: Recording) -> list[Judged]:
        return [Judge(bundle.model, ALPHA).judge(cut_recording(recording, bundle.manifest.layout))]

    return judge


def _stream(bundle: Bundle) -> Form:
    def judge(recording: Recording) -> list[Judged]:
        streams, judge = Streams(bundle.manifest.layout, Counters()), Judge(bundle.model, ALPHA)
        cutter, found = Cutter(streams), []
        for packet in packets(recording):
            streams.put(packet)
            found.append(judge.judge(cutter.cut()))
        streams.flush()
        return [*found, judge.judge(cutter.cut()), judge.judge(cutter.cut(to_the_last=True))]

    return judge


def _on_litert(path: Path) -> Bundle:
    try:
        return open_bundle(path, "litert")
    except BundleError as error:
        raise BundleError(f"{error}; the form LiteRT cannot be compared") from error


def _joined(judged: list[Judged]) -> tuple[Floats, Floats, np.ndarray]:
    """(n,) ends, (n,) scores and (n, 3) labels of all windows, in order."""
    some = [one for one in judged if len(one.windows.end_s)]
    if not some:
        return np.empty(0), np.empty(0), np.empty((0, 3), np.bool_)
    parts = [(one.windows.end_s, one.surprise.score, one.verdicts.labels) for one in some]
    ends, scores, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
    return ends, scores, labels
