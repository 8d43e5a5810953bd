"""Models with every kind of relation between them."""

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Shelf(models.Model):
    pass


class Word(models.Model):
    target_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    target_id = models.IntegerField()
    target = GenericForeignKey("target_type", "target_id")


class Tag(models.Model):
    pass


class Book(models.Model):
    shelf = models.ForeignKey(Shelf, on_delete=models.CASCADE, related_name="books")
    lent_from = models.ForeignKey(Shelf, null=True, on_delete=models.CASCADE)
    tags = models.ManyToManyField(Tag)
    words = GenericRelation(Word, "target_id", "target_type")
    title = models.CharField(max_length=20)


class Cover(models.Model):
    book = models.OneToOneField(Book, on_delete=models.CASCADE)
