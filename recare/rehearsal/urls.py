from django.urls import path

from recare.rehearsal import views

app_name = "rehearsal"
urlpatterns = [
    path("rehearsal/", views.case_study, name="case-study"),
    path("rehearsal/days/", views.let_time_pass, name="let-time-pass"),
    path("rehearsal/pause/", views.stop_the_clock, name="stop-the-clock"),
]
