from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from liquid.exceptions import LiquidError

from recare.compliance.clearance import (
    CATALOGUE,
    FIELDS,
    TemplateError,
    check,
    environment,
    fields_of,
    longest,
    parse,
    samples,
)


def rules(source: str, channel: str = "sms", message_class: str = "R") -> set[str]:
    return {finding.rule for finding in check(source, channel, message_class)}


@pytest.mark.parametrize(
    "source",
    [
        "{{ practice_name | gsm }}: Hi {{ first_name | name: 8 | default: 'there' }}, {{ book_link }}",
        "{% for time in openings %}{{ forloop.index }}. {{ time }} {% endfor %}",
        "{% capture who %}{{ first_name }}{% endcapture %}{% if who == '' %}Hello{% else %}Hi {{ who }}{% endif %}",
        "{% comment %}{{ balance }} is for the portal only{% endcomment %}Hello",
    ],
)
def test_open_fields_may_go_anywhere(source: str) -> None:
    for channel in ("sms", "email", "subject", "voicemail", "postcard", "letter", "call", "portal"):
        assert check(source, channel, "R") == ()


LEAKS = [
    "{{ balance }}",
    "{{ 'x' | append: balance }}",
    "{{ first_name | default: balance }}",
    "{{ ['balance'] }}",
    "{{ balance | size }}",
    "{{ balance.size }}",
    "{% assign x = balance %}{{ x }}",
    "{% assign x = balance %}{% assign y = x %}{{ y | upcase }}",
    "{% capture x %}{{ balance }}{% endcapture %}{{ x }}",
    "{% if balance != '' %}Please call us.{% endif %}",
    "{% unless balance == '' %}Please call us.{% endunless %}",
    "{% if first_name == 'Sam' and balance %}a{% endif %}",
    "{% if first_name == 'Sam' %}a{% elsif balance %}b{% endif %}",
    "{% case balance %}{% when '0' %}a{% else %}b{% endcase %}",
    "{% case first_name %}{% when balance %}a{% endcase %}",
    "{% for p in procedures %}.{% endfor %}",
    "{% for i in (1..5) limit: age %}.{% endfor %}",
    "{% for i in (1..age) %}.{% endfor %}",
    "{% for i in openings offset: age %}.{% endfor %}",
    "{% if openings contains balance %}a{% endif %}",
    "{% if openings %}{% for t in openings %}{% capture z %}{% echo balance %}{% endcapture %}{% endfor %}{% endif %}",
    "{{ openings[age] }}",
]


@pytest.mark.parametrize("source", LEAKS)
@pytest.mark.parametrize("channel", ["sms", "email", "voicemail", "letter", "subject", "postcard", "pigeon"])
def test_a_health_field_reaches_no_open_channel_by_any_road(source: str, channel: str) -> None:
    for message_class in "ARPS":
        assert rules(source, channel, message_class) & {"F02", "F05", "F06"}


def test_a_health_field_may_stand_in_the_portal_and_on_the_callers_screen() -> None:
    for channel in ("portal", "call"):
        assert check("{% if balance %}{{ procedures | join: ', ' }}{% endif %}", channel, "R") == ()


@pytest.mark.parametrize(
    ("channel", "message_class", "passes"),
    [("sms", "A", True), ("email", "A", True), ("voicemail", "A", True), ("subject", "A", False), ("sms", "R", False), ("email", "P", False), ("letter", "R", True), ("postcard", "A", False)],
)  # fmt: skip
def test_a_limited_field_needs_a_booked_visit_or_a_sealed_letter(
    channel: str, message_class: str, *, passes: bool
) -> None:
    assert (check("See you {{ appointment_date }}", channel, message_class) == ()) is passes


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("{% include 'footer' %}", "F01"),
        ("{% render 'footer' %}", "F01"),
        ("{% liquid echo balance %}", "F01"),
        ("{% for i in (1..3) %}{% break %}{% endfor %}", "F01"),
        ("{% if first_name %}open for ever", "F01"),
        ("{{ first_name", "F01"),
        ("{{ frist_name }}", "F03"),
        ("{{ first_name | sparkle }}", "F04"),
        ("{{ 'now' | date: '%Y' }}", "F04"),
        ("{{ first_name | safe }}", "F04"),
        ("{% assign n = 'balance' %}{{ [n] }}", "F05"),
        ("{{ first_name.secret }}", "F05"),
        ("{{ offer_headline }}", "F07"),
        ("{% assign first_name = 'x' %}{{ first_name }}", "F08"),
        ("{% for balance in openings %}{{ balance }}{% endfor %}", "F08"),
    ],
)
def test_what_cannot_be_followed_is_refused(source: str, rule: str) -> None:
    assert rule in rules(source)


def test_a_finding_says_what_where_why_and_what_to_write_instead() -> None:
    (finding,) = check("Hello\n  {{ balance }}", "sms", "R")
    assert "balance" in finding.what
    assert finding.where == "line 2, column 6"
    assert "portal" in finding.why
    assert check(finding.rewrite, "sms", "R") == ()


def test_an_offer_field_is_allowed_in_an_offer() -> None:
    assert check("{{ offer_headline }} {{ offer_terms_link }}", "sms", "P") == ()


def test_fields_are_those_the_template_takes_from_outside() -> None:
    assert fields_of(
        "{% assign a = first_name %}{{ a }}{% for t in openings %}{{ t }}{% endfor %}{% if nope %}{% endif %}"
    ) == {"first_name", "openings", "nope"}


def test_a_broken_template_names_its_place() -> None:
    with pytest.raises(TemplateError, match="line 2, column 4"):
        parse("fine\n{% nonsense %}")


# Non-interference: whatever passes the check prints the same text whatever the health fields hold.
NAMES = ["first_name", "openings", "balance", "plan", "x", "y"]
atoms = st.sampled_from([*NAMES, "'lit'", "3"])
pieces = st.recursive(
    st.one_of(
        st.builds("{{{{ {} }}}}".format, atoms),
        st.builds("{{{{ {} | default: {} }}}}".format, atoms, atoms),
        st.builds("{{{{ {} | append: {} | upcase }}}}".format, atoms, atoms),
        st.builds("{{% assign {} = {} %}}".format, st.sampled_from("xy"), atoms),
        st.just("text "),
    ),
    lambda inner: st.one_of(
        st.builds("{{% if {} == {} %}}{}{{% else %}}{}{{% endif %}}".format, atoms, atoms, inner, inner),
        st.builds("{{% capture {} %}}{}{{% endcapture %}}".format, st.sampled_from("xy"), inner),
        st.builds("{{% for {} in {} %}}{}{{% endfor %}}".format, st.sampled_from("xy"), atoms, inner),
        st.lists(inner, min_size=2, max_size=3).map("".join),
    ),
    max_leaves=6,
)


def _render(source: str, **secrets: object) -> str:
    try:
        return parse(source).render(**{"first_name": "Sam", "openings": ["Tue", "Wed"], **secrets})
    except LiquidError as error:
        return type(error).__name__


@given(pieces)
def test_what_passes_tells_nothing_of_a_health_field(source: str) -> None:
    assume("balance" in source or "plan" in source or "first_name" in source)
    if check(source, "sms", "R"):
        return
    assert _render(source, balance="$80", plan="two visits") == _render(source, balance="", plan="")


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in (1..1000000) %}x{% endfor %}",
        "{% assign x = 'aaaaaaaaaa' %}{% for i in (1..150) %}{% assign x = x | append: x %}{% endfor %}",
    ],
)
def test_a_runaway_template_is_stopped(source: str) -> None:
    with pytest.raises(LiquidError):
        parse(source).render()


def test_markup_in_a_name_is_escaped_in_html() -> None:
    assert (
        environment(html=True).from_string("{{ first_name }}").render(first_name="<b>\"'&")
        == "&lt;b&gt;&#34;&#39;&amp;"
    )


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [("SAM", "Sam"), ("o'neil", "O'neil"), ("  Mary   Ann ", "Mary Ann"), ("Mary-Catherine", "Mary"), ("Bartholomew", ""), ("Zo\u00eb", "Zo\u00eb"), ("Sam 😀", "Sam"), ("", ""), ("McKay", "McKay"), ("Sam {{ x }}", "Sam X")],
)  # fmt: skip
def test_a_name_is_made_fit_to_greet_with(given_name: str, shown: str) -> None:
    assert parse("{{ first_name | name: 8 }}").render(first_name=given_name).lower() == shown.lower()


def test_every_field_has_a_sample_and_a_longest_value() -> None:
    assert samples().keys() == samples(longest=True).keys() == FIELDS.keys() == CATALOGUE.keys()


def test_the_longest_value_is_the_one_that_takes_most_room_in_a_text() -> None:
    assert longest({"first_name": ["Christopher", "Zo\u00eb" * 30, "Al"], "offer_price": []}) == {
        "first_name": "Zo\u00eb" * 30
    }
