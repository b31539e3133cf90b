from django.apps import AppConfig


class Config(AppConfig):
    name = "recare.messages"
    label = "recare_messages"
