"""Teach the head for falls: from the embeddings of the *quantized* student, so that it knows the rounding too.

Learnt on the wearers that train, from every labelled window and from the same wear as other sensors would have given it
(`training.augment.worn_otherwise`): without that it learns how one dataset straps its sensors on. On the calibration
wearers, average precision at the waist and the wrist .93 and .93 with the data as recorded, .93 and .96 with both kinds
of change; on WEDA-FALL, of another laboratory, .62 and .70.

Windows and labels are mixed in pairs (mixup: Zhang, Cisse, Dauphin, Lopez-Paz 2018, ICLR), for the sake of laboratories
that it has not seen. Average precision of the head alone, mean of three seeds, on people of the laboratories that it
knows: .942 (the same with a dropout of .2 and nothing mixed); taught on the waists of one laboratory and judged on the
four positions of the other: .81 (.79); the other way round: .71 (.62). Mixed with a dropout of .2: .940, .82, .69;
without any: .941, .77, .72; with a Beta(.4) and a dropout of .2: .936, .82, .71; with Beta(1): .930, .81, .71. Weight
decay, noise and more turned copies changed none of them by more than .01. All on training and calibration wearers.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from agent.known import Known, joined
from agent.layout import Layout
from agent.past import Past
from agent.records import Singles
from agent.runtime import Runtime
from export.embedding import embed
from training.augment import worn_otherwise
from training.lessons import chances
from training.loop import loop
from training.scoring import streams
from training.windows import NormalWindows

TURNS_RAD = (np.pi, 0.5)
"""Largest turn of the sensors in each kind of copy: anyhow, and a loose strap."""
COPIES = 3
"""Of each kind."""
HIDDEN = (96, 48)
EPOCHS = 12
BATCH = 512
DROPOUT = 0.1
LEARNING_RATE = 4e-3
WEIGHT_DECAY = 1e-3
MIXED = 0.2
"""Both parameters of the Beta distribution of a window's share in its pair."""
FEWEST_EVENTS = 20
"""Labelled windows below which there is nothing to learn."""


def learn(runtime: Runtime, layout: Layout, windows: NormalWindows, seed: int) -> Known | None:
    """The head, from labelled windows; None where hardly any holds an event."""
    if int(windows.label.sum()) < FEWEST_EVENTS:
        return None
    rng = np.random.default_rng(seed)
    looks = [_inputs(runtime, layout, windows, windows.samples_g)]
    for most_rad in TURNS_RAD * COPIES:
        worn = worn_otherwise(windows.samples_g, windows.session, layout.rate_hz, rng, most_rad)
        looks.append(_inputs(runtime, layout, windows, worn))
    return _weights(_taught(looks, windows, rng, seed))


def _inputs(runtime: Runtime, layout: Layout, windows: NormalWindows, samples_g: Singles) -> Singles:
    """(m, (1 + LAGS) * d) embeddings of each window and of those before it in its session, as the head eats them."""
    embedding = embed(runtime, layout, samples_g)
    past = Past(embedding.shape[1], layout.hop_s)
    before, known = past.recall(streams(windows), windows.end_s, embedding)
    return joined(embedding, before, known)


def _taught(looks: list[Singles], windows: NormalWindows, rng: np.random.Generator, seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    width = looks[0].shape[1]
    first, second = HIDDEN
    head = nn.Sequential(
        nn.Dropout(DROPOUT), nn.Linear(width, first), nn.ReLU(),
        nn.Dropout(DROPOUT), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, 1),
    )  # fmt: skip
    steps = max(1, EPOCHS * len(windows.label) // BATCH)
    optimizer = torch.optim.AdamW(head.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, steps)
    chance, truth = chances(windows.family), torch.from_numpy(windows.label.astype(np.float32))

    def step(rng: np.random.Generator) -> Tensor:
        rows = rng.choice(len(truth), BATCH, p=chance)
        look = torch.from_numpy(looks[rng.integers(len(looks))][rows])
        share, other = float(rng.beta(MIXED, MIXED)), torch.from_numpy(rng.permutation(BATCH))
        look, held = (share * values + (1 - share) * values[other] for values in (look, truth[rows]))
        return binary_cross_entropy_with_logits(head(look)[:, 0], held)

    loop({"head": head}, optimizer, schedule, rng, step, steps, name="head for falls")
    return head.eval()


def _weights(head: nn.Sequential) -> Known:
    """As they will be stored: half precision."""
    first, second, last = (layer for layer in head if isinstance(layer, nn.Linear))

    def rounded(values: torch.Tensor) -> Singles:
        return values.detach().numpy().astype(np.float16).astype(np.float32)

    return Known(
        first=rounded(first.weight.T),
        first_bias=rounded(first.bias),
        second=rounded(second.weight.T),
        second_bias=rounded(second.bias),
        last=rounded(last.weight[0]),
        last_bias=float(rounded(last.bias)[0]),
    )
