"""What a template cannot do without is what it fails for when it is missing, and nothing else."""

from typing import Any

import pytest

from infra.liquid import RenderFailed, parse

NEEDS = [
    ("Hi {{ entry.x }}", {"entry.x"}),
    ("{{ entry.x | default: 'you' }}", set()),
    ("{{ entry.x | default: profile.y }}", {"profile.y"}),
    ("{{ entry.x | upcase | default: 'you' }}", {"entry.x"}),
    ("{{ 'a' | append: entry.x }}", {"entry.x"}),
    ("{% if entry.x %}{{ entry.x }}{% endif %}", set()),
    ("{% if entry.x %}{{ entry.x }}{% endif %}{{ entry.x }}", {"entry.x"}),
    ("{% if entry.x %}{% else %}{{ profile.x }}{% endif %}", {"profile.x"}),
    ("{% if entry.a.code %}{{ entry.a.code }} until {{ entry.a.until }}{% endif %}", set()),
    ("{% if entry.x == 'a' and profile.y %}{{ entry.x }}{{ profile.y }}{% elsif entry.z > 3 %}{{ entry.z }}{% endif %}", set()),
    ("{% if entry.x or true %}{{ entry.x }}{% endif %}", {"entry.x"}),
    ("{% if entry.x != nil %}{{ entry.x }}{% endif %}", set()),
    ("{% if entry.x != 'a' %}{{ entry.x }}{% endif %}", {"entry.x"}),
    ("{% if entry.x == nil %}{{ entry.x }}{% endif %}", {"entry.x"}),
    ("{% if entry.x contains 'a' %}{{ entry.x }}{% endif %}", set()),
    ("{% unless entry.x %}none{% else %}{{ entry.x }}{% endunless %}", set()),
    ("{% unless entry.x %}{{ profile.x }}{% endunless %}", {"profile.x"}),
    ("{% case entry.x %}{% when 'a' %}{{ entry.x }}{% else %}{{ profile.x }}{% endcase %}", {"profile.x"}),
    ("{% for each in entry.x %}{{ each }}{{ profile.y }}{% endfor %}", {"entry.x", "profile.y"}),
    ("{% if entry.x %}{% for each in entry.x %}{{ each }}{% endfor %}{% endif %}", set()),
    ("{% assign x = entry.x %}{% if x %}{{ x }}{{ entry.x }}{% endif %}", set()),
    ("{% assign x = entry.x %}{{ x }}", {"entry.x"}),
    ("{% assign x = entry.x | default: 'a' %}{{ x }}", set()),
    ("{% capture x %}{{ entry.x }}{% endcapture %}{{ x }}", {"entry.x"}),
    ("{% liquid echo entry.x\n echo entry.y | default: 'q' %}", {"entry.x"}),
]


def context(names: set[str]) -> dict[str, Any]:
    made: dict[str, Any] = {"entry": {}, "profile": {}}
    for name in names:
        *way, last = name.split(".")
        inner = made
        for part in way:
            inner = inner.setdefault(part, {})
        inner[last] = "1"
    return made


@pytest.mark.parametrize(("text", "names"), NEEDS)
def test_a_template_renders_with_what_it_needs_alone_and_fails_without_any_of_it(text: str, names: set[str]) -> None:
    source, flaws = parse(text, "$")
    assert source is not None, flaws
    assert set(source.required) == names
    assert set(source.required) <= set(source.variables)
    source.render(context(names))
    for missing in names:
        with pytest.raises(RenderFailed, match="is undefined"):
            source.render(context(names - {missing}))
