"""What a mail is: somebody's answer, a machine's, a bounce, a complaint, or nothing of ours."""

# the rule id stands in the name of its test; the rules table is made from it
from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recare.channels.email import incoming
from recare.channels.email.incoming import Answer, Bounce, Complaint, Other
from tests.channels import mails

TO, ID = "somebody@example.com", "7-4711"


def parsed(mail: str) -> incoming.Incoming:
    return incoming.parse(mails.raw(mail, ID, TO))


@pytest.mark.parametrize("shape", mails.BOUNCES)
def test_EML_04_every_programs_report_tells_whom_it_is_about_and_why(shape: str) -> None:  # noqa: N802
    mail, action, code = mails.BOUNCES[shape]
    found = parsed(mail)
    assert isinstance(found, Bounce)
    assert found.our_id == ID
    fate = found.fate_of(TO)
    assert fate is not None
    assert (fate.action, fate.code) == (action, code)
    assert not found.says_died


def test_PAT_03_a_report_may_tell_of_a_death_but_a_dead_connection_is_none() -> None:  # noqa: N802
    told = mails.BOUNCES["postfix, user unknown"][0].replace("User unknown", "the owner of this mailbox is deceased")
    dead = mails.BOUNCES["postfix, user unknown"][0].replace("User unknown", "connected but connection died")
    assert [found.says_died for found in (parsed(told), parsed(dead)) if isinstance(found, Bounce)] == [True, False]


@pytest.mark.parametrize(
    ("mail", "our_id", "recipient"),
    [
        (mails.complaint(), ID, TO),
        (mails.complaint("fraud"), ID, TO),
        (mails.complaint(extra=""), ID, TO),  # the copy names it
        (mails.complaint(extra="", returned="Message-ID: <other@example.com>\nTo: {to}\n"), "", TO),
        (mails.complaint(extra="", returned="Subject: hidden\n"), "", ""),
        (mails.complaint(extra="Removal-Recipient: {to}\n", returned="X: y\n"), "", TO),
    ],
)
def test_EML_05_a_complaint_names_the_message_or_the_reader(mail: str, our_id: str, recipient: str) -> None:  # noqa: N802
    assert parsed(mail) == Complaint(our_id, recipient)


@pytest.mark.parametrize("kind", ["auth-failure", "not-spam"])
def test_EML_05_reports_that_complain_of_nothing_are_none(kind: str) -> None:  # noqa: N802
    assert parsed(mails.complaint(kind)) == Other()


@pytest.mark.parametrize(
    ("head", "automatic"),
    [
        ("", False),
        ("Auto-Submitted: no\n", False),
        ("Auto-Submitted: auto-replied\n", True),
        ("Auto-Submitted: auto-replied (vacation)\nPrecedence: bulk\n", True),
        ("Auto-Submitted: auto-generated\n", True),
        ("X-Auto-Response-Suppress: All\n", True),
        ("X-Autoreply: yes\n", True),
        ("Precedence: auto_reply\n", True),
        ("Precedence: bulk\n", True),
    ],
)
def test_an_automatic_answer_is_known_by_what_its_program_says(head: str, automatic: bool) -> None:  # noqa: FBT001
    found = parsed(mails.answer("I am away until Monday.", head=head))
    assert isinstance(found, Answer)
    assert (found.automatic, found.our_id, found.sender) == (automatic, ID, TO)


@pytest.mark.parametrize(
    "subject",
    ["Automatic reply: Maple Dental", "Out of office", "Respuesta automática: Maple Dental", "Fuera de la oficina"],
)
def test_an_automatic_answer_is_known_by_its_subject_where_nothing_else_says_so(subject: str) -> None:
    found = parsed(mails.answer("Away.", subject=subject))
    assert isinstance(found, Answer)
    assert found.automatic


RECEIPT = (
    "From: a@example.com\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n"
    "--b\nContent-Type: text/plain\n\nYour message was read.\n--b\nContent-Type: message/disposition-notification\n\nDisposition: manual-action\n--b--\n"
)


@pytest.mark.parametrize(
    "mail",
    [
        mails.answer("Our offers. Unsubscribe", of="", head="List-Unsubscribe: <https://example.org/u>\n"),
        mails.answer("Minutes", of="", head="List-Id: <club.example.org>\n"),
        "Subject: no sender\n\nHello",
        "From: undisclosed\n\nHello",
        RECEIPT,
        "",
    ],
)
def test_lists_receipts_and_mail_from_nobody_are_none_of_our_business(mail: str) -> None:
    assert parsed(mail) == Other()


def test_a_postmaster_who_writes_is_a_person() -> None:
    assert isinstance(parsed(mails.answer("STOP", sender="postmaster@family.example.com", of="")), Answer)


OURS = "Maple Dental: see you soon?"


@pytest.mark.parametrize(
    ("subject", "text", "words"),
    [
        ("Re: Maple Dental: see you soon?", "Yes please", "Yes please"),
        ("STOP", "", "STOP"),
        ("unsubscribe", "", "unsubscribe"),
        ("Re: STOP", "", "STOP"),
        ("Re: Maple Dental: see you soon? STOP", "", "STOP"),
        ("STOP Re: Maple Dental: see you soon?", "", "STOP Re:"),
        ("RV: RE: Maple Dental:  see you soon?", "No me escriban más", "No me escriban más"),
        ("Question", "Do you take my plan?", "Question\n\nDo you take my plan?"),
        ("", "Hello", "Hello"),
        ("=?utf-8?q?BAJA_por_favor?=", "", "BAJA por favor"),
        ("=?no-such-charset?q?STOP?=", "", "=?no-such-charset?q?STOP?="),
    ],
)
def test_OPT_01_a_subject_that_is_not_ours_is_the_persons_word(subject: str, text: str, words: str) -> None:  # noqa: N802
    found = parsed(mails.answer(text, subject=subject))
    assert isinstance(found, Answer)
    assert found.words(OURS) == words


def body(head: str, content: bytes) -> str:
    found = incoming.parse(b"From: ada@example.com\r\nMIME-Version: 1.0\r\n" + head.encode() + b"\r\n" + content)
    assert isinstance(found, Answer)
    return found.words()


@pytest.mark.parametrize(
    ("head", "content", "words"),
    [
        ("Content-Type: text/plain; charset=iso-8859-1\r\n", "no me escriban más".encode("latin-1"), "no me escriban más"),
        ("Content-Type: text/plain; charset=klingon\r\n", "no más".encode(), "no más"),
        ("Content-Type: text/plain\r\n", "no más".encode("cp1252"), "no más"),
        ("Content-Type: text/plain; charset=unicode_escape\r\n", b"\\ud800 STOP", "? STOP"),
        ("Content-Type: text/plain\r\n", b"ST\x00OP", "STOP"),
        ("Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n", b"U1RPUA\r\n", "STOP"),
        ("Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n", b"STOP=\r\n please=2E", "STOP please."),
        ("Content-Type: text/html; charset=utf-8\r\n", b"<html><style>p{}</style><body><p>Please <b>stop</b></p><p>Ada&nbsp;B.</p></body></html>", "Please stop\nAda B."),
        ("Content-Type: multipart/alternative; boundary=b\r\n", b"--b\r\nContent-Type: text/plain\r\n\r\n \r\n--b\r\nContent-Type: text/html\r\n\r\n<p>STOP</p>\r\n--b--", "STOP"),
        ("Content-Type: multipart/mixed; boundary=b\r\n", b"--b\r\nContent-Type: image/png\r\n\r\nx\r\n--b\r\nContent-Type: text/plain\r\n\r\nSTOP\r\n--b--", "STOP"),
        ("Content-Type: multipart/mixed; boundary=b\r\n", b"--b\r\nContent-Disposition: attachment\r\n\r\nSTOP\r\n--b\r\n\r\nYes\r\n--b--", "Yes"),
        ("Content-Type: multipart/mixed; boundary=b\r\n", b"--b\r\n\r\nSTOP, the mail ends here", "STOP, the mail ends here"),
        ("Content-Type: multipart/mixed\r\n", b"STOP", "STOP"),
        ("Content-Type: nonsense\r\n", b"STOP", "STOP"),
    ],
)  # fmt: skip
def test_words_are_read_however_broken_the_mail_is(head: str, content: bytes, words: str) -> None:
    assert body(head, content) == words


def test_a_mail_keeps_its_key_and_two_mails_have_two() -> None:
    one, other = (mails.raw(mails.answer(words), ID, TO) for words in ("one", "other"))
    assert incoming.key_of(one) == incoming.key_of(b"Received: by another server\r\n" + one)
    assert incoming.key_of(one) != incoming.key_of(other)
    assert incoming.key_of(b"") != incoming.key_of(b"From: a@example.com\r\n")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=600), st.integers(0, 2**32))
def test_no_mail_makes_the_reader_stumble(noise: bytes, seed: int) -> None:
    draw = random.Random(seed)
    shapes = [shape[0] for shape in mails.BOUNCES.values()] + [mails.complaint(), mails.answer("STOP")]
    whole = mails.raw(draw.choice(shapes), ID, TO)
    at = draw.randrange(len(whole))
    for mail in (noise, whole[:at], whole[:at] + noise + whole[at:], whole[:at] + noise):
        found = incoming.parse(mail)
        incoming.key_of(mail)
        if isinstance(found, Answer):
            assert "\x00" not in found.words() + found.sender + found.subject
            found.words("Maple", "Dear patient").encode()
