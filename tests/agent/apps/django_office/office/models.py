"""A small office: clients with cases, cases with letters."""

from django.db import models


class Client(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        db_table = "people"


class Case(models.Model):
    plaintiff = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="suits")
    title = models.CharField(max_length=50)


class Letter(models.Model):
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="letters")
    author = models.ForeignKey(Client, on_delete=models.CASCADE)
