from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recare.compliance.lint import LintContext, lint
from recare.compliance.lint_form import reading_grade
from recare.compliance.wording import LANGUAGES, word_list
from tests.compliance.lint_texts import (
    ADDRESS,
    CALL,
    EMAIL,
    GOOD,
    LETTER,
    MAIL,
    OFFER,
    OUT,
    PORTAL,
    SMS,
    VOICEMAIL,
    framed,
    rules,
    verdict,
)


@pytest.mark.parametrize(
    "text", ["0 % loans for dental work", "debt relief", "CBD", "beer", "guns", "pr\u00e9stamos", "cerveza", "c4nnabis"]
)
def test_L17_restricted_content_fails(text: str) -> None:  # noqa: N802
    assert verdict("L17", text, SMS)


@pytest.mark.parametrize(
    "text",
    [
        "Hi {{first_name}}",
        "Hi [first_name]",
        "Hi %NAME%",
        "Hi {first_name}",
        "Hi #{name}",
        "Hi [[name]]",
        "Hi @name@",
        "Hi ${name}",
        "Hi *|FNAME|*, [F NAME]",
        "Hello, . See you",
        "Hola ! Nos vemos",
        "Dear null",
        "see you on  at noon",
        "Hi  , see you",
        "Hi , see you",
        "Hi! see you",
        "Dear None",
        "SEE YOU AGAIN SOON",
        "See you!! Soon",
        "a  b",
    ],
)
def test_L18_gaps_and_shouting_fail(text: str) -> None:  # noqa: N802
    assert verdict("L18", text, SMS)


@pytest.mark.parametrize("text", ["Hi there", "Hi Sam, see you!", "Hi, it's been a while", "None of us bites"])
def test_L18_a_fallback_passes(text: str) -> None:  # noqa: N802
    assert not verdict("L18", text, SMS)


@pytest.mark.parametrize(
    ("source", "fails"),
    [
        ("Hi {{ first_name }}", True),
        ("Hi {{ first_name | default: 'there' }}", False),
        ("{% if first_name != '' %}Hi {{ first_name }}{% endif %}", False),
    ],
)
def test_L18_a_source_needs_a_fallback_for_what_may_be_empty(source: str, fails: bool) -> None:  # noqa: FBT001, N802
    assert ("L18" in rules(source, replace(SMS, rendered=False))) is fails


@pytest.mark.parametrize(
    "text",
    [
        "Medicare dental update",
        "This is Delta Dental",
        "official notice",
        "on behalf of your insurance",
        "aviso oficial",
        "mensaje de su seguro",
    ],
)
def test_L19_speaking_for_others_fails(text: str) -> None:  # noqa: N802
    for context in (SMS, EMAIL, LETTER, CALL):
        assert verdict("L19", text, context)


@pytest.mark.parametrize(
    ("brand", "fails"),
    [("Maple Dental", False), ("MAPLE DENTAL, P.C.", False), ("Oak Orthodontics", True), ("", False)],
)
def test_L19_the_sender_is_the_registered_brand(brand: str, fails: bool) -> None:  # noqa: FBT001, N802
    assert ("L19" in rules(GOOD, replace(SMS, brand=brand))) is fails


def test_L20_hard_words_and_the_wrong_language_are_warnings() -> None:  # noqa: N802
    hard = "Notwithstanding considerable organizational complexities, comprehensive preventative examinations invariably facilitate extraordinarily advantageous physiological outcomes, particularly considering individual predispositions and environmental circumstances."
    assert {f.severity for f in lint(hard, LETTER) if f.rule == "L20"} == {"W"}
    assert "L20" in rules(GOOD, replace(SMS, preferred_language="es"))
    assert "L20" not in rules(MAIL, EMAIL)


def test_L20_grade_of_a_known_text() -> None:  # noqa: N802
    # 36 words, 6 sentences, 36 syllables: 0.39*6 + 11.8*1 - 15.59 < 0; the long text of one sentence lies far above.
    assert reading_grade("The cat sat on the mat. " * 6) == pytest.approx(0.39 * 6 + 11.8 - 15.59)


@pytest.mark.parametrize(
    "text",
    [
        "You're out. 20% off if you return!",
        "Maple Dental: You're unsubscribed. Come back any time.",
        "Maple Dental: You're unsubscribed. https://go.mapledental.com/b/7Kq2",
        "Maple Dental: Ya no recibir\u00e1 mensajes. Reserve su cita",
        "Maple Dental: You're unsubscribed. Change your mind? Reply START",
        "Maple Dental: You're unsubscribed. Call us to make an appointment",
        "Maple Dental: You've opted out. We have openings Friday",
    ],
)
def test_L21_winning_back_in_a_confirmation_fails(text: str) -> None:  # noqa: N802
    assert "L21" in rules(text, replace(SMS, message_class="S"))
    assert "L21" in rules(text, replace(SMS, message_class="S", purpose="opt_out"))


def test_L21_the_model_confirmation_passes_everything() -> None:  # noqa: N802
    text = "Maple Dental: You're unsubscribed and will get no more texts from us. Call 512-555-0100 with questions."
    assert len(text) == 103
    assert lint(text, replace(SMS, message_class="S", purpose="opt_out")) == ()


@pytest.mark.parametrize("markup", ['<img src="https://t.example/p.gif" width="1">', "<script>x()</script>", '<iframe src="//x.example">', '<link rel="stylesheet" href="https://fonts.example/f.css">', '<td background="http://x.example/b.png">', '<p style="background:url(https://x.example/a)">', "<style>@import url(https://x.example/f.css)</style>", '<img src="&#104;ttps://x.example/p.gif">', '<img lowsrc="https://x.example/p">', '<img src="https:\\\\x.example/p">', '<img src="ht\ttps://x.example/p">', '<img src="cid:x" onload="x()">', '<a href="cid:x" ping="/x">', "<p style=\"background:image-set('https://x.example/a' 1x)\">", '<p style="background:u\\72l(https://x.example/a)">', '<mj-image src="https://x.example/a.png" />'])  # fmt: skip
def test_L22_what_loads_from_elsewhere_fails(markup: str) -> None:  # noqa: N802
    assert "L22" in rules(MAIL, replace(EMAIL, html=markup))


@pytest.mark.parametrize(
    "markup",
    [
        '<img src="cid:logo">',
        '<img src="data:image/png;base64,AA">',
        '<html xmlns="http://www.w3.org/1999/xhtml"><p>Hi</p></html>',
    ],
)
def test_L22_what_comes_along_passes(markup: str) -> None:  # noqa: N802
    assert "L22" not in rules(MAIL, replace(EMAIL, html=markup))


def test_L22_a_host_with_a_baa_may_be_asked() -> None:  # noqa: N802
    assert "L22" not in rules(
        MAIL, replace(EMAIL, html='<img src="https://img.example/a.png">', covered_hosts=("img.example",))
    )


@pytest.mark.parametrize(("text", "fails"), [("Hi, this is Amy from Maple Dental. Please call us back at 512-555-0100.", False), ("Amy from Maple Dental about your cleaning, 512-555-0100", True), ("Maple Dental, you are overdue, 512-555-0100", True), ("Please call 512-555-0100", True), ("Maple Dental, su limpieza, 512-555-0100", True)])  # fmt: skip
def test_VOX_04_a_voicemail_tells_no_reason(text: str, fails: bool) -> None:  # noqa: FBT001, N802
    assert ("VOX-04" in rules(text, VOICEMAIL)) is fails


@pytest.mark.parametrize("reason", ["your account", "dental health", "we miss you", "your gums", "we have openings", "it's been a while", "your son's crown", "su cuenta", "hace tiempo que no viene"])  # fmt: skip
def test_VOX_04_no_hint_of_a_reason_either(reason: str) -> None:  # noqa: N802
    assert rules(f"Hi, this is Amy from Maple Dental. Please call us back at 512-555-0100. {reason}", VOICEMAIL)


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ("Hi, this is Amy from Maple Dental about a visit.", True),
        ("This is Amy. Shall I go on, end the call, or take you off our list?", False),
        ("Would you like to continue, end this call, or be removed from the list?", False),
        ("¿Desea continuar, terminar la llamada o que le quitemos de la lista?", False),
        ("May I continue?", True),
    ],
)
def test_VOX_02_connecticut_asks_three_ways(text: str, fails: bool) -> None:  # noqa: FBT001, N802
    assert ("VOX-02" in rules(text, replace(CALL, state="CT"))) is fails
    assert "VOX-02" not in rules(text, CALL)


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ("Maple Dental: You have a new message. Sign in to read it: https://go.mapledental.com/s/7Kq2", False),
        ("Maple Dental: You have a message about your plan", True),
        ("Maple Dental: Your estimate is ready", True),
    ],
)
def test_POR_01_a_notice_tells_only_that_a_message_waits(text: str, fails: bool) -> None:  # noqa: FBT001, N802
    assert ("POR-01" in rules(text, replace(SMS, message_class="S", purpose="portal_notice"))) is fails


AT_HOME = {
    "L13": OFFER,
    "L21": replace(SMS, message_class="S", purpose="opt_out"),
    "VOX-02": replace(CALL, state="CT"),
    "VOX-04": VOICEMAIL,
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("rule", sorted(word_list("en")["rewrites"]))
def test_every_rewrite_passes_its_own_rule(rule: str, language: str) -> None:
    text = word_list(language)["rewrites"][rule].format(
        practice="Maple Dental",
        phone="512-555-0100",
        link="https://go.mapledental.com/b/7Kq2",
        address=ADDRESS,
        unsubscribe=OUT,
    )
    if rule == "L09":
        assert "L09" not in rules(MAIL, replace(EMAIL, subject=text))
        return
    for context in (AT_HOME[rule],) if rule in AT_HOME else (SMS, EMAIL, LETTER):
        assert rule not in rules(text, context)


def test_a_finding_says_what_where_why_and_what_passes() -> None:
    (finding,) = (f for f in lint(framed("your crown is ready.", SMS), SMS) if f.rule == "L01")
    assert "crown" in finding.what
    assert "column 20" in finding.where
    assert "portal" in finding.why
    assert "L01" not in rules(finding.rewrite, SMS)


def test_words_in_a_templates_quotes_are_read_and_its_fields_are_not() -> None:
    portal_fields = replace(LETTER, rendered=False)
    assert "L15" not in rules("{{ offer_headline }} {% if plan %}x{% endif %}", portal_fields)
    assert "L01" in rules("{{ first_name | default: 'root canal' }}", replace(SMS, rendered=False))


@given(st.text(max_size=160), st.sampled_from([SMS, EMAIL, CALL, LETTER, VOICEMAIL, PORTAL]))
def test_the_lint_never_fails_and_every_finding_is_complete(text: str, context: LintContext) -> None:
    for finding in lint(text, context):
        assert all((finding.rule, finding.what, finding.where, finding.why, finding.rewrite))


@given(st.sampled_from(["crown", "denture", "biopsy", "implant"]), st.data())
def test_masking_hides_no_health_word(word: str, data: st.DataObject) -> None:
    swap = {"o": "0", "e": "3", "i": "1", "a": "@", "t": "7", "s": "5"}
    look = {"o": "\u043e", "e": "\u0435", "a": "\u0430", "c": "\u0441", "p": "\u0440"}
    how = data.draw(st.sampled_from(["leet", "spaced", "dotted", "cyrillic", "joined"]))
    masked = {
        "leet": "".join(swap.get(c, c) for c in word),
        "spaced": " ".join(word),
        "dotted": ".".join(word),
        "cyrillic": "".join(look.get(c, c) for c in word),
        "joined": "\u200d".join(word),
    }[how]
    assert verdict("L01", f"Your {masked.upper() if data.draw(st.booleans()) else masked} is ready.", SMS)
