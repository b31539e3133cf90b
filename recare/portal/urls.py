from django.urls import path

from recare.portal import answers, family, join, preferences, visits

app_name = "portal"
urlpatterns = [
    path("join/confirm/<token>", join.confirm, name="join_confirm"),
    path("join/<slug:slug>/", join.join, name="join"),
    path("p/book/<token>", visits.book, name="book"),
    path("p/book/<token>/confirm", visits.confirm, name="confirm"),
    path("p/book/<token>/done", visits.done, name="done"),
    path("p/book/<token>/family", family.choose, name="family"),
    path("p/book/<token>/family/confirm", family.confirm, name="family-confirm"),
    path("p/book/<token>/family/done", family.done, name="family-done"),
    path("p/manage/<token>", visits.manage, name="manage"),
    path("p/manage/<token>/move", visits.move, name="move"),
    path("p/manage/<token>/cancel", visits.cancel, name="cancel"),
    path("p/manage/<token>/visit.ics", visits.calendar, name="calendar"),
    path("p/preferences/<token>", preferences.preferences, name="preferences"),
    path("p/unsubscribe/<token>", answers.unsubscribe, name="unsubscribe"),
    path("p/why/<token>", answers.why, name="why"),
    path("p/offer/<token>", answers.offer, name="offer"),
    path("p/portal/<token>", answers.portal, name="portal"),
]
