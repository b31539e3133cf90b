from django.urls import path

from recare.practices import views

app_name = "practices"
urlpatterns = [
    path("settings/", views.settings, name="settings"),
    path("settings/people/", views.add_person, name="add-person"),
    path("settings/people/<int:membership_id>/remove/", views.remove_person, name="remove-person"),
    path("settings/people/<int:membership_id>/second-factor/", views.reset_factor, name="reset-factor"),
    path("settings/security/", views.security, name="security"),
    path("settings/outreach/", views.outreach, name="outreach"),
    path("settings/stop/", views.stop_switch, name="stop-switch"),
]
