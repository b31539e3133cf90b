from django.apps import AppConfig


class Config(AppConfig):
    name = "recare.base"
    label = "recare_base"
