from django.apps import AppConfig


class Config(AppConfig):
    name = "recare.reports"
    label = "recare_reports"
