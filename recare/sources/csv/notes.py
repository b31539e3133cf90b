"""Words in staff notes that must stop or question a contact. The notes themselves are not kept."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

_NOT: Final = r"(?:do not|don'?t|dont|never|stop(?:ped)?|not to)"
_REFUSES: Final = r"(?:do(?:es)? not|do(?:es)?n'?t|did not|didn'?t|no longer|no|not|refuses?|declines?|prefers no|opted out of|unsubscribed from)"
_TEXT: Final = r"(?:text(?:s|ing|ed)?|sms|txts?|mensajes?|textos?)"
_CALL: Final = r"(?:calls?|calling|be called|phone|phoning|ring|llamadas?|llam(?:ar|en?)\b)"
_MAIL: Final = r"(?:e-?mails?|e-?mailing|correos?(?: electronicos?)?)"
_LIST: Final = r"(?:\w+(?:\s*(?:,|or|and|/|&)\s*|\s+)){0,3}"
_WISH: Final = (
    r"(?:(?:wants?|wish(?:es)?|likes?|accepts?|acepta|que|ser|to|receive|get|be|us|our|the|any|more|phone|robo|automated|marketing|reminders?|text|sms|emails?|calls?|or|and|by|via|"
    r"le|les|me|mande?n?|mandar|envien?|enviar|quiere|desea|recibir|mas|de)(?:\s*[,/&]\s*|\s+)){0,6}"
)
_DEATH: Final = r"(?:deceas\w*|passed (?:away|on)|(?:has|have) passed\b(?! (?:the|his|her|out|it))|died|fallec\w+|murio|difunt[oa]|obit(?:uary)?|death cert\w*)"
_KIN: Final = (
    r"(?:(?:grand|step)?(?:father|mother|mom|dad|son|daughter|parents?)|grand(?:ma|pa)|husband|wife|spouse|brother|sister|uncle|aunt|cousin|"
    r"friend|boyfriend|girlfriend|fiancee?|partner|dog|cat|pet|nerve|tooth|phone|battery|padre|madre|papa|mama|espos[oa]|herman[oa]|abuel[oa]|hij[oa])"
)
_VISIT: Final = r"(?:appts?|appointments?|visits?|cleanings?|recalls?|recare|hyg\w*|prophy|exam|crown|tx)"
_SOON: Final = r"(?:\d|(?:mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w{0,6}\b|next|later|room|op\b|another (?:day|time))"
_IMAGES: Final = r"(?:records?|charts?|x-?rays?|pics?|images?|fmx|pano)"
_OTHER: Final = r"(?:another|other|different|new) (?:dentists?|dental|dds|office|practice)"
_NOT_THEIRS: Final = re.compile(
    rf"\b{_KIN}(?:'s)?(?:\s*[:,-]?\s*(?:is|has|was|recently|just|also|now|had|ha|ya))*\s*[:,-]?\s*{_DEATH}|\bdeceased {_KIN}|"
    rf"\b(?:not|isn'?t|no) (?:\w+ )?(?:deceased|dead|dismissed|moved)\b"
)
"""A death in the family, or one denied: whose it is a person must read."""
_BESIDE: Final = re.compile(
    r"\b(?:school|early|class|work|claim|case|charges?) dismiss\w*|\bdismiss\w* (?:from )?(?:school|class|work|early)|"
    rf"\bmov(?:ed?|ing) (?:(?:the|his|her|my|their|this|next) )?(?:{_VISIT}|up\b|back (?:a|one|to)|to {_SOON})|\b{_VISIT} (?:was |has been )?moved|"
    rf"\b{_IMAGES}[^.;]{{0,20}}? (?:sent|transferr?ed|forwarded|emailed) to (?:the |an? )?(?:ins\b|insurance|delta|metlife|cigna|aetna|guardian|bcbs|"
    r"endo|oral surg|os\b|perio|ortho|specialist|lab\b|pcp|physician|hospital|pt\b|patient|prosth)\w*|"
    rf"\btransferr?ed (?:in )?from\b|\b{_IMAGES} (?:were )?(?:transferr?ed|sent|received|requested) from\b"
)
"""What only sounds like a reason: school dismissal, a visit moved to May, x-rays sent to the insurer."""
_FLAGS: Final[dict[str, re.Pattern[str]]] = {
    flag: re.compile(pattern)
    for flag, pattern in {
        "no_text": rf"\b(?:{_NOT}\s+{_LIST}|{_REFUSES}\s+{_WISH}){_TEXT}\b|\bopt(?:ed)?[ -]?out\b",
        "no_call": rf"\b(?:{_NOT}\s+{_LIST}(?:calls?|calling|phone|phoning|ring)|{_REFUSES}\s+{_WISH}{_CALL})\b",
        "no_email": rf"\b(?:{_NOT}\s+{_LIST}(?:e-?mails?|e-?mailing)|{_REFUSES}\s+{_WISH}{_MAIL})\b|\bopt(?:ed)?[ -]?out\b|\bunsubscribe",
        "no_contact": rf"\b{_NOT}\s+{_LIST}(?:contact|correspond|bother|reach out|solicit|disturb|remind|send (?:anything|recalls?|reminders?|cards?|mail))|"
        rf"\b{_REFUSES} {_WISH}(?:be contacted|contact(?:o|ar|en|ad[oa])?|recalls?(?! (?:set|due|sched|on|appt|found|yet|made))|recare (?:cards?|letters?|msgs?)|molest\w*)\b|"
        r"\bno correspondence\b|\bleave (?:(?:her|him|them|pt) )?alone\b|\b(?:remove|take)d?(?: \w+){0,2} (?:from|off)(?: (?!asap|wait|short|cancel)\w+){0,3} lists?\b|\boff (?:our|the|all|your)(?: (?!asap|wait|short|cancel)\w+)? ?lists?\b",
        "moved": r"\bmoved\b|\bmoving (?:away|out|to|in|soon|next)\b|\brelocat|\bno longer lives?\b|\blives in \w+(?: \w+){0,2} now\b|\bout of (?:the )?area\b|\bse mud(?:o|aron)\b|\bya no vive",
        "transferred": rf"\b{_IMAGES} (?:were |was )?(?:transferr?ed|sent|forwarded)\b|\btransferr?(?:ed|ing) (?:to|out|care)\b|\bsees? dr\.? \w+ now\b|\bnew dentist\b|\b(?:going|goes|went|established|care|seen) elsewhere\b|"
        rf"\bleft (?:the )?practice\b|\b(?:go(?:ing|es)?|went|found|see(?:s|ing)?|has|have|got|us(?:es|ing)|switched|changed|moved|left)(?: \w+){{0,2}} {_OTHER}|"
        rf"\b(?:switch|chang)(?:ed|ing) (?:to )?(?:dentists?|offices?|practices?)\b|\bdentist closer\b|\b{_IMAGES} (?:transfer|release)\b|"
        r"\b(?:otr[oa]|nuev[oa]) (?:dentista|clinica)|\bcambio de (?:dentista|clinica)",
        "dismissed": r"\bdismiss(?:ed|al)\b|\bdischarged (?:pt |patient )?from (?:the )?practice\b|\b(?:pt|patient) terminated\b|\bfired from\b|\bterminat(?:ed|ion) (?:letter|of care|as)\b|\b(?:pt|patient) (?:was )?fired\b|\bfired (?:pt|patient)\b|"
        r"\breleased from (?:care|practice)\b|\bno longer welcome\b|\bdad[oa] de baja de la (?:clinica|practica)",
        "deceased": rf"\b{_DEATH}|\b(?:pt|patient|he|she)(?: is)? dead\b|\b(?:informed|notified)(?: us)? of (?:\w+ )?(?:passing|death)|\b(?:pt|patient|he|she) expired\b|\bno longer with us\b|\bq\.?e\.?p\.?d\b",
        "merged": r"\bmerged?\b|\bduplicate chart\b",
        "legal": r"\blawyer|\battorney|\batty\b|\bsmall claims|\blawsuit|\bsu(?:ed|ing)\b|\b(?:to|will|may|might) sue\b|\bboard complaint\b|\bmalpractice\b|\bsubpoena|\blitigation|\blegal (?:hold|action|threat)|\babogad[oa]",
        "upset": r"\bupset\b(?! stomach)|\bangry\b|\bfurious\b|\bunhappy\b|\bnot happy\b|\bcomplain(?:t|ed|s)\b|\birate\b|\bhostile\b|\bbad review|\b(?:1|one)[ -]star|\bdisput(?:es?|ed|ing)\b|\bquej(?:a|as|o)\b|\bmolest[oa]\b|\benojad[oa]\b|\bfurios[oa]\b",
        "custody": r"\bcustod(?:y|ia)\b|\bdivorced\b|\b(?:mother|father|mom|dad) only\b|\brestraining order\b|\bfoster (?:child|parent|care)|\b(?:mother|father|mom|dad) not allowed",
    }.items()
}
_MISTAKABLE: Final = frozenset({"moved", "transferred", "dismissed", "deceased"})
# What front desks write into names and telephone fields, where nobody looks for it. "Rip" alone is a name.
_IN_PLACE: Final[dict[str, re.Pattern[str]]] = {
    flag: re.compile(pattern, re.IGNORECASE)
    for flag, pattern in {
        "deceased": r"\bdec'?d\b|\bdeceasd\b|\br\.i\.p\.?|[(*\[]\s*(?:rip|d|dec)\s*[)*\]]|\u2020",
        "no_contact": r"\bdnc\b|\bdo not (?:use|see|schedule)\b",
        "merged": r"\bduplicate\b|[(*\[]\s*dup\s*[)*\]]|\bdo not use\b",
    }.items()
}
_PHRASE: Final = re.compile(
    rf"[(*\[{{<#\s-]*(?:\b(?:{_NOT}|no)\s+{_LIST}(?:text(?:s|ing|ed)?|sms|txts?|calls?|calling|phone|phoning|ring|e-?mails?|e-?mailing|contact|correspond\w*|use|see|schedule)\b|\bdeceas\w*|\bdec'?d\b|\bpassed away\b|"
    r"\bdied\b|\br\.i\.p\.?|[(*\[]\s*(?:rip|d|dec|dup)\s*(?=[)*\]])|\u2020|\bdnc\b|\bdismiss\w*|\bduplicate(?: chart)?\b|\bmoved(?: away)?\b|"
    r"\btransferr?ed\b|\binactive\b|\bmerged?\b)[)*\]}>#\s-]*",
    re.IGNORECASE,
)
_SUSPECT: Final = re.compile(
    r"[(*\[{<#\u2020]|\b(?:dec|died|passed|fallec|murio|difunt|obit|death|do\b|don|never|no\b|not\b|stop|opt|dnc|unsub|dismiss|discharg|terminat|mov|transfer|merge|dup|relocat|"
    r"inactive|r\.i|lawyer|attorney|sue|custody|upset|angry|left|leave|records?\b|charts?\b)",
    re.IGNORECASE,
)
_INTO: Final = re.compile(
    r"\bmerged?\s+(?:in)?to\s+(?:chart|patient|pt|account|#)?\s*#?\s*([A-Za-z]{0,3}\d[\w-]*)", re.IGNORECASE
)


@lru_cache(maxsize=10_000)
def flags(note: str) -> tuple[str, ...]:
    """Return the flags whose words occur in a note, in a fixed order. They ask a person; they never allow anything.

    ``unclear`` stands for a death or a dismissal that may be somebody else's, or is denied.
    """
    text = _folded(note)
    found = tuple(flag for flag, pattern in _FLAGS.items() if pattern.search(text))
    if _MISTAKABLE.isdisjoint(found):
        return found
    own = _NOT_THEIRS.sub(" ", text)
    rest = _BESIDE.sub(" ", own)
    true = tuple(flag for flag in found if flag not in _MISTAKABLE or _FLAGS[flag].search(rest))
    return true if own == text else (*true, "unclear")


def _folded(note: str) -> str:
    """Lower case, no accents, straight apostrophes."""
    plain = note.lower().replace("\u2019", "'")
    if plain.isascii():
        return plain
    return "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))


def merged_into(note: str) -> str | None:
    """Return the chart number that a note names as the one this chart was merged into."""
    found = _INTO.search(note)
    return found[1] if found else None


@lru_cache(maxsize=10_000)
def marks(text: str) -> tuple[str, ...]:
    """Return the flags of words that stand in a cell meant for something else: ``(DECEASED)`` in a name, ``DO NOT TEXT`` after a number."""
    if not _SUSPECT.search(text):
        return ()
    found = dict.fromkeys(flags(text))
    return tuple(found | dict.fromkeys(flag for flag, pattern in _IN_PLACE.items() if pattern.search(text)))


def without_marks(name: str) -> str:
    """Return a name without such words, so that nobody is greeted by them."""
    return " ".join(_PHRASE.sub(" ", name).split()).strip(" -,*#")
