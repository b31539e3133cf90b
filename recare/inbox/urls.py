from django.urls import path

from recare.inbox import views

app_name = "inbox"
urlpatterns = [
    path("inbox/", views.every, name="list"),
    path("inbox/automatic/", views.read_automatic, name="read-automatic"),
    path("inbox/<int:point_id>/", views.thread, name="thread"),
    path("inbox/<int:point_id>/decide/", views.decide_task, name="decide"),
    path("inbox/<int:point_id>/reply/", views.reply, name="reply"),
    path("inbox/<int:point_id>/call/", views.log_call, name="call"),
    path("inbox/<int:point_id>/release/", views.release_hold, name="release"),
]
