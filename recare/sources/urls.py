from django.urls import path

from recare.sources import pages_import, views

app_name = "sources"
urlpatterns = [
    path("data/", views.data, name="data"),
    path("data/import/", pages_import.upload, name="upload"),
    path("data/import/<str:token>/", pages_import.follow, name="plan"),
    path("data/import/<str:token>/answer/", pages_import.answer, name="answer"),
]
