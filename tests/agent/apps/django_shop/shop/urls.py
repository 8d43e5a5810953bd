from django.urls import path, re_path

from shop import views

urlpatterns = [
    path("items/<int:pk>/", views.items),
    path("order/", views.order),
    path("missing/", views.missing),
    path("broken/", views.broken),
    path("overloaded/", views.overloaded),
    path("host/", views.host),
    path("stream/", views.stream),
    path("till/", views.Till.as_view()),
    path("checked/", views.Checked.as_view()),
    path("counted/", views.counted),
    re_path(r"^old/(?P<pk>[0-9]+)/$", views.items),
]
