from django.urls import path

from recare.messages import pages_letters, pages_mailbox, pages_outbox, pages_senders, views

app_name = "messages"
urlpatterns = [
    path("templates/", views.every, name="templates"),
    path("templates/new/", views.new, name="new-template"),
    path("templates/preview/", views.preview, name="preview"),
    path("templates/versions/<int:version_id>/approve/", views.approve, name="approve"),
    path("templates/<str:slug>/<str:channel>/<str:language>/", views.template, name="template"),
    path("campaigns/<int:campaign_id>/preview/messages/", views.samples, name="samples"),
    path("outbox/", pages_outbox.outbox, name="outbox"),
    path("messages/<int:message_id>/", pages_outbox.message, name="message"),
    path("messages/<int:message_id>/html/", pages_outbox.html, name="html"),
    path("messages/<int:message_id>/settle/", pages_outbox.settle_unknown, name="settle"),
    path("letters/", pages_letters.every, name="letters"),
    path("letters/print/", pages_letters.printed, name="print-letters"),
    path("letters/posted/", pages_letters.posted, name="post-letters"),
    path("letters/<int:message_id>/came-back/", pages_letters.came_back, name="returned-letter"),
    path("settings/senders/", pages_senders.every, name="senders"),
    path("settings/senders/new/", pages_senders.edit, name="new-sender"),
    path("settings/senders/<int:sender_id>/", pages_senders.edit, name="sender"),
    path("settings/senders/<int:sender_id>/pause/", pages_senders.pause, name="pause-sender"),
    path("settings/senders/<int:sender_id>/resume/", pages_senders.resume, name="resume-sender"),
    path("settings/senders/<int:sender_id>/mailbox/", pages_mailbox.edit, name="mailbox"),
    path("settings/senders/<int:sender_id>/mailbox/try/", pages_mailbox.try_it, name="try-mailbox"),
    path("settings/senders/<int:sender_id>/mailbox/remove/", pages_mailbox.remove, name="remove-mailbox"),
    path("settings/senders/<int:sender_id>/test/", pages_senders.test, name="test-sender"),
]
