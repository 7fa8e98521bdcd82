"""Episodes of somebody's wear: with a fault, a real novelty, or nothing."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from agent.records import Floats, Packet, Singles
from training.benchmarks.noise_novelty.taxonomy import GRADES, SIDES, TAXONOMY, Fault, Track, took_place
from training.benchmarks.noise_novelty.wear import NOVELTIES, SHORTEST_S, Take, Wear, cut, ends, length

LEAD_S, SPAN_S, PAUSE_S = 120.0, 60.0, 12.0
PACKET_S = 5.0


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
    for start, stop in itertools.pairwise(bounds):
        part = track.samples_g[start:stop]
        if np.isfinite(part).all(axis=1).any():
            received_s = first_s + (float(second[start]) + 1) * PACKET_S
            yield Packet(wearer, position, track.times_s[start:stop], part, received_s)


def stretch(wear: Wear, most_s: float, rng: np.random.Generator) -> list[Take]:
    """Pieces of normal wear from a random place on, one after the other and round: `most_s` if there is as much."""
    first = int(rng.integers(len(wear.normal)))
    pieces = [wear.normal[(first + n) % len(wear.normal)] for n in range(len(wear.normal))]
    start, end = ends(pieces[0])
    skipped = rng.uniform(0, max(0.0, end - start - most_s))
    chosen, left = [], most_s
    for piece in pieces:
        begin = ends(piece)[0] + (skipped if piece is pieces[0] else 0.0)
        part = cut(piece, begin, begin + left)
        if length(part) >= min(SHORTEST_S, left):
            chosen.append(part)
            left -= length(part)
        if left <= 1.0:
            break
    return chosen


def joined(pieces: Sequence[Take]) -> Take:
    """One take, each piece `PAUSE_S` after the one before; its clock starts at 0."""
    tracks: dict[str, list[Track]] = {}
    at_s = 0.0
    for piece in pieces:
        start, end = ends(piece)
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
    total = sum(length(piece) for piece in pieces)
    lead_s, at_s, start_s = max(total - span_s, total / 2), 0.0, 0.0
    for piece in pieces:  # where the lead-in is over, on the joined clock
        start_s = at_s + min(lead_s, length(piece))
        if lead_s <= length(piece):
            break
        lead_s, at_s = lead_s - length(piece), at_s + length(piece) + PAUSE_S
    take = joined(pieces)
    return Episode(wear.wearer, wear.dataset, "normal", "", take, start_s, ends(take)[1])


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
    return Change(before.times_s, np.nan_to_num(apart), np.asarray(lost, dtype=np.float64))


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
    before = cut(whole, start_s - LEAD_S, np.inf)
    own_s = start_s - ends(before)[0]
    pieces = stretch(wear, LEAD_S - own_s, rng) if own_s < LEAD_S - SHORTEST_S else []
    take = joined([*pieces, before])
    at_s = sum(length(piece) + PAUSE_S for piece in pieces) - ends(before)[0]
    return Episode(
        wear.wearer, wear.dataset, NOVELTIES.get(wear.dataset, "event"), "", take, start_s + at_s, end_s + at_s
    )


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
