from django.urls import path

from recare.bookings import views

app_name = "bookings"
urlpatterns = [
    path("schedule/", views.schedule, name="schedule"),
    path("schedule/book/<int:patient_id>/", views.book_patient, name="book"),
    path("schedule/<int:booking_id>/entered/", views.entered, name="entered"),
    path("schedule/<int:booking_id>/cancel/", views.cancel, name="cancel"),
]
