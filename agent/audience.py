"""Who must have an event before it counts as delivered."""

from agent.settings import Delivery


class Audience:
    """The consumers of the settings, and whose events each of them answers for."""

    def __init__(self, delivery: Delivery) -> None:
        self.names = frozenset(delivery.consumers)
        self._wearers = {name: frozenset(delivery.wearers[name]) for name in self.names & delivery.wearers.keys()}

    def of(self, topic: str) -> frozenset[str]:
        """Consumers that must acknowledge an event on this topic; none = the broker's word is enough."""
        if "/summary/" in topic:  # a figure of the day is no event that somebody must answer for
            return frozenset()
        if not self._wearers:
            return self.names
        wearer = topic.partition("/wearer/")[2].partition("/")[0]
        return frozenset(name for name in self.names if wearer in self._wearers.get(name, (wearer,)))
