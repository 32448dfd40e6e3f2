"""Examples for editors, by the part of the language that they show."""

from pydantic import JsonValue

EXAMPLES: dict[str, list[JsonValue]] = {
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
