"""A simulated person as the rules of delivery look at them: without templates' text."""

from datetime import datetime
from typing import NamedTuple, get_args

from journeys.simulation.being import Being
from journeys.simulation.people import ChannelName
from journeys.simulation.setting import Template
from policy import TEMPLATE_ERROR, Asked, Go, Later, No, choose, no_part

_ANYTHING = Template(channels=get_args(ChannelName))


class _Addressee(NamedTuple):
    being: Being
    key: str
    template: Template

    @property
    def zone(self) -> object:
        return self.being.traits.get("timezone")

    def unreachable(self, channel: str) -> str | None:
        return None if self.being.reachable(channel) else ""

    def word(self, channel: str, purpose: str) -> bool | None:
        return self.being.word(channel, purpose)

    def suppressed(self, channel: str) -> bool:
        return channel in self.being.suppressed

    def content(self, channel: str) -> No | None:
        return None if channel in self.template.channels else No(TEMPLATE_ERROR, no_part(self.key))


def judge(asked: Asked, being: Being, now: datetime) -> Go[None] | Later | No:
    """May it be sent, on which channel, and when."""
    setting = being.stage.setting
    template = _ANYTHING if setting.templates is None else setting.templates.get(asked.template)
    to = _Addressee(being, asked.template, template or _ANYTHING)
    return choose(asked, template, to, now, being.stage.quiet_hours, setting.policy.caps, being.sent)
