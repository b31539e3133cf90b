from django.urls import path

from recare.web import choose, health, styleguide, today

app_name = "web"
urlpatterns = [
    path("", today.today, name="today"),
    path("tasks/", today.all_tasks, name="tasks"),
    path("tasks/<int:task_id>/done/", today.task_done, name="task-done"),
    path("choose-practice/", choose.choose_practice, name="choose-practice"),
    path("health/", health.health, name="health"),
    path("styleguide/", styleguide.styleguide, name="styleguide"),
]
