from django.apps import AppConfig


class Config(AppConfig):
    name = "recare.segments"
    label = "recare_segments"
