"""Calls of web services as a script or setting answers them: tries, pauses between them, and what is kept."""

from datetime import datetime, timedelta
from typing import Any

from pydantic import JsonValue

from journeys.model import Call
from journeys.simulation.being import Being
from journeys.simulation.enrolment import Enrolment, Pending, Settled
from journeys.simulation.people import Answer, CallAnswered
from journeys.simulation.stage import Stage
from journeys.simulation.telling import Teller

_AGAIN = frozenset({408, 425, 429})
_FINE = Answer()


class Caller:
    """Answers `call` steps without calling anybody."""

    def __init__(self, stage: Stage, teller: Teller) -> None:
        self._stage = stage
        self._teller = teller

    def call(self, being: Being, run: Enrolment, step: Call, visit: int, now: datetime) -> Pending:
        """Under way until its answer comes; where the script has one to come, until that comes. The last answers all that come
        after it."""
        outcome: dict[str, Any] = {"method": step.method}
        self._teller.line(run, now, "called", step.id, visit, outcome, {"url": step.url})
        scripted = self._scripted(being, run, step.id)
        if scripted:
            for answered in [each for each in being.answers if self.meant(each, run, step.id)]:
                being.answers.remove(answered)
                settled = self.tried(being, run, step, answered, now)
                if settled is not None:
                    return Pending("call", now, now, settled=settled)
            if self.more(being, run, step.id, now):
                return Pending("call", now)
            return Pending("call", now, now, settled=self.tried(being, run, step, scripted[-1], now))
        settled = self._settle(being, run, step, now)
        return Pending("call", now, settled.at, settled=settled)

    def meant(self, answered: CallAnswered, run: Enrolment, step: str | None) -> bool:
        """Whether this answer is for this step of this enrolment."""
        return answered.call == step and run.journey.key == (answered.journey or self._stage.under_test.key)

    def more(self, being: Being, run: Enrolment, step: str, now: datetime) -> bool:
        """Whether another answer is to come."""
        return any(each.at > now for each in self._scripted(being, run, step))

    def _scripted(self, being: Being, run: Enrolment, step: str) -> list[CallAnswered]:
        """What the script answers this step, in the order in which it comes."""
        answers = (each for each in being.script.happenings if isinstance(each, CallAnswered) and self.meant(each, run, step))
        return sorted(answers, key=lambda each: each.at)

    def tried(self, being: Being, run: Enrolment, step: Call, answered: CallAnswered, now: datetime) -> Settled | None:
        """How the call ends with a script's answer to a try; None where another try may come."""
        answer = Answer(status=answered.status, headers=answered.headers, body=answered.body, error=answered.error)
        number = run.tries[step.id] = run.tries.get(step.id, 0) + 1
        if _again(answer) and number % step.retry.attempts and self.more(being, run, step.id, now):
            return None
        return Settled(now, path_of(answer), kept(answer))

    def _settle(self, being: Being, run: Enrolment, step: Call, begun: datetime) -> Settled:
        """All tries from the first on, with their pauses."""
        answers = being.script.answers.get(step.id) if run.journey is self._stage.under_test else None
        answers = answers or self._stage.setting.answers.get(step.id) or (_FINE,)
        tried = 0
        at, pause, longest = begun, step.retry.first.longest, step.retry.longest.longest
        while True:
            number = run.tries.get(step.id, 0)
            run.tries[step.id] = number + 1
            answer = _in_time(answers[min(number, len(answers) - 1)], step.timeout.longest)
            at += answer.after.longest
            tried += 1
            if not _again(answer) or tried == step.retry.attempts:
                return Settled(at, path_of(answer), kept(answer))
            at += min(pause, longest)
            pause = min(2 * pause, longest)


def path_of(answer: Answer) -> str:
    """The path that an answer takes."""
    return "ok" if answer.error is None and 200 <= answer.status < 300 else "failed"


def kept(answer: Answer) -> dict[str, JsonValue]:
    """What references see of an answer."""
    if answer.error is not None:
        return {"error": answer.error}
    headers: dict[str, JsonValue] = {name.lower(): value for name, value in answer.headers.items()}
    found: dict[str, JsonValue] = {"status": answer.status, "headers": headers, "body": answer.body}
    return found if path_of(answer) == "ok" else found | {"error": f"answered {answer.status}"}


def _again(answer: Answer) -> bool:
    return answer.error is not None or answer.status in _AGAIN or answer.status >= 500


def _in_time(answer: Answer, longest: timedelta) -> Answer:
    if answer.after.longest <= longest:
        return answer
    return Answer.model_validate({"error": "no answer in time", "after": f"PT{int(longest.total_seconds())}S"})
