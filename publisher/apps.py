from django.apps import AppConfig


class Publisher(AppConfig):
    name = "publisher"
