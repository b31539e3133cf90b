from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import recare.rehearsal
from recare.compliance.optout import is_help, is_start, read

VECTORS: dict[str, list[str]] = yaml.safe_load((Path(__file__).parent / "optout_vectors.yaml").read_text("utf-8"))
REPLIES: dict[str, dict[str, list[str]]] = yaml.safe_load(
    (Path(recare.rehearsal.__path__[0]) / "replies.yaml").read_text("utf-8")
)

KEYWORDS = [
    "STOP",
    "STOPALL",
    "QUIT",
    "END",
    "REVOKE",
    "OPT-OUT",
    "OPTOUT",
    "CANCEL",
    "UNSUBSCRIBE",
    "REMOVE",
    "ARRET",
    "ALTO",
    "Arrêt",
]

CLEAR = [
    "Stop.", "stop please", "opt  out", "pls no more texts", "cancel", "take me off your list", "told you not to call", "NO MAS", "No más!",
    "not interested in future emails please", "rwmove me from all you lists", "S T O P", "s.t.o.p", "5top", "st0p", "$top", "un5ubscribe",
    "\u0405top", "\u0405\u0422\u041e\u0420", "S\u200btop", "\uff33\uff34\uff2f\uff30", "STOPPPP", "sotp", "stpo", "unsubcribe", "Unsubscibe me", "cancle", "🛑", "✋", "🚫🚫", "STOP 🛑",
    "\u201cSTOP\u201d", '"stop"', "(STOP)", "stop!!!!", "STOP\n\nSent from my phone", "Please stop texting me", "stop with the messages", "quit texting this number",
    "don't text me", "Dont call or text me again", "DO NOT CONTACT ME", "never text me again", "I don't want to receive these", "no longer wish to hear from you",
    "I do not want any more messages from your office", "remove my number from your system", "please delete my number", "lose my number", "leave me alone",
    "let me be", "unsub", "I want to opt out of these texts", "opt me out", "I revoke my consent", "I never gave you permission to text me", "cease and desist",
    "cut it out", "reporting this as spam", "this is spam", "I will block you", "no more reminders thanks", "no texts please", "please make it stop", "get me off this list",
    "enough with the texts", "cancel these messages", "cancel my subscription", "end these texts", "i said stop", "I asked you to stop", "unsubscribe me from this please",
    "stop sending me this stuff i moved", "I'd like to be taken off your mailing list", "please stop", "stop now", "stop it", "quit it with the calls", "stop calling my mom",
]  # fmt: skip

CLEAR_ELSEWHERE = [
    "ya no me escriban", "No me llamen más", "no quiero recibir mensajes", "déjenme en paz", "quítenme de su lista", "Bórrenme", "dejen de mandar mensajes",
    "por favor paren de escribirme", "deseo darme de baja", "cancelar suscripción", "ya basta", "borre mi número", "No deseo recibir más correos", "no me molesten",
    "ne m'envoyez plus de messages", "désabonnez-moi", "laissez-moi tranquille", "arrêtez de m'écrire", "ne me contactez plus",
    "توقف", "إلغاء الاشتراك", "لا ترسلوا لي رسائل", "قف", "停止", "退订", "不要再发短信给我", "請勿聯絡", "dừng lại", "đừng gửi tin nhắn nữa", "không muốn nhận tin nhắn",
    "tigil", "itigil na po", "huwag na kayong mag-text", "tama na", "alisin nyo ako sa listahan",
]  # fmt: skip

DOUBTFUL = [
    "cancel my Tuesday appt", "can you stop by the office?", "I'll stop by tomorrow", "it won't stop bleeding", "do you need to remove a tooth?", "I'm trying to quit smoking",
    "the bus stop near you", "please don't unsubscribe me", "don't stop texting me, I like the reminders", "can I cancel?", "how do I stop these?", "this is harassment",
    "my lawyer will call", "how did you get my number", "shop", "Need to cancel and rebook for next week", "don't call before noon", "👎", "enough is what I paid last time",
    "quiero cancelar mi cita", "¿puedo parar en la oficina mañana?", "no cancelen mi cita", "tengo que cancelar", "end of the month works", "¿me pueden quitar una muela?",
]  # fmt: skip

CLEAN = [
    "yes", "No", "no thanks", "not interested", "who is this?", "wrong number", "👍", "", "   ", "ok see you then", "I never got your text", "didn't get the message", "1", "2",
    "What time do you close?", "call me please", "text me the address", "can you call my wife instead", "I want to book", "I'd like to come in next week", "unstop", "START",
    "Tuesday at 4 please", "Do you have parking?", "we moved to Ohio", "my mom passed away", "sí", "para mí y mi hija", "sí, para el martes", "llámeme", "no", "ahora no",
    "is the doctor still there", "Step 2 done", "sounds good", "I don't know any dentist", "can't make it until next month", "Send me the link again", "no puedo ahora", "gracias",
    "I have no insurance", "merci", "oui", "I'm off on Fridays", "out of town until May",
]  # fmt: skip


@pytest.mark.parametrize("text", [*KEYWORDS, *CLEAR, *CLEAR_ELSEWHERE])
def test_opt_01_a_clear_request_is_a_stop(text: str) -> None:
    assert read(text).verdict == "stop"


@pytest.mark.parametrize("text", DOUBTFUL)
def test_opt_01_a_stop_word_in_another_use_is_read_by_a_person(text: str) -> None:
    assert read(text).verdict == "maybe"


@pytest.mark.parametrize("text", CLEAN)
def test_a_text_without_any_stop_sign_is_none(text: str) -> None:
    assert read(text).verdict == "none"


@pytest.mark.parametrize("verdict", ["maybe", "none", "stop"])
def test_opt_01_replies_by_the_hundred_are_read_as_they_must_be(verdict: str) -> None:
    assert [(text, read(text).verdict) for text in VECTORS[verdict] if read(text).verdict != verdict] == []


def test_opt_01_stop_words_in_another_use_revoke_nothing() -> None:
    assert [text for text in VECTORS["never_stop"] if read(text).verdict == "stop"] == []


@pytest.mark.parametrize(("language", "text"), [(lang, t) for lang, texts in REPLIES["stop"].items() for t in texts])
def test_every_stop_of_the_simulated_patients_is_heard(language: str, text: str) -> None:
    assert read(text).verdict == "stop"


@pytest.mark.parametrize(
    "text",
    [
        t
        for kind in ("yes", "question", "not_now", "call_me", "moved", "deceased")
        for ts in REPLIES[kind].values()
        for t in ts
    ],
)
def test_no_other_reply_of_the_simulated_patients_is_a_stop(text: str) -> None:
    assert read(text).verdict == "none"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("stop", "en"),
        ("alto", "es"),
        ("ya no me escriban", "es"),
        ("desabonnez moi", "fr"),
        ("退订", "zh"),
        ("توقف", "ar"),
        ("tigil", "tl"),
    ],
)
def test_the_language_of_a_stop_is_told(text: str, language: str) -> None:
    assert read(text).language == language


@given(st.sampled_from(["stop", "unsubscribe", "quit", "optout", "alto"]), st.data())
def test_a_keyword_survives_case_courtesy_punctuation_and_emoji(word: str, data: st.DataObject) -> None:
    cased = "".join(c.upper() if data.draw(st.booleans()) else c for c in word)
    before = data.draw(st.sampled_from(["", " ", "please ", "\n", "¡", "\u201c", "🙏 ", "Hi, "]))
    after = data.draw(st.sampled_from(["", ".", "!!", " please", " thank you", "\u201d", " 🛑", "...", "\n"]))
    assert read(before + cased + after).verdict == "stop"


@given(st.sampled_from(["unsubscribe", "remove", "cancel"]), st.data())
def test_one_slip_of_the_finger_hides_no_long_keyword(word: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, len(word) - 2))
    slip = data.draw(st.sampled_from(["drop", "swap", "double", "wrong"]))
    pair = word[at + 1] + word[at]
    changed = {
        "drop": word[:at] + word[at + 1 :],
        "swap": word[:at] + pair + word[at + 2 :],
        "double": word[: at + 1] + word[at:],
        "wrong": word[:at] + "x" + word[at + 1 :],
    }
    assert read(changed[slip]).verdict in {"stop", "maybe"}


@given(st.text(max_size=200))
def test_reading_never_fails(text: str) -> None:
    assert read(text).verdict in {"stop", "maybe", "none"}


@pytest.mark.parametrize(("text", "helps", "starts"), [("HELP", True, False), ("Info.", True, False), ("ayuda", True, False), ("START", False, True), ("unstop!", False, True), ("yes", False, False), ("help me find a time", False, False), ("start over", False, False)])  # fmt: skip
def test_opt_05_help_and_start_are_whole_messages(text: str, helps: bool, starts: bool) -> None:  # noqa: FBT001
    assert (is_help(text), is_start(text)) == (helps, starts)
