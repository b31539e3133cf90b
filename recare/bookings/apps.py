from django.apps import AppConfig


class Config(AppConfig):
    name = "recare.bookings"
    label = "recare_bookings"
