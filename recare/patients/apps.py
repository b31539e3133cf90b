from django.apps import AppConfig


class Config(AppConfig):
    name = "recare.patients"
    label = "recare_patients"
