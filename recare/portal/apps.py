from django.apps import AppConfig


class Config(AppConfig):
    name = "recare.portal"
    label = "recare_portal"
