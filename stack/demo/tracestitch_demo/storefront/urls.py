"""The storefront's routes."""

from __future__ import annotations

from django.urls import path

from tracestitch_demo.storefront.shop import carts, checkout, orders, products

urlpatterns = [
    path("products", products.ProductList.as_view()),
    path("products/<str:sku>/tariff", products.Tariff.as_view()),
    path("products/<str:sku>/offer", products.Offer.as_view()),
    path("carts/<int:cart_id>", carts.CartDetail.as_view()),
    path("carts/<int:cart_id>/summary", carts.CartSummary.as_view()),
    path("carts/<int:cart_id>/voucher", carts.CartVoucher.as_view()),
    path("carts/<int:cart_id>/discount", carts.CartDiscount.as_view()),
    path("checkout", checkout.Checkout.as_view()),
    path("orders", orders.OrderList.as_view()),
    path("orders/recent", orders.RecentOrders.as_view()),
    path("orders/<str:reference>/refund", orders.Refund.as_view()),
]
