from django.urls import path

from recare.campaigns import pages_offers, pages_review, views

app_name = "campaigns"
urlpatterns = [
    path("campaigns/", views.every, name="list"),
    path("campaigns/new/", views.create, name="create"),
    path("campaigns/<int:campaign_id>/", views.detail, name="detail"),
    path("campaigns/<int:campaign_id>/edit/", views.edit, name="edit"),
    path("campaigns/<int:campaign_id>/preview/", views.rehearse, name="rehearse"),
    path("campaigns/<int:campaign_id>/launch/", views.launch, name="launch"),
    path("campaigns/<int:campaign_id>/pause/", views.pause, name="pause"),
    path("campaigns/<int:campaign_id>/resume/", views.resume, name="resume"),
    path("campaigns/<int:campaign_id>/finish/", views.finish, name="finish"),
    path("reviews/<int:task_id>/", pages_review.decide, name="review"),
    path("offers/", pages_offers.every, name="offers"),
    path("offers/new/", pages_offers.edit, name="new-offer"),
    path("offers/<str:slug>/", pages_offers.detail, name="offer"),
    path("offers/<str:slug>/edit/", pages_offers.edit, name="edit-offer"),
    path("offers/<str:slug>/approve/", pages_offers.approve, name="approve-offer"),
    path("offers/<str:slug>/withdraw/", pages_offers.withdraw, name="withdraw-offer"),
]
