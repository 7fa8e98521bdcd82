"""People's wear, put together from their recordings, and episodes of it with a fault, a novelty, or nothing."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.layout import Layout
from agent.records import Floats, Packet, Singles
from training.benchmarks.noise_novelty.taxonomy import GRADES, SIDES, TAXONOMY, Fault, Track, took_place
from training.datasets import Labelled, open_dataset
from training.datasets.split import Part, split
from training.metrics import events

NOVELTIES = {
    "sisfall": "fall, waist (SisFall)",
    "umafall": "fall, four places (UMAFall)",
    "weda_fall": "fall, wrist (WEDA)",
    "stanford_fog": "freeze (Stanford)",
    "daphnet_partial": "freeze (Daphnet)",
}
DATASETS = (*NOVELTIES, "watch_walk_geotec")
LEAD_S, SPAN_S, PAUSE_S = 120.0, 60.0, 12.0
AROUND_S = 3.0
"""Wear this near to an event is no normal wear."""
SHORTEST_S = 8.0
"""Pieces of wear shorter than this are left out."""
PACKET_S = 5.0

Take = dict[str, Track]
"""One recording, or a piece of it: position -> what its sensor sent, all on one clock."""


@dataclass(frozen=True, slots=True)
class Wear:
    """One person."""

    wearer: str
    dataset: str
    normal: tuple[Take, ...]
    """Pieces of normal wear."""
    novelties: tuple[tuple[Take, float, float], ...]
    """What happened until the event was over, and the event's start and end on its clock."""


@dataclass(frozen=True, slots=True)
class Episode:
    """What is played to the agent, and the truth."""

    wearer: str
    dataset: str
    kind: str
    """Name of a fault, of a source of novelties, or `normal`."""
    grade: str
    """One of `GRADES`; empty for what is no fault."""
    take: Take
    start_s: float
    """Of what is judged; before it lies the lead-in."""
    end_s: float
    hit: tuple[str, ...] = ()
    """Positions whose sensor is at fault."""
    change: "Change | None" = None
    """What the fault did to it; None where two sensors were exchanged, or none is at fault."""

    def packets(self) -> Iterator[Packet]:
        """As the sensors would send them, a few seconds at a time, in turn."""
        first = min(track.times_s[0] for track in self.take.values())
        parts = [part for name, track in self.take.items() for part in _split(self.wearer, name, track, first)]
        yield from sorted(parts, key=lambda packet: packet.received_s)


@dataclass(frozen=True, slots=True)
class Change:
    """What a fault did to each sample of a sensor."""

    times_s: Floats
    """(n,)"""
    apart_g: Floats
    """(n,) by how much it was altered."""
    lost: Floats
    """(n,) 1 = it was taken away."""


def _split(wearer: str, position: str, track: Track, first_s: float) -> Iterator[Packet]:
    second = np.floor((track.times_s - first_s) / PACKET_S).astype(np.int64)
    bounds = np.flatnonzero(np.diff(second, prepend=second[0] - 1, append=second[-1] + 1))
    for start, stop in zip(bounds[:-1], bounds[1:], strict=True):
        part = track.samples_g[start:stop]
        if np.isfinite(part).all(axis=1).any():
            received_s = first_s + (float(second[start]) + 1) * PACKET_S
            yield Packet(wearer, position, track.times_s[start:stop], part, received_s)


def wears(part: Part, layout: Layout, root: Path | None = None, datasets: Sequence[str] = DATASETS) -> list[Wear]:
    """Everyone of one part of the split who has normal wear, with those positions that the layout knows.

    Raises:
        DataError: a dataset is missing.
    """
    each = (open_dataset(name, root, lambda wearer: split(wearer) == part) for name in datasets)
    return wears_of(itertools.chain.from_iterable(each), layout)


def wears_of(items: Iterable[Labelled], layout: Layout) -> list[Wear]:
    """The same of these recordings; people in the order in which they come."""
    by_wearer: dict[str, list[Labelled]] = {}
    for item in items:
        by_wearer.setdefault(item.recording.wearer, []).append(item)
    found = [_wear(wearer, own, layout) for wearer, own in by_wearer.items()]
    return [wear for wear in found if wear.normal]


def _wear(wearer: str, items: Sequence[Labelled], layout: Layout) -> Wear:
    dataset = items[0].dataset
    normal: list[Take] = []
    novelties: list[tuple[Take, float, float]] = []
    trials: dict[str, list[Labelled]] = {}
    for item in items:
        trials.setdefault(item.recording.name, []).append(item)
    for trial in trials.values():
        whole = _take(trial, layout)
        spans = _spans(trial)
        if whole and all(item.normal for item in trial):
            normal.append(whole)
        elif whole:
            novelties += [(_cut(whole, -np.inf, end + AROUND_S), start, end) for start, end in spans]
            if NOVELTIES.get(dataset, "").startswith("freeze"):  # a recording of a fall holds hardly anything else
                normal += _calm_pieces(trial[0], whole, spans)
    return Wear(wearer, dataset, tuple(take for take in normal if _length(take) >= SHORTEST_S), tuple(novelties))


def _take(trial: Sequence[Labelled], layout: Layout) -> Take:
    return {
        name: Track(item.recording.times_s, samples)
        for item in trial
        for name, samples in item.recording.positions.items()
        if name in layout.positions and np.isfinite(samples).all(axis=1).sum() > 2 and len(samples) > 2
    }


def _spans(trial: Sequence[Labelled]) -> Floats:
    """(events, 2) of a trial; several recordings of one fall (one a position) make one event."""
    spans = [events(item.recording.times_s, item.label) for item in trial]
    if len(trial) == 1:
        return spans[0]
    own = [span[0] for span in spans if len(span)]
    if not own:
        return np.empty((0, 2))
    middle = float(np.median([span.mean() for span in own]))
    near = [span for span in own if abs(span.mean() - middle) < 2.0]  # a knock against one sensor is not the fall
    return np.array([[min(span[0] for span in near), max(span[1] for span in near)]])


def _calm_pieces(item: Labelled, whole: Take, spans: Floats) -> list[Take]:
    times_s = item.recording.times_s
    calm = item.judged & (item.label == 0)
    for start, end in spans:
        calm &= (times_s < start - AROUND_S) | (times_s > end + AROUND_S)
    return [_cut(whole, start, end) for start, end in events(times_s, calm.astype(np.int8))]


def _cut(take: Take, start_s: float, end_s: float) -> Take:
    cut = {}
    for name, track in take.items():
        rows = (track.times_s >= start_s) & (track.times_s < end_s)
        if rows.sum() > 2:
            cut[name] = Track(track.times_s[rows], track.samples_g[rows])
    return cut


def _length(take: Take) -> float:
    starts, ends = _ends(take)
    return ends - starts


def _ends(take: Take) -> tuple[float, float]:
    if not take:
        return 0.0, 0.0
    return min(float(t.times_s[0]) for t in take.values()), max(float(t.times_s[-1]) for t in take.values())


# --- episodes


def stretch(wear: Wear, most_s: float, rng: np.random.Generator) -> list[Take]:
    """Pieces of normal wear from a random place on, one after the other and round, `most_s` long if there is as much."""
    first = int(rng.integers(len(wear.normal)))
    pieces = [wear.normal[(first + n) % len(wear.normal)] for n in range(len(wear.normal))]
    start, end = _ends(pieces[0])
    skipped = rng.uniform(0, max(0.0, end - start - most_s))
    chosen, left = [], most_s
    for piece in pieces:
        begin = _ends(piece)[0] + (skipped if piece is pieces[0] else 0.0)
        cut = _cut(piece, begin, begin + left)
        if _length(cut) >= min(SHORTEST_S, left):
            chosen.append(cut)
            left -= _length(cut)
        if left <= 1.0:
            break
    return chosen


def joined(pieces: Sequence[Take]) -> Take:
    """One take, each piece `PAUSE_S` after the one before; its clock starts at 0."""
    tracks: dict[str, list[Track]] = {}
    at_s = 0.0
    for piece in pieces:
        start, end = _ends(piece)
        for name, track in piece.items():
            tracks.setdefault(name, []).append(Track(track.times_s - start + at_s, track.samples_g))
        at_s += end - start + PAUSE_S
    return {name: _end_to_end(parts) for name, parts in tracks.items()}


def _end_to_end(parts: Sequence[Track]) -> Track:
    times = np.concatenate([part.times_s for part in parts])
    samples: Singles = np.concatenate([part.samples_g for part in parts])
    return Track(times, samples)


def normal_episode(wear: Wear, span_s: float, rng: np.random.Generator) -> Episode:
    """Nothing is done to it."""
    pieces = stretch(wear, LEAD_S + span_s, rng)
    total = sum(_length(piece) for piece in pieces)
    lead_s, at_s, start_s = max(total - span_s, total / 2), 0.0, 0.0
    for piece in pieces:  # where the lead-in is over, on the joined clock
        start_s = at_s + min(lead_s, _length(piece))
        if lead_s <= _length(piece):
            break
        lead_s, at_s = lead_s - _length(piece), at_s + _length(piece) + PAUSE_S
    take = joined(pieces)
    return Episode(wear.wearer, wear.dataset, "normal", "", take, start_s, _ends(take)[1])


def fault_episode(wear: Wear, fault: Fault, strength: float, grade: str, rng: np.random.Generator) -> Episode | None:
    """None where the fault did not take place, or this wear cannot have it."""
    plain = normal_episode(wear, fault.span_s, rng)
    reaching = sorted(name for name, track in plain.take.items() if track.times_s[-1] > plain.start_s + 2)
    pair = _pair(reaching)
    if not reaching or (fault.name == SIDES and not pair):
        return None
    hit = pair if fault.name == SIDES else (reaching[rng.integers(len(reaching))],)
    parts = {name: _parted(plain.take[name], plain.start_s) for name in hit}
    change = None
    if fault.name == SIDES:
        after = {hit[0]: parts[hit[1]][1], hit[1]: parts[hit[0]][1]}
    else:
        after = {hit[0]: fault.inject(parts[hit[0]][1], strength, rng)}
        if not took_place(parts[hit[0]][1], after[hit[0]]):
            return None
        change = _change(parts[hit[0]][1], after[hit[0]])
    take = plain.take | {name: _end_to_end([parts[name][0], after[name]]) for name in hit}
    return Episode(wear.wearer, wear.dataset, fault.name, grade, take, plain.start_s, plain.end_s, hit, change)


def _change(before: Track, after: Track) -> Change:
    apart = np.linalg.norm(after.samples_g.astype(np.float64) - before.samples_g, axis=1)
    lost = np.isnan(after.samples_g).any(axis=1) & np.isfinite(before.samples_g).all(axis=1)
    return Change(before.times_s, np.nan_to_num(apart), lost.astype(np.float64))


def _parted(track: Track, at_s: float) -> tuple[Track, Track]:
    place = int(np.searchsorted(track.times_s, at_s))
    return (
        Track(track.times_s[:place], track.samples_g[:place]),
        Track(track.times_s[place:], track.samples_g[place:]),
    )


def _pair(names: Sequence[str]) -> tuple[str, ...]:
    lefts = [name for name in names if name.startswith("left_") and "right_" + name[5:] in names]
    return (lefts[0], "right_" + lefts[0][5:]) if lefts else ()


def novelty_episodes(wear: Wear, rng: np.random.Generator, most: int | None = None) -> list[Episode]:
    """One for each event (`most`: no more than so many, drawn): normal wear, a pause, then what led to it, and it."""
    chosen = list(wear.novelties)
    if most is not None and len(chosen) > most:
        chosen = [chosen[n] for n in sorted(rng.choice(len(chosen), most, replace=False))]
    return [_novelty(wear, *event, rng) for event in chosen]


def _novelty(wear: Wear, whole: Take, start_s: float, end_s: float, rng: np.random.Generator) -> Episode:
    before = _cut(whole, start_s - LEAD_S, np.inf)
    own_s = start_s - _ends(before)[0]
    pieces = stretch(wear, LEAD_S - own_s, rng) if own_s < LEAD_S - SHORTEST_S else []
    take = joined([*pieces, before])
    at_s = sum(_length(piece) + PAUSE_S for piece in pieces) - _ends(before)[0]
    return Episode(wear.wearer, wear.dataset, NOVELTIES.get(wear.dataset, "event"), "", take, start_s + at_s, end_s + at_s)


def episodes(people: Iterable[Wear], each: int, seed: int) -> tuple[list[Episode], dict[str, int]]:
    """All episodes: `each` of every fault and grade for every person, as many of normal wear, all novelties.

    Returns:
        The episodes, and kind and grade -> how many were left out because the fault did not take place.
    """
    found: list[Episode] = []
    left_out: dict[str, int] = {}
    for number, wear in enumerate(people):
        rng = np.random.default_rng([seed, number])
        found += novelty_episodes(wear, rng)
        for _ in range(each):
            found += [normal_episode(wear, SPAN_S, rng) for _ in GRADES]
            for fault in TAXONOMY:
                for grade, strength in fault.grades.items():
                    episode = fault_episode(wear, fault, strength, grade, rng)
                    if episode:
                        found.append(episode)
                    elif fault.name != SIDES:
                        name = f"{fault.name} {grade}"
                        left_out[name] = left_out.get(name, 0) + 1
    return found, left_out
