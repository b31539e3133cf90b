from django.apps import AppConfig


class Config(AppConfig):
    name = "recare.web"
    label = "recare_web"
