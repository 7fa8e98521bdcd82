"""Who has gone silent: of whom nothing has come for a while, on the gateway's clock."""

from collections.abc import Iterable
from dataclasses import dataclass, field

SILENT_S = 60.0
"""Gateway time without a window after which a wearer is called silent."""


@dataclass(slots=True)
class Hearing:
    """When each wearer was last heard; one number a wearer."""

    _heard_s: dict[int, float] = field(default_factory=dict)

    def hear(self, wearers: Iterable[int], now_s: float) -> None:
        """Something of these wearers has come."""
        self._heard_s.update(dict.fromkeys(wearers, now_s))

    def take_silent(self, now_s: float) -> list[int]:
        """Wearers who have fallen silent, each once until heard again."""
        silent = []
        for wearer, heard_s in list(self._heard_s.items()):
            if heard_s > now_s:  # the gateway's clock was set back
                self._heard_s[wearer] = now_s
            elif now_s - heard_s > SILENT_S:
                del self._heard_s[wearer]
                silent.append(wearer)
        return silent
