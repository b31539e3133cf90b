from django.urls import path, re_path

from recare.reports import views

app_name = "reports"
urlpatterns = [
    path("results/", views.results, name="results"),
    re_path(r"^results\.(?P<kind>csv|json)$", views.results_file, name="file"),
]
