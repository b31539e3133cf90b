from django.apps import AppConfig


class Config(AppConfig):
    name = "recare.campaigns"
    label = "recare_campaigns"
