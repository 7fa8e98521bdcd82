"""What a model learns from: the public datasets, a user's folder, or both; one interface for training and export."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agent.layout import Layout
from training.datasets import data_root, open_dataset, reader_of
from training.datasets.facts import DataFacts, files_digest
from training.datasets.folder import OwnFolder, open_folder
from training.datasets.labelled import Labelled
from training.datasets.split import NEED, SPLIT, Part, split


class Source(Protocol):
    """Recordings, split by wearer."""

    def recordings(self, part: Part) -> Iterator[Labelled]:
        """All recordings of a part, events included; positions are the layout's."""

    def normal(self, part: Part) -> Iterator[Labelled]:
        """Normal wear alone, for training and calibration."""

    def facts(self) -> list[DataFacts]:
        """What they are."""


@dataclass(frozen=True, slots=True)
class Public:
    """The public datasets that may ship."""

    root: Path | None
    """See `data_root`."""

    def recordings(self, part: Part) -> Iterator[Labelled]:
        """See `Source`."""
        for name in SPLIT:
            items = open_dataset(name, self.root, lambda wearer: split(wearer) == part)
            yield from (item for item in items if item.shippable)

    def normal(self, part: Part) -> Iterator[Labelled]:
        """See `Source`."""
        return (item for item in self.recordings(part) if item.normal)

    def facts(self) -> list[DataFacts]:
        """See `Source`."""
        return [self._facts(name) for name in SPLIT]

    def _facts(self, name: str) -> DataFacts:
        reader, folder = reader_of(name), data_root(self.root) / name
        files, wearers = sorted(folder.glob("*.parquet")), set[str]()

        def noted(wearer: str) -> bool:
            wearers.add(wearer)
            return False  # nothing is read, only the names are heard

        list(open_dataset(name, self.root, noted))
        return DataFacts(
            name=name,
            source=reader.SOURCE,
            licence=reader.LICENCE,
            digest=files_digest(files, folder),
            files=len(files),
            wearers={part: sorted(wearer for wearer in wearers if split(wearer) == part) for part in NEED},
        )


@dataclass(frozen=True, slots=True)
class Corpus:
    """Several sources as one."""

    sources: tuple[Source, ...]

    def recordings(self, part: Part) -> Iterator[Labelled]:
        """See `Source`."""
        for source in self.sources:
            yield from source.recordings(part)

    def normal(self, part: Part) -> Iterator[Labelled]:
        """See `Source`."""
        for source in self.sources:
            yield from source.normal(part)

    def facts(self) -> list[DataFacts]:
        """See `Source`."""
        return [facts for source in self.sources for facts in source.facts()]

    @property
    def left_out(self) -> dict[str, int]:
        """Why parts of a user's folder are not used -> how many."""
        return dict(Counter(problem.reason for own in self.folders() for problem in own.problems))

    @property
    def notes(self) -> list[str]:
        """What a user's folder does not allow."""
        return [note for own in self.folders() for note in own.notes]

    def folders(self) -> list[OwnFolder]:
        """The user's own."""
        return [source for source in self.sources if isinstance(source, OwnFolder)]


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Tell `parser` what `open_corpus` needs."""
    parser.add_argument("--root", type=Path, help="folder of the datasets (default: $VEILLE_DATA or ../shared/data)")
    parser.add_argument("--folder", type=Path, help="your own recordings, with wearers.csv, instead of the datasets")


def open_corpus(root: Path | None, folder: Path | None, layout: Layout, *, with_public: bool) -> Corpus:
    """The public datasets, or a folder, or both.

    Raises:
        DataError: nothing usable is left in the folder, or the datasets are missing.
    """
    if folder is None:
        return Corpus((Public(root),))
    own = open_folder(folder, layout, alone=not with_public)
    return Corpus((Public(root), own) if with_public else (own,))


def tell(corpus: Corpus) -> None:
    """On standard error, one line for each thing that is not used, how many there were, and what that means."""
    for own in corpus.folders():
        lines = [f"not used: {problem.text}" for problem in own.problems]
        if lines:
            lines.append(f"{len(lines)} problems in {own.path}; going on with {len(own.usable)} recordings")
        lines += [f"note: {note}" for note in own.notes]
        sys.stderr.write("".join(f"{line}\n" for line in lines))
