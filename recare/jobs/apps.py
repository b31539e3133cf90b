from django.apps import AppConfig


class Config(AppConfig):
    name = "recare.jobs"
    label = "recare_jobs"
