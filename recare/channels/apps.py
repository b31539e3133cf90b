from django.apps import AppConfig


class Config(AppConfig):
    name = "recare.channels"
    label = "recare_channels"
