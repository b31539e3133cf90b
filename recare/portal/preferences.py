"""How we reach you: every change is one short form, counts at once, and is shown again as it now stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse

from recare.messages import links
from recare.portal import opt_in, wishes
from recare.portal.page import Visitor, go, patient_page, show, sorry
from recare.portal.words import LANGUAGES


@patient_page("preferences")
def preferences(request: HttpRequest, v: Visitor) -> HttpResponse:
    """Show what counts, and change one thing at a time."""
    if request.method == "POST":
        change = _CHANGES.get(request.POST.get("do", ""))
        if change is None:
            return go(v, "preferences")
        said = change(request, v)
        if said == "wrong":  # a stranger sees no more of this patient
            return sorry(request, "wrong", 200, v.language, place=v.practice, phone=v.phone)
        if said != "nothing":
            links.use(v.practice.id, v.link.id, v.now)
        return go(v, "preferences", said=said)
    said = request.GET.get("said", "")
    return show(
        request, v, "preferences", now=wishes.standing(v), said=said if said in _SAID else "", ways=wishes.WAYS, pauses=wishes.PAUSES,
        topics=wishes.TOPICS, seller=opt_in.seller(v.practice),
    )  # fmt: skip


def _way(request: HttpRequest, v: Visitor) -> str:
    way = request.POST.get("way", "")
    if way not in wishes.WAYS:
        return "nothing"
    wishes.prefer(v, way)
    return "way"


def _stop(request: HttpRequest, v: Visitor) -> str:
    ways = [way for way in wishes.WAYS if way in request.POST.getlist("stop")]
    if not ways:
        return "nothing"
    wishes.end_ways(v, ways)
    return "stop"


def _pause(request: HttpRequest, v: Visitor) -> str:
    months = request.POST.get("months", "")
    if months not in {str(choice) for choice in wishes.PAUSES}:
        return "nothing"
    wishes.pause(v, int(months))
    return "pause"


def _left(why: str) -> Callable[[HttpRequest, Visitor], str]:
    def change(_request: HttpRequest, v: Visitor) -> str:
        wishes.left(v, why)
        return why

    return change


def _wrong(_request: HttpRequest, v: Visitor) -> str:
    wishes.wrong_person(v)
    return "wrong"


def _language(request: HttpRequest, v: Visitor) -> str:
    language = request.POST.get("language", "")
    if language not in LANGUAGES:
        return "nothing"
    wishes.speak(v, language)
    return "language"


def _talk(request: HttpRequest, v: Visitor) -> str:
    topic = request.POST.get("about", "any")
    wishes.call_me(v, topic if topic in wishes.TOPICS else "any")
    return "talk"


def _everything(_request: HttpRequest, v: Visitor) -> str:
    wishes.end_everything(v)
    return "everything"


_CHANGES: Final[dict[str, Callable[[HttpRequest, Visitor], str]]] = {
    "way": _way, "stop": _stop, "pause": _pause, "moved": _left("moved"), "new_dentist": _left("new_dentist"), "wrong": _wrong,
    "language": _language, "talk": _talk, "everything": _everything, "texts_on": opt_in.texts_on,
}  # fmt: skip
_SAID: Final = frozenset({*_CHANGES, "nothing"}) - {"wrong"}
