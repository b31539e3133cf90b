"""The person's own words of a mail: our footer unsubscribes nobody, and a request to stop does not go down with the quote."""

# the rule id stands in the name of its test; the rules table is made from it
from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recare.channels.email.quotes import own_words, text_of_html
from recare.compliance import optout

OURS = """Hi Ada,

it has been a while since your last visit to Maple Dental. Would you like to come?
Book a time that suits you: https://go.example.com/p/book/x

Maple Dental, 210 Larkspur Ave, Lindenfield, IL 60540
Unsubscribe
"""
MARKED = "\n".join(f"> {line}".rstrip() for line in OURS.split("\n"))

PLAIN = {
    "gmail": ("Yes please\n\nOn Tue, Jan 12, 2027 at 9:00 AM Maple Dental <desk@example.com> wrote:\n\n" + MARKED, "Yes please"),
    "gmail, line broken": ("Yes please\n\nOn Tue, Jan 12, 2027 at 9:00 AM Maple Dental <\ndesk@example.com> wrote:\n\n" + MARKED, "Yes please"),
    "gmail, bottom": ("On Tue, Jan 12, 2027 at 9:00 AM Maple Dental <desk@example.com> wrote:\n\n" + MARKED + "\n\nSTOP", "STOP"),
    "gmail, between": ("> Would you like to come?\n\nNo, stop writing.\n\n> Unsubscribe\n\nAda", "No, stop writing.\n\nAda"),
    "gmail, Spanish": ("Sí, gracias\n\nEl mar, 12 ene 2027 a las 9:00, Maple Dental (<desk@example.com>) escribió:\n\n" + MARKED, "Sí, gracias"),
    "gmail, no marks": ("Yes please\n\nOn Tue, Jan 12, 2027 at 9:00 AM Maple Dental <desk@example.com> wrote:\n\n" + OURS, "Yes please"),
    "outlook": ("Yes please\n\nFrom: Maple Dental <desk@example.com>\nSent: Tuesday, January 12, 2027 9:00 AM\nTo: Ada <ada@example.com>\nSubject: See you\n\n" + OURS, "Yes please"),
    "outlook, Spanish": ("No me escriban más\n\nDe: Maple Dental <desk@example.com>\nEnviado el: martes, 12 de enero de 2027 9:00\nPara: Ada\nAsunto: Hola\n\n" + OURS, "No me escriban más"),
    "outlook on the web": ("Yes\n________________________________\nFrom: Maple Dental <desk@example.com>\nSent: Tuesday\n\n" + OURS, "Yes"),
    "outlook, bold labels": ("Yes\n\n*From:* Maple Dental\n*Sent:* Tuesday\n*To:* Ada\n\n" + OURS, "Yes"),
    "outlook on a phone": ("Stop\n\nGet Outlook for iOS<https://aka.example.com/x>\n________________________________\nFrom: Maple\nSent: Tuesday\n\n" + OURS, "Stop"),
    "apple mail": ("Yes please\n\n> On Jan 12, 2027, at 9:00 AM, Maple Dental <desk@example.com> wrote:\n> \n" + MARKED, "Yes please"),
    "iphone": ("Please take me off\n\nSent from my iPhone\n\n> On Jan 12, 2027, at 9:00 AM, Maple Dental <desk@example.com> wrote:\n> \n" + MARKED, "Please take me off"),
    "iphone, Spanish": ("Ya no, gracias\n\nEnviado desde mi iPhone\n\n> El 12 ene 2027, a la(s) 9:00 a. m., Maple Dental <desk@example.com> escribió:\n> \n" + MARKED, "Ya no, gracias"),
    "samsung": ("Yes\n\n-------- Original message --------\nFrom: Maple Dental <desk@example.com>\nDate: 1/12/27 9:00 AM (GMT-06:00)\nTo: ada@example.com\n\n" + OURS, "Yes"),
    "yahoo": ("Yes\n\nOn Tuesday, January 12, 2027 at 09:00:00 AM CST, Maple Dental <desk@example.com> wrote: \n\n" + OURS, "Yes"),
    "aol": ("Yes\n\nIn a message dated 1/12/2027 9:00:00 AM Central Standard Time, desk@example.com writes:\n\n" + OURS, "Yes"),
    "thunderbird": ("On 1/12/27 9:00, Maple Dental wrote:\n" + MARKED + "\nPlease remove me from this list.\n", "Please remove me from this list."),
    "mensaje original": ("Sí\n\n-----Mensaje original-----\nDe: Maple Dental\nEnviado: martes\n\n" + OURS, "Sí"),
    "a forward by hand": ("FYI, please stop\n\n---------- Forwarded message ---------\nFrom: Maple Dental <desk@example.com>\nDate: Tue\n\n" + OURS, "FYI, please stop"),
    "a signature": ("Stop, please\n-- \nAda Byron\nAnalytical Engines\n\nOn Tue, Jan 12, 2027 at 9:00 AM Maple <desk@example.com> wrote:\n" + MARKED, "Stop, please"),
    "no quote": ("Please stop.\nThank you,\nAda", "Please stop.\nThank you,\nAda"),
    "one label is a word": ("From: now on, no more mails please", "From: now on, no more mails please"),
    "De is a word": ("De: acuerdo, pero no más correos", "De: acuerdo, pero no más correos"),
    "two dashes part words": ("Yes, but\n--\nno more mails", "Yes, but\n--\nno more mails"),
    "old marks": (">> Would you like?\n> Yes\nSTOP", "STOP"),
}  # fmt: skip


@pytest.mark.parametrize("program", PLAIN)
def test_OPT_01_every_programs_way_to_quote_is_known(program: str) -> None:  # noqa: N802
    text, words = PLAIN[program]
    assert own_words(text) == words
    assert own_words(text, OURS) == words
    assert own_words(text.replace("\n", "\r\n"), OURS) == words
    assert own_words(own_words(text)) == words


UNMARKED = {
    "an unknown program": ("Yes please\n\nMaple Dental napisał(a) 12.01.2027:\n\n" + OURS, "Yes please\n\nMaple Dental napisał(a) 12.01.2027:"),
    "below, no marks": (OURS + "\nSTOP\n", "STOP"),
    "below, the word of our own footer": (OURS + "\nunsubscribe\n", "Unsubscribe"),
    "above, the word of our own footer": ("Unsubscribe\n\n" + OURS, "Unsubscribe"),
    "above marks, the word of our own footer": ("Unsubscribe\n\n" + MARKED, "Unsubscribe"),
    "below an outlook block": ("From: Maple Dental\nSent: Tuesday\nTo: Ada\n\n" + OURS + "\nplease stop\n", "please stop"),
    "above and below an outlook block": (
        "Hi,\n\nFrom: Maple Dental\nSent: Tuesday\n\n" + OURS + "\nplease stop\n",
        "Hi,\n\nplease stop",
    ),
    "links written out": (
        "Yes\n\nFrom: Maple Dental\nSent: Tuesday\n\n" + OURS.replace("Unsubscribe", "Unsubscribe<https://safelinks.example.net/?u=1>"),
        "Yes",
    ),
    "nothing of their own": ("On Tue, Jan 12, 2027 at 9:00 AM Maple Dental <desk@example.com> wrote:\n\n" + MARKED, ""),
    "nothing of their own, no marks": ("From: Maple Dental\nSent: Tuesday\n\n" + OURS, ""),
    "lines broken anew": ("No thanks\n\nMaple Dental:\nHi Ada, it has been a while since your last\nvisit to Maple Dental. Would you like to come?\nUnsubscribe", "No thanks\n\nMaple Dental:"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNMARKED)
def test_OPT_01_what_we_wrote_ourselves_is_nobodys_answer(case: str) -> None:  # noqa: N802
    text, words = UNMARKED[case]
    assert own_words(text, OURS) == words


def test_OPT_01_a_mail_that_is_nothing_but_a_quote_of_somebody_else_is_read_whole() -> None:  # noqa: N802
    assert own_words("> please stop") == "please stop"


HTML = {
    "gmail": (
        ('<div dir="ltr">Yes &amp; thanks</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">On Tue, Jan 12, 2027 at 9:00 AM Maple '
        '&lt;<a href="mailto:d@example.com">d@example.com</a>&gt; wrote:<br></div><blockquote class="gmail_quote"><p>Come</p><a href="x">Unsubscribe</a></blockquote></div>'),
        "Yes & thanks",
    ),
    "outlook": (
        ('<div class="WordSection1"><p class="MsoNormal">Please stop<o:p></o:p></p><div style="border-top:solid"><p><b>From:</b> Maple<br><b>Sent:</b> Tuesday<br>'
        "<b>To:</b> Ada<o:p></o:p></p></div><p>Unsubscribe</p></div>"),
        "Please stop",
    ),
    "apple, below": ('<blockquote type="cite"><div>On Jan 12, 2027, Maple wrote:</div><div>Unsubscribe</div></blockquote><div>No&nbsp;more, please</div>', "No more, please"),
    "conditional comments": ("<!--[if mso]>unsubscribe<![endif]--><![if !mso]><p>Yes</p><![endif]>", "Yes"),
    "no tags": ("Yes, 3 < 4", "Yes, 3 < 4"),
    "unclosed": ("<p>Stop<div><b>now", "Stop\nnow"),
}  # fmt: skip


@pytest.mark.parametrize("program", HTML)
def test_OPT_01_mail_in_html_alone_is_read_alike(program: str) -> None:  # noqa: N802
    markup, words = HTML[program]
    assert own_words(text_of_html(markup)) == words


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([text for text, _ in PLAIN.values()]),
    st.sampled_from(["STOP", "please stop emailing me", "No me escriban más", "unsubscribe"]),
)
def test_OPT_01_a_stop_above_any_quote_is_always_heard(text: str, words: str) -> None:  # noqa: N802
    assert optout.read(own_words(f"{words}\n\n{text}", OURS)).verdict == "stop"


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=400), st.text(max_size=200))
def test_no_text_makes_the_reader_stumble_and_no_words_are_made_up(text: str, ours: str) -> None:
    assert set("".join(own_words(text, ours).split())) <= set(text)
    text_of_html(text)


@pytest.mark.parametrize(
    "piece", ["<a ", "<", "<!--", "</", "<a href='", "&#", "<script>", "<div ", "On 1 ", "On 1 of\n", "> ", ">", "from:\n", "\n", "<a@b", "-- \n", "_____\n"]
)  # fmt: skip
def test_a_mail_made_to_cost_time_costs_none(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    started = time.process_time()
    own_words(text, text)
    own_words(text_of_html(text))
    assert time.process_time() - started < 5
