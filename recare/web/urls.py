from django.urls import path

from recare.web import choose, health, styleguide, today

app_name = "web"
urlpatterns = [
    path("", today.today, name="today"),
    path("choose-practice/", choose.choose_practice, name="choose-practice"),
    path("health/", health.health, name="health"),
    path("styleguide/", styleguide.styleguide, name="styleguide"),
]
