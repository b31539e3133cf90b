from django.urls import path

from recare.segments import views

app_name = "segments"
urlpatterns = [
    path("segments/", views.every, name="list"),
    path("segments/new/", views.new, name="new"),
    path("segments/count/", views.count_text, name="count"),
    path("segments/<str:slug>/", views.detail, name="detail"),
    path("segments/<str:slug>/save/", views.save, name="save"),
]
