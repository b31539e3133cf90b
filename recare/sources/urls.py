from django.urls import path

from recare.sources import views

app_name = "sources"
urlpatterns = [
    path("data/", views.data, name="data"),
    path("data/import/", views.upload, name="upload"),
    path("data/import/<str:token>/", views.plan, name="plan"),
    path("data/import/<str:token>/write/", views.write, name="write"),
]
