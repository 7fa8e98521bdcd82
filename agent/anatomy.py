"""What a score was made of: enough to take it apart (`attribute`), and to make it again with changes (`retrial`).

`Reading` is of a row alone, `Before` of the windows before it, `Anatomy` of both and of what came of them.
"""

from dataclasses import dataclass

from agent.records import Booleans, Floats, Integers, Singles


@dataclass(frozen=True, slots=True)
class Reading:
    """What the network, the prototypes and the freeze index say of each row by itself; no other window takes part."""

    embedding: Singles
    """(m, d)"""
    from_prototype: Singles
    """(m, segments, 4 axes, 4 descriptors) e - p"""
    from_context: Singles
    """(m, segments, 4 axes, 4 descriptors) e - x"""
    raw: Floats
    """(m,) strangeness of the segment that decides"""
    strange: Floats
    """(m,) the same in units of the scale"""
    trembling: Floats
    """(m, 4 axes, 2 bands) what each adds to the freeze index of the row; 0 for families that have no freezing part"""

    def of(self, rows: Integers | slice) -> "Reading":
        """Some rows of it."""
        return Reading(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class Before:
    """What the windows before each row left behind."""

    places: Singles
    """(m, LAGS, d) their embeddings"""
    strange: Floats
    """(m, LAGS) how strange each was"""
    trembling: Floats
    """(m, LAGS) the freeze index of each"""
    usual: Floats
    """(m,) the freeze index that its stream usually shows"""
    known: Booleans
    """(m, LAGS) where there is one; the rest is 0"""

    def of(self, rows: Integers | slice) -> "Before":
        """Some rows of it."""
        return Before(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class Anatomy:
    """All that a score was made of; with it, and with nothing else, it can be made again."""

    reading: Reading
    before: Before
    habit: Floats
    """(m,) what lasting strangeness took off the open part"""
    parts: Floats
    """(m, parts) as in `Scores`"""
    score: Floats
    """(m,) as in `Scores`, also where too much is missing"""
    weight: Floats
    """(m, parts) by how much the merged score rises with each part; rows sum to 1 at most"""
    own_limb: Floats
    """(m,) the freezing part as this row alone has it; -inf = no leg or trunk, or no leg in the window"""
    limbs: Integers
    """(m,) legs and trunk that the freezing part is made of, 0 = none"""
    heard: Booleans
    """(m,) as in `Rows`, and not too much is missing"""
    open_slope: Floats
    """(m,) by how much the open part rises with what the row says of it by itself: more where the limbs agree"""

    def of(self, rows: Integers | slice) -> "Anatomy":
        """Some rows of it."""
        reading, before = self.reading.of(rows), self.before.of(rows)
        rest = (name for name in self.__dataclass_fields__ if name not in ("reading", "before"))
        return Anatomy(reading, before, *(getattr(self, name)[rows] for name in rest))
