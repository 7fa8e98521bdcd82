"""Teach the evidential layer what a wrong measurement looks like, and find out how far it can be relied on.

Learnt from the wearers that train: their normal wear, their falls, and their wear with faults of drawn strength, played
through the agent as it would meet them (`training.benchmarks.noise_novelty`). A window is wrong where the fault changed
it by more than a healthy sensor's own error; where it hardly changed it, nobody says what it is. The network and the
prototypes are learnt together, by the cross-entropy of the pignistic chance of each side (Smets 2005): half of what is
on all three goes to either.

Reliability: of the calibration wearers' normal minutes at most a share of `MOST_WRONGED` may be believed wrong, and of
their falls so few that the upper end of the 95 % interval of the share is no larger. What the layer says of `wrong` is
discounted until that holds. A fall filed as noise is a fall thrown away, so doubt comes before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.stats import beta
from torch import Tensor, nn

from agent.batch import cut_packets
from agent.evidence import FARTHEST, LARGEST, Layer, Said
from agent.judge import Judge, Model
from agent.quality import CERTAIN
from agent.records import LEAST_BELIEF, Floats, Singles
from agent.symptoms import Symptoms
from training.benchmarks.noise_novelty.episodes import (
    SPAN_S,
    Episode,
    fault_episode,
    normal_episode,
    novelty_episodes,
)
from training.benchmarks.noise_novelty.taxonomy import TAXONOMY, Fault
from training.benchmarks.noise_novelty.wear import Wear
from training.progress import watched

FEWEST = 4
EACH = 4
"""Episodes of every kind of fault, and of normal wear, a person."""
WRONG_G, WRONG_LOST = 0.03, 0.1
"""Altered by this much on (quadratic) average, or with this share lost, a window was measured wrong."""
TOUCHED_G = 0.003
"""Altered by more than this, it is no example of right wear either."""
HIDDEN, PLACE, PROTOTYPES = 48, 8, 40
STEPS, BATCH, RATE, DECAY = 4000, 512, 3e-3, 1e-3
"""Chosen on the calibration wearers: with 128 hidden numbers as many faults are told, but not axes and slips."""
CAUTION = 0.3
"""`agent.evidence.Layer.caution`. On the calibration wearers, after `reliability`, .62 of the faults are told with .6
and with .15, .66 with .3; of normal windows 16, 6 and 8 % are not believed right at once.
"""
MOST_WRONGED = 0.02
CONFIDENCE = 0.95
ANY_ALPHA = 0.01
WEIGHT = {"fault": 1.0, "lead-in": 0.5, "normal": 0.7, "novelty": 0.5}
"""Of all examples of each together, however many they are. Normal wear as late in an episode as the faults weighs more
than lead-ins, so that the layer does not learn to tell the time.
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """What rows show, and the truth."""

    symptoms: Singles
    """(m, d)"""
    wrong: Singles
    """(m,) 1 = measured wrong, 0 = right, NaN = nobody says."""
    kind: np.ndarray
    """(m,) name of the fault, `normal` or `novelty`."""
    episode: np.ndarray
    """(m,) number of the episode."""
    stream: np.ndarray
    """(m,) position within the episode."""
    end_s: Floats
    judged: np.ndarray
    """(m,) lies in what the episode is about, not in its lead-in."""
    certain: np.ndarray
    """(m,) physics alone is certain."""


def learn(model: Model, train: Sequence[Wear], calibrate: Sequence[Wear], seed: int) -> Layer | None:
    """The layer, its reliability from `calibrate`; `model` is the rest of the bundle, without a layer.

    None where fewer than `FEWEST` people train or calibrate: what a sensor's habit is cannot be seen from one.
    """
    if min(len(train), len(calibrate)) < FEWEST:
        return None
    rng = np.random.default_rng(seed)
    shown = played(model, [one for wear in train for one in drawn(wear, rng)])
    layer = taught(shown, seed)
    kept = played(model, [one for wear in calibrate for one in right_wear(wear, rng, 2 * EACH)])
    return replace(layer, reliability=reliability(layer, kept))


def drawn(wear: Wear, rng: np.random.Generator) -> list[Episode]:
    """Episodes to learn from."""
    found = right_wear(wear, rng)
    for fault in (one for one in TAXONOMY if one.tellable):
        for _ in range(EACH):
            episode = fault_episode(wear, fault, _strength(fault, rng), "", rng)
            found += [episode] if episode else []
    return found


def right_wear(wear: Wear, rng: np.random.Generator, normal: int = EACH) -> list[Episode]:
    """So many episodes of normal wear, and real novelties."""
    return [normal_episode(wear, SPAN_S, rng) for _ in range(normal)] + novelty_episodes(wear, rng)


def _strength(fault: Fault, rng: np.random.Generator) -> float:
    """Between slight and more than gross; where the grades are kinds of their own, one of them."""
    low, high = fault.grades.get("slight", np.nan), fault.grades["gross"]
    if fault.name in ("stuck", "axes"):
        return float(rng.choice([fault.grades["clear"], high]))
    ends = np.log(np.sqrt(low * fault.grades["clear"])), np.log(high * (high / fault.grades["clear"]) ** 0.3)
    return float(np.exp(rng.uniform(min(ends), max(ends))))  # a range is the graver the smaller it is


def played(model: Model, episodes: Sequence[Episode]) -> Shown:
    """What the agent would see of them."""
    parts = [_played(model, number, one) for number, one in enumerate(watched(episodes, "playing faults"))]
    names = list(Shown.__dataclass_fields__)
    return Shown(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _played(model: Model, number: int, episode: Episode) -> Shown:
    packets = list(episode.packets())
    positions = list(dict.fromkeys(packet.position for packet in packets))
    windows, layout = cut_packets(packets, model.layout), model.layout
    judged = Judge(replace(model, layer=None), ANY_ALPHA).judge(windows)
    symptoms = Symptoms(len(layout.families), layout.segments).describe(
        windows.samples_g, windows.family, windows.stream, windows.owner, judged.quality, judged.scores
    )
    end_s = windows.end_s[windows.owner]
    about = (end_s > episode.start_s) & (end_s - layout.window_s < episode.end_s)
    hit = np.isin(np.array(positions)[windows.stream], episode.hit)
    wrong = np.zeros(len(end_s), np.float32)
    wrong[hit] = _truth(episode, end_s[hit], layout.window_s)
    novel = not episode.hit and episode.kind != "normal"
    kind = np.where(hit & about, episode.kind, np.where(about & novel, "novelty", "normal")).astype("<U24")
    same = np.full(len(end_s), number)
    return Shown(symptoms, wrong, kind, same, windows.stream, end_s, about, judged.fault >= CERTAIN)


def _truth(episode: Episode, end_s: Floats, window_s: float) -> Singles:
    change = episode.change
    if change is None:
        return np.where(end_s > episode.start_s, np.nan, 0.0).astype(np.float32)
    edges = [np.searchsorted(change.times_s, at) for at in (end_s - window_s, end_s)]
    count = np.maximum(edges[1] - edges[0], 1)
    power, lost = (np.concatenate([[0.0], np.cumsum(values)]) for values in (change.apart_g**2, change.lost))
    apart = np.sqrt((power[edges[1]] - power[edges[0]]) / count)
    gone = (lost[edges[1]] - lost[edges[0]]) / count
    wrong = np.where(
        (apart > WRONG_G) | (gone > WRONG_LOST), 1.0, np.where((apart > TOUCHED_G) | (gone > 0), np.nan, 0.0)
    )
    wrong[(wrong == 0) & (end_s > episode.start_s)] = np.nan  # a sensor at fault that shows nothing of it just now
    return wrong.astype(np.float32)


class _Net(nn.Module):
    """`agent.evidence.Layer`, to be learnt."""

    def __init__(self, width: int, middle: Singles, scale: Singles) -> None:
        super().__init__()
        self.middle, self.scale = torch.from_numpy(middle), torch.from_numpy(scale)
        self.first, self.second = nn.Linear(width, HIDDEN), nn.Linear(HIDDEN, PLACE, bias=False)
        self.places = nn.Parameter(torch.randn(PROTOTYPES, PLACE) * 2)
        self.reach, self.strength = nn.Parameter(torch.full((PROTOTYPES,), -1.0)), nn.Parameter(torch.zeros(PROTOTYPES))
        self.side = nn.Parameter(torch.linspace(-3, 3, PROTOTYPES))

    def forward(self, symptoms: Tensor) -> tuple[Tensor, Tensor]:
        """(m, 2) log masses of right and wrong with half of the rest each, as chances; (m,) mass on all."""
        raw = (symptoms - self.middle) / self.scale
        far = (raw.abs() - FARTHEST).clamp(min=0).square().sum(dim=1, keepdim=True)
        place = self.second(torch.relu(self.first(raw.clamp(-LARGEST, LARGEST))))
        apart = (place[:, None] - self.places).square().sum(dim=2) + far
        near = torch.sigmoid(self.strength) * torch.exp(-nn.functional.softplus(self.reach) * apart)
        near, side = near.clamp(max=1 - 1e-6), torch.sigmoid(self.side)
        nobody = torch.log1p(-near).sum(dim=1)
        right = torch.log1p(-near * (1 - side)).sum(dim=1).exp() - nobody.exp()
        wrong = torch.log1p(-near * side).sum(dim=1).exp() - nobody.exp()
        total = right + wrong + nobody.exp() + 1e-9
        rest = nobody.exp() / total
        return torch.stack([right / total + rest / 2, wrong / total + rest / 2], dim=1), rest


def taught(shown: Shown, seed: int) -> Layer:
    """The layer, with full reliability."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    known = np.isfinite(shown.wrong) & ~shown.certain
    shown = Shown(*(getattr(shown, name)[known] for name in Shown.__dataclass_fields__))
    symptoms, wrong = shown.symptoms, shown.wrong
    middle = np.median(symptoms, axis=0).astype(np.float32)
    scale = (symptoms.std(axis=0) + 0.05).astype(np.float32)
    net = _Net(symptoms.shape[1], middle, scale)
    chance = _chances(shown)
    optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE * 3, STEPS)
    truth = torch.from_numpy(wrong.astype(np.int64))
    inputs = torch.from_numpy(symptoms)
    for _ in range(STEPS):
        rows = torch.from_numpy(rng.choice(len(chance), BATCH, p=chance))
        chances, rest = net(inputs[rows])
        loss = nn.functional.nll_loss(chances.clamp(min=1e-6).log(), truth[rows]) + 0.02 * (1 - rest).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return _layer(net)


def _chances(shown: Shown) -> Floats:
    """(m,) of being drawn: every kind of fault alike, and the rest by `WEIGHT`."""
    weight = np.zeros(len(shown.kind))
    faulty, novel = shown.wrong == 1, shown.kind == "novelty"
    names = np.unique(shown.kind[faulty])
    groups = [(WEIGHT["fault"] / len(names), faulty & (shown.kind == name)) for name in names]
    rest = ~faulty & ~novel
    groups += [(WEIGHT["novelty"], novel), (WEIGHT["normal"], rest & shown.judged)]
    groups += [(WEIGHT["lead-in"], rest & ~shown.judged)]
    for share, rows in groups:
        weight[rows] = share / max(int(rows.sum()), 1)
    return np.asarray(weight / weight.sum())


def _layer(net: _Net) -> Layer:
    """As it will be stored: half precision."""

    def rounded(values: Tensor) -> Singles:
        return values.detach().numpy().astype(np.float16).astype(np.float32)

    return Layer(
        middle=rounded(net.middle),
        scale=rounded(net.scale),
        first=rounded(net.first.weight.T),
        first_bias=rounded(net.first.bias),
        second=rounded(net.second.weight.T),
        places=rounded(net.places),
        reach=np.maximum(rounded(nn.functional.softplus(net.reach)), 1e-4),
        strength=rounded(torch.sigmoid(net.strength)),
        side=rounded(torch.sigmoid(net.side)),
        caution=CAUTION,
        reliability=1.0,
    )


def lasting(layer: Layer, shown: Shown) -> tuple[Floats, Floats]:
    """(m,) and (m,) what lasts of right and wrong, as `agent.evidence.Witness` would say."""
    right, wrong = layer.masses(shown.symptoms)
    slot = np.unique(np.stack([shown.episode, shown.stream]), axis=1, return_inverse=True)[1].ravel()
    return Said().of(slot, right, wrong)


def reliability(layer: Layer, shown: Shown) -> float:
    """Factor of `wrong` under which hardly any fall or normal minute is believed wrong, in (0, 1]."""
    _, wrong = lasting(layer, shown)
    factor = 1.0
    for kind, allowed_of in (("novelty", _allowed), ("normal", lambda count: int(MOST_WRONGED * count))):
        rows = shown.judged & (shown.kind == kind) & ~shown.certain
        most = np.sort([wrong[rows & (shown.episode == one)].max() for one in np.unique(shown.episode[rows])])[::-1]
        if len(most):
            limit = float(most[min(allowed_of(len(most)), len(most) - 1)])
            factor = min(factor, 0.999 * LEAST_BELIEF / max(limit, LEAST_BELIEF))
    return factor


def _allowed(episodes: int) -> int:
    """How many may be wronged so that the upper end of the 95 % interval of their share is at most `MOST_WRONGED`;
    none where there are too few to show it.
    """
    count = 0
    while beta.ppf(CONFIDENCE, count + 2, max(episodes - count - 1, 1e-9)) <= MOST_WRONGED:
        count += 1
    return count
