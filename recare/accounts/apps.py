from django.apps import AppConfig


class Config(AppConfig):
    name = "recare.accounts"
    label = "recare_accounts"
