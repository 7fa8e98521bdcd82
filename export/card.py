"""The model card: what a bundle is, in words and tables, for whoever has to decide whether to trust it.

Made from the manifest and the run record alone, so that it cannot say what they do not.
"""

import json
from typing import Any

from agent.calibrate import BLOCKS_PER_DAY
from agent.manifest import CalibrationFacts, Manifest
from training.markdown import table
from training.record import RunRecord

TAIL = 0.025
"""Each side of a 95 % interval."""


def card(manifest: Manifest, record: RunRecord) -> str:
    """The text of `CARD.md`, Markdown."""
    parts = [_what(manifest), _data(manifest, record), _training(record), _calibration(manifest), _parity(manifest)]
    return "\n\n".join([*parts, _limits(manifest, record), _again(manifest, record)]) + "\n"


def _what(manifest: Manifest) -> str:
    layout = manifest.layout
    groups = [
        f"{family} ({', '.join(name for name, own in layout.positions.items() if own == family)})"
        for family in layout.families
    ]
    return f"""# Model card: {manifest.id}

A bundle (`{manifest.schema}`) for the Veille agent, {manifest.minimum_agent} or newer, made on {manifest.made}.
It scores windows of {layout.window_s:g} s, every {layout.hop_s:g} s, of acceleration in g at {layout.rate_hz:g} Hz.
It says how unusual the movement is among the normal wear below (higher = stranger), with a p-value and its interval.

Intended use: to point out unusual movement and faulty sensors to people who can look for themselves, on sensors worn
at: {"; ".join(groups)}. Packets from any other position are refused by name."""


def _data(manifest: Manifest, record: RunRecord) -> str:
    rows = [
        (source.name, source.source, source.licence, *(source.parts.get(part, "-") for part in ("train", "calibrate")))
        for source in manifest.data
    ]
    lines = [table(("data", "source", "licence", "wearers who train", "who calibrate"), rows)]
    if record.left_out:
        left = ", ".join(f"{reason} {count}" for reason, count in sorted(record.left_out.items()))
        lines.append(f"Left out: {left}.")
    lines += [f"Note: {note}." for note in record.notes]
    return "## Data\n\n" + "\n\n".join([*lines, _digests(manifest)])


def _digests(manifest: Manifest) -> str:
    found = [f"- {source.name}: `{source.digest}`" for source in manifest.data if source.digest]
    told = "SHA-256 of what `sha256sum` gives of the files used, sorted by name:"
    return "\n".join([told, "", *found]) if found else "No digests of the files were kept."


def _training(record: RunRecord) -> str:
    figures = ", ".join(f"{name} {value:g}" for name, value in record.figures.items()) or "none"
    return f"""## Training

{record.parameters} parameters, {record.windows} windows of {len(record.wearers)} wearers.
{record.minutes:g} minutes on {record.device}, torch {record.torch}, seed {record.seed}.
Measured on what was held back of the training: {figures}.

```toml
{_toml(record.config)}
```"""


def _calibration(manifest: Manifest) -> str:
    rows = [(family, *_promise(facts)) for family, facts in manifest.calibration.items()]
    names = ("family", "wearers", "windows", "half-minutes", "worth", "promise a day", "95 % at most")
    return f"""## Calibration

{table(names, rows)}

Scores come from the quantized network and from wearers who did not train. Worth: independent half-minutes that they
amount to, since those of one wearer are alike. Promise: the fewest false alarms a day that can be promised at all;
95 % at most: the upper end of its interval. Both hold for people who move like those calibrated on."""


def _promise(facts: CalibrationFacts) -> tuple[Any, ...]:
    """Counts, the promise and the upper end of its interval (Clopper & Pearson 1934, for none in `worth`)."""
    most = BLOCKS_PER_DAY * (1 - TAIL ** (1 / facts.effective_half_minutes))
    promise = BLOCKS_PER_DAY / (1 + facts.half_minutes)
    worth = f"{facts.effective_half_minutes:g}"
    return facts.wearers, facts.windows, facts.half_minutes, worth, f"{promise:.1f}", f"{most:.1f}"


def _parity(manifest: Manifest) -> str:
    rows = [(name, f"{value:g}") for name, value in manifest.parity.items()]
    missing = (
        "" if "roc_auc_int8" in manifest.parity else "\n\nNo labelled events: how well it detects is not measured."
    )
    return f"""## Quantization

The int8 network beside the fp32 one it was made from, on the wearers who calibrate:

{table(("figure", "value"), rows)}{missing}"""


def _limits(manifest: Manifest, record: RunRecord) -> str:
    changed = "\n\nThe code differed from its commit when this was trained." if record.uncommitted else ""
    return f"## Limits\n\n{manifest.limits}{changed}"


def _again(manifest: Manifest, record: RunRecord) -> str:
    own = any(facts.name == "own" for facts in record.data)
    public = any(facts.name != "own" for facts in record.data)
    train = " --folder FOLDER" * own + " --with-public" * (own and public)
    return f"""## To make it again

With the configuration above in `config.toml`, and the data whose digests are given:

```
{"# a commit that was not kept" if manifest.commit == "unknown" else f"git checkout {manifest.commit}"}
python -m training train --config config.toml --out RUN{train}
python -m export RUN BUNDLE{" --folder FOLDER" * own}
```"""


def _toml(config: dict[str, Any], name: str = "") -> str:
    """Tables last, as TOML wants; a plain value is written as in JSON."""
    lines = [f"[{name}]"] if name else []
    lines += [f"{key} = {json.dumps(value)}" for key, value in config.items() if not isinstance(value, dict)]
    inner = [(f"{name}.{key}" if name else key, value) for key, value in config.items() if isinstance(value, dict)]
    return "\n".join([*lines, *(_toml(value, path) for path, value in inner)])
