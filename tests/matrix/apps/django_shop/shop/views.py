import logging

from django.http import JsonResponse

from shop.models import Item

log = logging.getLogger("shop.views")


def item(request, pk):
    log.info("showing item %s", pk)
    found = Item.objects.filter(pk=pk).first()  # the first query
    count = Item.objects.count()  # the second query
    log.warning("item %s of %s", pk, count)
    return JsonResponse({"found": found is not None, "count": count})


async def item_async(request, pk):
    log.info("showing item %s", pk)
    found = await Item.objects.filter(pk=pk).afirst()  # the first awaited query
    count = await Item.objects.acount()  # the second awaited query
    log.warning("item %s of %s", pk, count)
    return JsonResponse({"found": found is not None, "count": count})
