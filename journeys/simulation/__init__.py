"""The simulator: a journey on a virtual clock, for one person with a scripted future, a population, or a period of the past.

    simulate(journey, script, setting, until) -> Life
    simulate_population(journey, scripts, setting, until) -> Report
    backtest(journey, scripts, setting, begin, until) -> Report
    compare(report, report) -> Difference

It drives the same functions as the real system (`start`, `plan`, `advance`, `resolve_wait`, `choose`, `evaluate`, `policy`) and
does no I/O: nothing is sent, called or written. The same arguments give the same story.
"""

from journeys.simulation.people import (
    Answer,
    Behaviour,
    CallAnswered,
    Consent,
    ConsentChanges,
    Enrolled,
    Enrols,
    EventHappens,
    MessageOutcome,
    PastEvent,
    Person,
    Response,
    Script,
    SegmentEntered,
    SegmentLeft,
    TraitsChange,
)
from journeys.simulation.report import Difference, Report, StepReport, compare
from journeys.simulation.setting import Setting, Template
from journeys.simulation.simulating import backtest, simulate, simulate_population
from journeys.simulation.story import End, Life, Line, Message, Refused, Run, Standing

__all__ = [
    "Answer",
    "Behaviour",
    "CallAnswered",
    "Consent",
    "ConsentChanges",
    "Difference",
    "End",
    "Enrolled",
    "Enrols",
    "EventHappens",
    "Life",
    "Line",
    "Message",
    "MessageOutcome",
    "PastEvent",
    "Person",
    "Refused",
    "Report",
    "Response",
    "Run",
    "Script",
    "SegmentEntered",
    "SegmentLeft",
    "Setting",
    "Standing",
    "StepReport",
    "Template",
    "TraitsChange",
    "backtest",
    "compare",
    "simulate",
    "simulate_population",
]
