from django.apps import AppConfig


class Config(AppConfig):
    name = "recare.inbox"
    label = "recare_inbox"
