from django.apps import AppConfig


class Config(AppConfig):
    name = "recare.sources"
    label = "recare_sources"
