from django.apps import AppConfig


class Config(AppConfig):
    name = "recare.consent"
    label = "recare_consent"
