from django.apps import AppConfig


class Config(AppConfig):
    name = "recare.calls"
    label = "recare_calls"
