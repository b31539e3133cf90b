from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from recare.compliance.lint import LintContext, lint
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


def test_sms_02_the_model_text_passes_everything() -> None:
    assert len(GOOD) == 151
    assert lint(GOOD, SMS) == ()


def test_henegar_fails_as_the_court_file_tells() -> None:
    text = (
        "You are overdue for your cleaning. Get rid of bad bacteria\u2026 In House Dental Plans and financing options"
    )
    assert {"L05", "L11", "L15", "L16"} <= rules(text, SMS)


@pytest.mark.parametrize("text", [
    "Time to finish your root canal", "your crown is ready", "Your cr0wn is ready", "c r o w n", "C.R.O.W.N", "r00t canal", "root-canal", "root  canal", "Root\u00a0Canal", "cavit\u00edes", "\u0441rown",
    "cro\u200bwn", "crowns", "extracted", "your fillings", "Let's fill that cavity", "x-ray", "xray", "X rays", "tooth #14", "tooth 14", "teeth 3, 4", "D2740", "code d-2740", "amoxicillin", "HIV",
    "you are pregnant", "sleep apnea", "gum disease", "perio visit", "denture", "biopsy", "sedation", "deep cleaning", "implant consult", "your treatment plan", "unfinished treatment", "your test results",
    "tratamiento de conducto", "su corona est\u00e1 lista", "ra\u00edz y endodoncia", "muela 14", "caries", "empaste", "radiograf\u00edas", "extracci\u00f3n", "enc\u00edas: enfermedad de las enc\u00edas", "embarazada",
])  # fmt: skip
def test_L01_health_words_fail(text: str) -> None:  # noqa: N802
    assert verdict("L01", text, SMS)
    assert verdict("L01", text, VOICEMAIL)
    assert not verdict("L01", text, PORTAL)


@pytest.mark.parametrize("text", [
    "We'd like to see you again", "Thanks for filling in the form", "We are filling up fast", "Find us on Crown Street", "See you at 12 Crown Plaza", "Time for a visit, checkup or cleaning", "Suite D2, room 14",
    "We moved to 1400 Oak", "Tell us what you need", "Nos gustar\u00eda verle de nuevo", "Es hora de su limpieza",
])  # fmt: skip
def test_L01_neutral_words_pass(text: str) -> None:  # noqa: N802
    assert not verdict("L01", text, SMS)


def test_L01_the_practices_own_name_is_no_health_word() -> None:  # noqa: N802
    context = replace(SMS, practice_name="Crown Dental")
    assert "L01" not in rules(GOOD.replace("Maple Dental", "Crown Dental"), context)


@pytest.mark.parametrize("text", ["You have $640 of Delta benefits left", "Your balance", "you owe $20", "past due", "Delta Dental", "unused benefits", "your deductible", "Your insurance ends soon", "Medicaid", "Su saldo", "sus beneficios", "copago"])  # fmt: skip
def test_L02_money_and_insurance_fail(text: str) -> None:  # noqa: N802
    assert verdict("L02", text, SMS)
    assert verdict("L02", text, EMAIL)
    assert not verdict("L02", text, PORTAL)


@pytest.mark.parametrize(
    "text",
    [
        "Questions about coverage? Call us",
        "Ask a parent or guardian",
        "Use your benefit of the doubt at the deltaic bay",
    ],
)
def test_L02_asking_about_coverage_passes(text: str) -> None:  # noqa: N802
    assert verdict("L02", text, SMS) is ("benefit" in text)


@pytest.mark.parametrize("text", ["Not seen since 03/02/2024", "Your last visit was in March", "It's been 18 months", "we haven't seen you for two years", "Happy birthday Sam", "last cleaning 2 years ago", "No le vemos desde marzo", "hace 18 meses", "su \u00faltima visita fue en mayo"])  # fmt: skip
def test_L03_dates_of_visits_and_births_fail(text: str) -> None:  # noqa: N802
    assert verdict("L03", text, SMS)
    assert "L03" in rules(MAIL, replace(EMAIL, subject=text))


@pytest.mark.parametrize(
    "text", ["It's been a while", "Ha pasado un tiempo", "We have a time on Tue 3/2", "See you since you asked"]
)
def test_L03_a_while_passes(text: str) -> None:  # noqa: N802
    assert not verdict("L03", text, SMS)


def test_L03_a_family_name_fails_and_is_not_repeated_in_the_finding() -> None:  # noqa: N802
    context = replace(SMS, private_words=("Rivera",))
    (finding,) = (f for f in lint(framed("Hi Sam Rivera, see you?", context), context) if f.rule == "L03")
    assert "rivera" not in f"{finding.what}{finding.where}{finding.why}".lower()


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("Rivera", "Hi Sam Rivera! See you?"), ("Rivera", "the Rivera's visit"), ("Rivera", "(Rivera)"), ("Rivera", "RIVERA: see you"), ("Rivera", "Sam/Rivera"), ("O'Brien", "Hi Sam O\u2019Brien, hello"),
        ("Garc\u00eda", "Hola Sam Garcia"), ("Garcia", "Hola Sam Garc\u00eda;"), ("Smith-Jones", "Sam Smith Jones"), ("05/06/1980", "born 05/06/1980."), ("de la Cruz", "Sam de la Cruz?"),
    ],
)  # fmt: skip
def test_L03_a_private_word_is_found_in_whatever_it_is_wrapped(word: str, text: str) -> None:  # noqa: N802
    assert verdict("L03", text, replace(SMS, private_words=(word,)))


@pytest.mark.parametrize(
    ("word", "text"), [("Hand", "handy hours"), ("Rose", "the sun rises"), ("", "see you"), ("Li", "live list")]
)
def test_L03_part_of_another_word_is_no_private_word(word: str, text: str) -> None:  # noqa: N802
    assert not verdict("L03", text, replace(SMS, private_words=(word,)))


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ("Hi Sam, time for a checkup at your dentist in town, Maple Dental", True),
        ("Maple Dental: Hi Sam\u2026", False),
        ("Hi Sam, Maple Dental here", False),
    ],
)
def test_L04_practice_name_first(text: str, fails: bool) -> None:  # noqa: FBT001, N802
    assert ("L04" in rules(text, SMS)) is fails


@pytest.mark.parametrize(("text", "fails"), [
    ("Maple Dental: see you? 512-555-0100", True), ("Maple Dental: see you? Reply STOP to opt out", True), ("Maple Dental: see you? (512) 555-0100. Reply STOP to opt out", False),
    ("Maple Dental: \u00bfnos vemos? 512.555.0100. Responda STOP para salir", False), ("Maple Dental: see you? 512-555-0101. Reply STOP to opt out", True), ("Maple Dental: the bus will stop. 512-555-0100", True),
])  # fmt: skip
def test_L05_opt_out_words_and_phone(text: str, fails: bool) -> None:  # noqa: FBT001, N802
    assert ("L05" in rules(text, SMS)) is fails


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ("a" * 160, False),
        ("a" * 161, True),
        ("We\u2019ve time", True),
        ("See you 😀", True),
        (GOOD, False),
        ("a" * 159 + "\u20ac", True),
    ],
)
def test_L06_one_part(text: str, fails: bool) -> None:  # noqa: FBT001, N802
    assert ("L06" in rules(text, SMS)) is fails


def test_L06_two_parts_need_approval_and_three_are_never_sent() -> None:  # noqa: N802
    approved = replace(SMS, two_parts_approved=True)
    assert "L06" not in rules("a" * 300, approved)
    assert "L06" in rules("a" * 307, approved)


def test_L06_a_source_is_measured_with_the_longest_names() -> None:  # noqa: N802
    source = replace(SMS, rendered=False, practice_name="")
    short = "{{ practice_name | gsm }}: Hi. {{ practice_phone }}. Reply STOP to opt out."
    assert "L06" not in rules(short, source)
    assert "L06" in rules(short + " {{ book_link }}" * 2, source)


@pytest.mark.parametrize("link", [
    "https://bit.ly/x", "bit.ly/x", "https://tinyurl.com/abc", "https://t.co/1", "http://go.mapledental.com/b/7Kq2", "https://evil.example/b/7Kq2", "https://go.mapledental.com.evil.example/x",
    "https://go.mapledental.com@evil.example/x", "https://go.mapledental.com/b?name=sam&proc=crown", "https://go.mapledental.com/crown", "https://go.mapledental.com/b/5125550199",
    "https://go.mapledental.com/b?u=sam@example.com", "https://go.mapledental.com/r?url=https://bit.ly/x", "https://go.mapledental.com/b#email=1", "www.mapledental.com", "https://g\u043e.mapledental.com/b",
])  # fmt: skip
def test_L07_links_nobody_should_trust_fail(link: str) -> None:  # noqa: N802
    assert verdict("L07", link, SMS)
    assert verdict("L07", link, EMAIL)


def test_L07_one_link_on_the_practices_host_passes_and_two_do_not() -> None:  # noqa: N802
    link = "https://go.mapledental.com/b/7Kq2"
    assert not verdict("L07", link, SMS)
    assert verdict("L07", f"{link} {link}", SMS)


def test_L07_links_behind_words_are_read_too() -> None:  # noqa: N802
    assert "L07" in rules(MAIL, replace(EMAIL, html=f'<a href="https://bit.ly/x">Book</a> {ADDRESS} {OUT}'))


@pytest.mark.parametrize(("context", "text"), [(EMAIL, MAIL.replace(ADDRESS, "")), (EMAIL, MAIL.replace(OUT, "")), (replace(EMAIL, has_unsubscribe=False), MAIL), (EMAIL, "  "), (replace(EMAIL, html="<p>Hi</p>"), MAIL), (replace(EMAIL, postal_address=""), MAIL)])  # fmt: skip
def test_L08_an_incomplete_footer_fails(context: LintContext, text: str) -> None:  # noqa: N802
    assert "L08" in rules(text, context)


def test_L08_a_complete_mail_passes_everything() -> None:  # noqa: N802
    assert lint(MAIL, EMAIL) == ()
    assert (
        lint(MAIL, replace(EMAIL, html=f'<p>Hi</p><img src="cid:logo"><p>{ADDRESS}</p><a href="{OUT}">Unsubscribe</a>'))
        == ()
    )


@pytest.mark.parametrize(
    "subject",
    [
        "Re: your results",
        "Fwd: hello",
        "RE : x",
        "Your appointment is confirmed",
        "Your crown",
        "",
        "Action required",
        "Hello\nBcc: x",
        "Su cita ha sido confirmada",
        "Tu saldo",
        "Your benefits",
        "R: ciao",
        "Re\uff1a hi",
        "Antw: x",
        "Your appointment is tomorrow",
        "Appointment reminder",
        "We cancelled your appointment",
        "Payment received",
        "Important: open now",
        "You've won",
        "Missed call from us",
        "New message from Dr. Lee",
        "Legal notice",
        "Insurance expires soon",
        "Recordatorio de cita",
        "Cita confirmada",
        "Usted ha ganado",
    ],
)
def test_L09_untrue_or_telling_subjects_fail(subject: str) -> None:  # noqa: N802
    assert "L09" in rules(MAIL, replace(EMAIL, subject=subject))


@pytest.mark.parametrize(
    "subject",
    [
        "Maple Dental: see you soon?",
        "It's been a while, Sam",
        "Ready when you are",
        "\u00bfNos vemos pronto?",
        "Refresh your smile",
        "Book your appointment online",
        "Forward to seeing you",
        "Reopening soon",
    ],
)
def test_L09_plain_subjects_pass(subject: str) -> None:  # noqa: N802
    assert lint(MAIL, replace(EMAIL, subject=subject)) == ()


@pytest.mark.parametrize(
    "text",
    [
        "FINAL NOTICE",
        "last chance",
        "Act now",
        "Expires today",
        "Hurry in",
        "Don\u2019t miss out",
        "Only 3 spots left",
        "\u00daltima oportunidad",
        "Vence hoy",
        "Act\u00fae ya",
        "Ends Friday",
    ],
)
def test_L10_false_urgency_fails_on_every_channel(text: str) -> None:  # noqa: N802
    for context in (SMS, EMAIL, CALL, LETTER, PORTAL, VOICEMAIL):
        assert verdict("L10", text, context)


@pytest.mark.parametrize(("text", "ends", "fails"), [
    ("Offer ends Jan 31, 2027", date(2027, 1, 31), False), ("Offer ends January 31", date(2027, 1, 31), False), ("Ends 1/31/27", date(2027, 1, 31), False), ("Vence el 31 de enero de 2027", date(2027, 1, 31), False),
    ("Offer ends Jan 30, 2027", date(2027, 1, 31), True), ("Ends Jan 31, 2028", date(2027, 1, 31), True), ("Ends Friday", date(2027, 1, 17), True), ("Ends Friday", date(2027, 1, 15), False),
    *((text, date(2027, 1, 31), False) for text in ("Offer ends on Sunday, Jan 31", "Ends 31 January", "Last day: January 31", "Ends 2027-01-31", "Good through Jan 31st", "We open at 5 until 9")),
    *((text, date(2027, 1, 31), True) for text in (
        "Expires 30 January", "Offer runs through January 30", "Book by January 30", "Ends this week", "Ends this Friday", "Ends in 3 days", "The deadline is Friday", "hasta el 30 de enero",
        "termina este viernes", "Ends 2027-01-30", "Closes January 30", "while it lasts", "Exam $49 (regular $95), to Jan 30; terms",
    )),
    ("Ends in 3 days", date(2027, 1, 15), False), ("Ends today", date(2027, 1, 12), False), ("Ends today", date(2027, 1, 20), True), ("Last chance", date(2027, 1, 13), False), ("Last chance", date(2027, 1, 20), True), ("Last chance", date(2027, 1, 11), True),
])  # fmt: skip
def test_L10_an_end_must_be_the_stored_end(text: str, ends: date, fails: bool) -> None:  # noqa: FBT001, N802
    assert ("L10" in rules(text, replace(OFFER, offer_ends_on=ends))) is fails


@pytest.mark.parametrize("text", ["Bad bacteria are destroying your gums", "You will lose your teeth", "Don't risk it", "dangerous", "neglected", "before it gets worse", "shame on you", "You failed to come", "perder\u00e1 sus dientes", "no se arriesgue", "es peligroso", "bacterias malas"])  # fmt: skip
def test_L11_fear_fails_on_every_channel(text: str) -> None:  # noqa: N802
    for context in (SMS, EMAIL, CALL, LETTER, PORTAL):
        assert verdict("L11", text, context)


@pytest.mark.parametrize(
    "text",
    ["Regular checkups help us keep you comfortable", "We hope you are well", "Dolores in the front desk says hi"],
)
def test_L11_kind_words_pass(text: str) -> None:  # noqa: N802
    assert not verdict("L11", text, LETTER)


@pytest.mark.parametrize("text", ["Best painless dentist in town", "guaranteed", "#1 in Austin", "100% safe", "100 % safe", "a cure", "as low as $49", "the best care", "top-rated", "sin dolor", "el mejor dentista", "garantizado"])  # fmt: skip
def test_L12_boasts_fail(text: str) -> None:  # noqa: N802
    assert verdict("L12", text, LETTER)


@pytest.mark.parametrize("text", ["Tell us if visits make you nervous; we will take our time", "What is the best time to call?", "Best, Amy", "the best way to reach us", "la mejor hora para llamar", "secure link"])  # fmt: skip
def test_L12_modest_words_pass(text: str) -> None:  # noqa: N802
    assert not verdict("L12", text, LETTER)


@pytest.mark.parametrize(
    "text",
    [
        "FREE whitening!",
        "20% off",
        "$49 exam",
        "Exam $49 (regular $95)",
        "Exam $49, regular $95, to Jan 31",
        "a gift for you",
        "Examen gratis",
        "descuento",
        "fr3e exam",
    ],
)
def test_L13_an_offer_without_its_terms_fails(text: str) -> None:  # noqa: N802
    assert verdict("L13", text, OFFER)


@pytest.mark.parametrize("text", ["Exam $49 (regular $95), new visits to Jan 31; terms: link", "Examen $49 (normal $95) hasta el 31 de enero; t\u00e9rminos en el enlace", "Feel free to call", "free time on Monday", "judgment-free visits", "toll-free"])  # fmt: skip
def test_L13_a_full_offer_passes(text: str) -> None:  # noqa: N802
    assert not verdict("L13", text, OFFER)


def test_L13_the_state_notice_must_stand_in_the_offer() -> None:  # noqa: N802
    context = replace(OFFER, state_notice="You may refuse to pay within 72 hours.")
    text = "Exam $49 (regular $95), new visits to Jan 31; terms: link."
    assert "L13" in rules(text, context)
    assert "L13" not in rules(f"{text} You may refuse to pay within 72 hours.", context)


@pytest.mark.parametrize("text", ["We waive your copay", "$50 gift card", "no out-of-pocket", "we accept your insurance as payment in full", "Refer a friend", "cash back", "Enter to win", "raffle", "sin copago", "tarjeta de regalo", "refiera a un amigo", "sorteo"])  # fmt: skip
def test_L14_waivers_and_rewards_fail(text: str) -> None:  # noqa: N802
    for context in (OFFER, SMS, CALL):
        assert verdict("L14", text, context)


@pytest.mark.parametrize(
    "text",
    [
        "Overdue? In-house plans available",
        "financing",
        "a special",
        "whitening",
        "20% off",
        "free exam",
        "membership",
        "planes de pago",
        "blanqueamiento",
        "oferta",
    ],
)
def test_L15_an_offer_dressed_as_recall_fails(text: str) -> None:  # noqa: N802
    assert verdict("L15", text, LETTER)
    assert not verdict("L15", text, OFFER)


@pytest.mark.parametrize(
    "text", ["Plan your visit", "especially on Mondays", "feel free to call", "We'd like to see you again"]
)
def test_L15_neutral_recall_passes(text: str) -> None:  # noqa: N802
    assert not verdict("L15", text, LETTER)


@pytest.mark.parametrize(
    ("text", "warns"),
    [
        ("You are overdue", True),
        ("You must come", True),
        ("you need treatment", True),
        ("est\u00e1 atrasado", True),
        ("We have openings this week", False),
    ],
)
def test_L16_blame_is_a_warning_in_texts(text: str, warns: bool) -> None:  # noqa: FBT001, N802
    found = [f for f in lint(framed(text, SMS), SMS) if f.rule == "L16"]
    assert bool(found) is warns
    assert all(f.severity == "W" for f in found)
    assert not verdict("L16", text, LETTER)
