"""Opens an empty shop: makes its databases in SHOP_DATA and fills them. Runs without the agent."""

from __future__ import annotations

import os

import django
from django.core.management import call_command

from tracestitch_demo.inventory import seed as inventory


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tracestitch_demo.storefront.settings")
    inventory.seed()
    django.setup()
    call_command("migrate", verbosity=0)
    call_command("open_shop")


if __name__ == "__main__":
    main()
