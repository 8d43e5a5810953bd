import logging

from django.core.management.base import BaseCommand

from shop.models import Item


class Command(BaseCommand):
    def handle(self, *args, **options):
        count = Item.objects.count()  # the command's query
        logging.getLogger("shop.command").info("there are %s", count)
        self.stdout.write(f"{count} items")
