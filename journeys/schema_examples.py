"""Examples for editors, by the part of the language that they show."""

from pydantic import JsonValue

_OF_CONDITIONS: dict[str, list[JsonValue]] = {
    "All": [{"all": [{"segment": "vip"}, {"not": {"trait": "country", "eq": "NL"}}]}],
    "AnyOf": [{"any": [{"trait": "tier", "in": ["gold", "silver"]}, {"segment": "vip"}]}],
    "Not": [{"not": {"event": "Order Completed", "within": "P90D"}}],
    "TraitIs": [
        {"trait": "tier", "eq": "gold"},
        {"trait": "dog.birthdate", "older_than": "P12M"},
        {"trait": "tags", "contains": "gardener"},
        {"trait": "phone", "exists": False},
    ],
    "Happened": [
        {"event": "Order Completed", "where": {"property": "category", "eq": "books"}, "within": "P90D", "count": {"gte": 2}},
        {"event": "Order Completed", "sum": {"property": "total", "gt": 250}},
        {"event": "Order Completed", "between": ["2026-01-01", "2026-04-01"]},
    ],
    "InSegment": [{"segment": "vip"}],
    "ValueIs": [
        {"value": {"ref": "results.points.body.total"}, "gte": 500},
        {"value": {"ref": "entry.properties.starts_at"}, "newer_than": "-P1D"},
    ],
    "NumberIs": [{"gte": 3}, {"eq": 0}],
    "SumIs": [{"property": "total", "gt": 250}],
    "Nothing": [{"nothing": True}],
    "WhereAll": [{"all": [{"property": "category", "eq": "books"}, {"property": "total", "gte": 20}]}],
    "WhereAny": [{"any": [{"property": "topic", "eq": "ferns"}, {"property": "topic", "exists": False}]}],
    "WhereNot": [{"not": {"property": "channel", "in": ["test", "staff"]}}],
    "PropertyIs": [
        {"property": "category", "eq": "books"},
        {"property": "order_id", "eq": {"ref": "entry.properties.order_id"}},
        {"property": "total", "gte": 20},
    ],
}
_OF_RULES: dict[str, list[JsonValue]] = {
    "Entry": [{"event": "Signed Up", "reentry": "never"}, {"segment_entered": "puppy-owners"}],
    "ReentryAfter": [{"after": "P1D"}, {"after": "P6M", "since": "end"}],
    "Caps": [{"per_hour": 500, "in_all": 20000}],
    "ExitRule": [{"event": "Account Closed"}, {"trait": "dog.alive", "eq": False}, {"segment_left": "vip"}],
    "OnEvent": [{"event": "Order Cancelled", "where": {"property": "order_id", "eq": {"ref": "entry.properties.order_id"}}}],
    "OnSegmentEntered": [{"segment_entered": "asked-for-silence"}],
    "OnSegmentLeft": [{"segment_left": "vip"}],
    "OnCondition": [{"if": {"trait": "renewed_at", "older_than": "P1Y"}}],
    "Goal": [
        {"event": "Order Completed", "within": "P14D"},
        {"event": "Order Completed", "where": {"property": "category", "eq": "books"}, "on_reached": "exit"},
    ],
}
_OF_PARTS: dict[str, list[JsonValue]] = {
    "After": [{"after": "P30D"}],
    "GoTo": [{"goto": "hello"}],
    "Fallback": [{"unless": "delivered", "within": "PT1H"}],
    "Retry": [{"attempts": 8, "first": "PT30S", "longest": "PT6H"}],
    "Timeout": [
        {"after": "P7D", "steps": [{"id": "remind", "type": "send", "template": "cart", "channels": ["email"]}]},
        {"until": {"ref": "entry.properties.starts_at", "default": {"after": "P7D"}}, "offset": "-P1D", "at": "10:00"},
    ],
    "WaitPath": [{"id": "bought", "event": "Order Completed"}, {"id": "clicked", "message": "hello", "status": "clicked"}],
    "EventPath": [{"id": "bought", "event": "Order Completed", "where": {"property": "category", "eq": "books"}, "steps": []}],
    "MessagePath": [{"id": "replied", "message": "question", "status": "replied", "steps": []}],
    "SegmentEnteredPath": [{"id": "joined", "segment_entered": "vip"}],
    "SegmentLeftPath": [{"id": "left", "segment_left": "vip"}],
    "ConditionPath": [{"id": "third", "if": {"event": "Order Completed", "count": {"gte": 3}}}],
    "BranchPath": [{"id": "vip", "if": {"segment": "vip"}, "steps": []}],
    "SplitPath": [{"id": "offer", "weight": 90, "steps": []}, {"id": "none", "weight": 10, "hold_out": True}],
}
EXAMPLES: dict[str, list[JsonValue]] = {
    **_OF_CONDITIONS,
    **_OF_RULES,
    **_OF_PARTS,
    "Journey": [
        {
            "key": "welcome",
            "name": "Welcome",
            "purpose": "marketing",
            "entry": {"event": "Signed Up", "reentry": "never"},
            "steps": [{"id": "hello", "type": "send", "template": "welcome", "channels": ["email"]}],
        }
    ],
    "Step": [
        {"id": "hello", "type": "send", "template": "welcome", "channels": ["email"]},
        {"id": "a-day", "type": "wait", "for": "P1D"},
    ],
    "Duration": ["P1D", "PT4H", "P8W", "P1Y2M", "-P2W"],
    "Span": ["P1D", "PT4H", "P8W", "P1Y2M"],
    "Ref": [{"ref": "entry.properties.topic"}, {"ref": "profile.traits.dog.name"}, {"ref": "results.points.body.total"}],
    "DateRef": [{"ref": "profile.traits.dog.birthdate"}, {"ref": "entry.properties.starts_at", "default": {"after": "P30D"}}],
    "Condition": [
        {"trait": "tier", "eq": "gold"},
        {"event": "Order Completed", "within": "P90D", "count": {"gte": 2}},
        {"segment": "vip"},
        {"all": [{"segment": "vip"}, {"not": {"trait": "country", "eq": "NL"}}]},
    ],
    "Filter": [{"property": "category", "eq": "books"}, {"property": "order_id", "eq": {"ref": "entry.properties.order_id"}}],
    "Window": [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "18:00"}, {"from": "22:00", "to": "06:00"}],
    "Schedule": [{"rrule": "FREQ=WEEKLY;BYDAY=TU", "starts": "2026-01-01", "at": "09:30"}],
    "EntryByEvent": [{"event": "Signed Up", "reentry": "never"}],
    "EntryBySegment": [{"segment_entered": "puppy-owners", "key": "profile.traits.dog.id"}],
    "EntryBySchedule": [
        {"schedule": {"rrule": "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=1", "starts": "2026-01-01"}, "segment": "customers"}
    ],
    "EntryByApi": [{"api": True}],
    "Send": [{"id": "hello", "type": "send", "template": "welcome", "channels": ["whatsapp", "email"]}],
    "Wait": [
        {"id": "a-day", "type": "wait", "for": "P1D"},
        {"id": "some-days", "type": "wait", "between": ["P2D", "P4D"], "at": "10:00"},
        {"id": "day-before", "type": "wait", "until": {"ref": "entry.properties.starts_at"}, "offset": "-P1D", "if_past": "exit"},
    ],
    "WaitFor": [
        {
            "id": "paid",
            "type": "wait_for",
            "paths": [{"id": "yes", "event": "Order Completed", "steps": []}],
            "timeout": {"after": "P7D", "steps": [{"id": "remind", "type": "send", "template": "cart", "channels": ["email"]}]},
        }
    ],
    "Branch": [
        {"id": "who", "type": "branch", "paths": [{"id": "vip", "if": {"segment": "vip"}, "steps": []}], "otherwise": []},
    ],
    "Split": [
        {
            "id": "test",
            "type": "split",
            "experiment": "book-offer",
            "paths": [{"id": "offer", "weight": 90, "steps": []}, {"id": "none", "weight": 10, "hold_out": True}],
        }
    ],
    "Repeat": [
        {
            "id": "weekly",
            "type": "repeat",
            "until": {"segment": "vip"},
            "max": 12,
            "steps": [{"id": "week", "type": "wait", "for": "P1W"}],
        }
    ],
    "UpdateProfile": [{"id": "grown", "type": "update_profile", "set": {"dog.life_stage": "adult"}}],
    "EmitEvent": [{"id": "tell", "type": "emit_event", "event": "Cart Abandoned", "properties": {"step": 2}}],
    "Call": [
        {
            "id": "points",
            "type": "call",
            "url": "https://shop.example/points/{{ profile.id }}",
            "method": "GET",
            "headers": {"Authorization": "Bearer {{ secrets.SHOP }}"},
            "on_failure": [{"id": "stop", "type": "exit", "reason": "no points"}],
        }
    ],
    "StartJourney": [{"id": "next", "type": "start_journey", "journey": "win-back", "wait": True}],
    "Exit": [{"id": "bye", "type": "exit", "reason": "not interested"}],
    "Jump": [{"id": "again", "type": "goto", "goto": "weekly"}],
}
