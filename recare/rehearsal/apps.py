from django.apps import AppConfig


class Config(AppConfig):
    name = "recare.rehearsal"
    label = "recare_rehearsal"
