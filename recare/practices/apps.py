from django.apps import AppConfig


class Config(AppConfig):
    name = "recare.practices"
    label = "recare_practices"
