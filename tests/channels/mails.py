"""Mails as other people's programs write them, made up after each program's shape. ``{id}`` is our own id, ``{to}`` the address we wrote to."""

from __future__ import annotations

from typing import Final

RETURNED: Final = """Message-ID: <recare.{id}@mapledental.example.com>
From: Maple Dental <frontdesk@mapledental.example.com>
To: {to}
Subject: Maple Dental: see you soon?
X-Recare-Message: {id}
"""


def report(
    sender: str, words: str, status: str, returned: str = RETURNED, kind: str = "text/rfc822-headers", head: str = ""
) -> str:
    """A report in three parts (RFC 3464)."""
    copy = f"--=_r\nContent-Type: {kind}\n\n{returned}\n" if returned else ""
    return (
        f"Return-Path: <>\nFrom: {sender}\nTo: frontdesk@mapledental.example.com\nSubject: Undelivered Mail Returned to Sender\n{head}"
        'Message-ID: <report.{id}@mx.example.net>\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary="=_r"\n\n'
        f"--=_r\nContent-Type: text/plain; charset=utf-8\n\n{words}\n\n--=_r\nContent-Type: message/delivery-status\n\n{status}\n{copy}--=_r--\n"
    )


_POSTFIX: Final = (
    "Reporting-MTA: dns; mx.example.net\nX-Postfix-Queue-ID: 4F1A\nArrival-Date: Tue, 12 Jan 2027 11:00:00 -0600\n\n"
)

BOUNCES: Final[dict[str, tuple[str, str, str]]] = {
    "postfix, user unknown": (
        report(
            "MAILER-DAEMON@mx.example.net (Mail Delivery System)", "I'm sorry to have to inform you that your message could not be delivered.",
            _POSTFIX + "Final-Recipient: rfc822; {to}\nOriginal-Recipient: rfc822;{to}\nAction: failed\nStatus: 5.1.1\nRemote-MTA: dns; mx2.example.com\n"
            "Diagnostic-Code: smtp; 550 5.1.1 <{to}>: Recipient address rejected: User unknown\n",
            head="Auto-Submitted: auto-replied\n",
        ),
        "failed", "5.1.1",
    ),
    "postfix, still trying": (
        report(
            "MAILER-DAEMON@mx.example.net", "THIS IS A WARNING ONLY. YOU DO NOT NEED TO RESEND.",
            _POSTFIX + "Final-Recipient: rfc822; {to}\nAction: delayed\nStatus: 4.4.1\nDiagnostic-Code: X-Postfix; connect to mx.example.com: timed out\n"
            "Will-Retry-Until: Sun, 17 Jan 2027 11:00:00 -0600\n",
        ),
        "delayed", "4.4.1",
    ),
    "postfix, gave up": (
        report(
            "MAILER-DAEMON@mx.example.net", "It could not be delivered for too long.",
            _POSTFIX + "Final-Recipient: rfc822; {to}\nAction: failed\nStatus: 4.4.1\nDiagnostic-Code: X-Postfix; connect to mx.example.com[192.0.2.7]:25: Connection timed out\n",
        ),
        "failed", "4.4.1",
    ),
    "exchange online, no such person": (
        report(
            "Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.onmicrosoft.example.com>",
            "Your message to {to} couldn't be delivered.\n{to} wasn't found at example.com.",
            "Reporting-MTA: dns;DM6PR01.example.com\nReceived-From-MTA: dns;mapledental.example.com\n\nFinal-Recipient: rfc822;{to}\nAction: failed\n"
            "Status: 5.1.10\nDiagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient {to} not found by SMTP address lookup\n",
            head="Auto-Submitted: auto-replied\nX-MS-Exchange-Message-Is-Ndr:\nIn-Reply-To: <recare.{id}@mapledental.example.com>\n",
        ),
        "failed", "5.1.10",
    ),
    "outlook.com, refuses an unproven domain": (
        report(
            "postmaster@outlook.example.com", "Delivery has failed to these recipients.",
            "Reporting-MTA: dns;BN8NAM.example.com\n\nFinal-Recipient: rfc822;{to}\nAction: failed\nStatus: 5.7.515\n"
            "Diagnostic-Code: smtp;550 5.7.515 Access denied, sending domain MAPLEDENTAL.EXAMPLE.COM does not meet the required authentication level.\n",
        ),
        "failed", "5.7.515",
    ),
    "gmail, no such account": (
        report(
            "Mail Delivery Subsystem <mailer-daemon@googlemail.example.com>", "** Address not found **\n\nYour message wasn't delivered to {to}",
            "Reporting-MTA: dns; googlemail.example.com\nArrival-Date: Tue, 12 Jan 2027 09:00:00 -0800 (PST)\nX-Original-Message-ID: <recare.{id}@mapledental.example.com>\n\n"
            "Final-Recipient: rfc822; {to}\nAction: failed\nStatus: 5.1.1\nRemote-MTA: dns; mx.example.com.\n"
            "Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not exist.\n 550 5.1.1 Please try double-checking the address.\n"
            "Last-Attempt-Date: Tue, 12 Jan 2027 09:00:01 -0800 (PST)\n",
            returned="",
            head="X-Failed-Recipients: {to}\nAuto-Submitted: auto-replied\nReferences: <recare.{id}@mapledental.example.com>\n",
        ),
        "failed", "5.1.1",
    ),
    "gmail, mailbox full": (
        report(
            "Mail Delivery Subsystem <mailer-daemon@googlemail.example.com>", "The recipient's inbox is out of storage space.",
            "Reporting-MTA: dns; googlemail.example.com\n\nFinal-Recipient: rfc822; {to}\nAction: failed\nStatus: 4.2.2\n"
            "Diagnostic-Code: smtp; 452-4.2.2 The recipient's inbox is out of storage space.\n",
            kind="message/rfc822",
        ),
        "failed", "4.2.2",
    ),
    "ses, permanent": (
        report(
            "MAILER-DAEMON@amazonses.example.com", "An error occurred while trying to deliver the mail to the following recipients:\n{to}",
            "Reporting-MTA: dns; a8-31.smtp-out.amazonses.example.com\n\nAction: failed\nFinal-Recipient: rfc822; {to}\n"
            "Diagnostic-Code: smtp; 550 5.1.1 user unknown\nStatus: 5.1.1\n",
            # this relay gives a Message-ID of its own
            returned="Message-ID: <0100018f-aaaa@email.amazonses.example.com>\nX-Recare-Message: {id}\nTo: {to}\n",
            kind="message/rfc822",
        ),
        "failed", "5.1.1",
    ),
    "generic status, exact words": (
        report(
            "MAILER-DAEMON@mx.example.net", "Delivery failed.",
            "Reporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; {to}\nAction: failed\nStatus: 5.0.0\n"
            "Diagnostic-Code: smtp; 554 5.2.1 mailbox disabled (10.0.5.1)\n",
        ),
        "failed", "5.2.1",
    ),
    "generic status and no more": (
        report(
            "MAILER-DAEMON@mx.example.net", "Delivery failed.",
            "Reporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; {to}\nAction: failed\nStatus: 5.0.0 (permanent failure)\nDiagnostic-Code: smtp; 550 user unknown\n",
        ),
        "failed", "5.0.0",
    ),
    "several recipients of a forward": (
        report(
            "MAILER-DAEMON@mx.example.net", "One of two could not be reached.",
            "Reporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; sister@example.org\nAction: relayed\nStatus: 2.0.0\n\n"
            "Final-Recipient: rfc822; old-job@example.org\nOriginal-Recipient: rfc822; {to}\nAction: failed\nStatus: 5.1.1\n",
        ),
        "failed", "5.1.1",
    ),
    "delivered, as asked for": (
        report(
            "postmaster@mx.example.net", "Your message was successfully delivered.",
            "Reporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; {to}\nAction: delivered\nStatus: 2.1.5\n",
        ),
        "delivered", "2.1.5",
    ),
    "qmail, in its own words": (
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.org\nTo: frontdesk@mapledental.example.com\nSubject: failure notice\n\n"
        "Hi. This is the qmail-send program at mx.example.org.\nI'm afraid I wasn't able to deliver your message to the following addresses.\n\n"
        "<{to}>:\n192.0.2.9 does not like recipient.\nRemote host said: 550 5.1.1 No such user\nGiving up on 192.0.2.9.\n\n"
        "--- Below this line is a copy of the message.\n\nReturn-Path: <frontdesk@mapledental.example.com>\n" + RETURNED,
        "failed", "5.1.1",
    ),
    "exim, in its own words": (
        "Return-path: <>\nX-Failed-Recipients: {to}\nAuto-Submitted: auto-replied\nFrom: Mail Delivery System <Mailer-Daemon@mx.example.org>\n"
        "To: frontdesk@mapledental.example.com\nSubject: Mail delivery failed: returning message to sender\n\n"
        "This message was created automatically by mail delivery software.\n\n  {to}\n    host mx.example.com [192.0.2.9]\n"
        "    SMTP error from remote mail server after RCPT TO:<{to}>:\n    550 mailbox unavailable\n\n------ This is a copy of the message, including all the headers. ------\n\n" + RETURNED,
        "failed", "5.0.0",
    ),
    "report kept as plain text, lines of one program": (
        "Return-Path: <>\nFrom: postmaster@mx.example.net\nSubject: Delivery Status Notification (Failure)\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x\nContent-Type: message/delivery-status\n"
        "Content-Transfer-Encoding: base64\n\n"
        "UmVwb3J0aW5nLU1UQTogZG5zOyBteC5leGFtcGxlLm5ldAoKRmluYWwtUmVjaXBpZW50OiByZmM4MjI7IHNvbWVib2R5QGV4YW1wbGUuY29tCkFjdGlvbjogZmFpbGVkClN0YXR1czogNS4xLjIK\n"
        "--x\nContent-Type: text/rfc822-headers\n\n" + RETURNED + "--x--\n",
        "failed", "5.1.2",
    ),
}  # fmt: skip


def complaint(kind: str = "abuse", extra: str = "Original-Rcpt-To: {to}\n", returned: str = RETURNED) -> str:
    """A feedback report (RFC 5965)."""
    return (
        "From: feedback loop <fbl@mail.example.net>\nTo: frontdesk@mapledental.example.com\nSubject: FW: Maple Dental: see you soon?\n"
        'Message-ID: <arf.{id}@mail.example.net>\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=feedback-report; boundary="=_f"\n\n'
        "--=_f\nContent-Type: text/plain\n\nThis is an email abuse report for an email message received from IP 192.0.2.1.\n\n"
        f"--=_f\nContent-Type: message/feedback-report\n\nFeedback-Type: {kind}\nUser-Agent: SomeGenerator/1.0\nVersion: 1\n{extra}\n"
        f"--=_f\nContent-Type: message/rfc822\n\n{returned}\nHello\n--=_f--\n"
    )


def answer(
    words: str, sender: str = "{to}", subject: str = "Re: Maple Dental: see you soon?", head: str = "", of: str = "{id}"
) -> str:
    """A person's answer as plain text; ``of`` is our id of what it answers, '' for none."""
    thread = (
        f"In-Reply-To: <recare.{of}@mapledental.example.com>\nReferences: <recare.{of}@mapledental.example.com>\n"
        if of
        else ""
    )
    return (
        f"From: Ada <{sender}>\nTo: frontdesk@mapledental.example.com\nSubject: {subject}\nDate: Tue, 12 Jan 2027 11:00:00 -0600\n{thread}{head}"
        f"Message-ID: <answer.{{id}}.{abs(hash((words, sender, subject)))}@mail.example.net>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n{words}\n"
    )


def raw(mail: str, our_id: str, to: str) -> bytes:
    """The bytes that arrive."""
    return mail.replace("{id}", our_id).replace("{to}", to).replace("\n", "\r\n").encode()
