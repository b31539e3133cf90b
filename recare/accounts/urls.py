from django.urls import path

from recare.accounts import own, views

app_name = "accounts"
urlpatterns = [
    path("sign-in/", views.sign_in, name="sign-in"),
    path("sign-in/code/", views.code, name="code"),
    path("sign-out/", views.sign_out, name="sign-out"),
    path("your-sign-in/", own.sign_in_of_mine, name="own"),
    path("your-sign-in/password/", own.password, name="own-password"),
    path("your-sign-in/second-factor/", own.set_up, name="factor-set-up"),
    path("your-sign-in/second-factor/change/", own.change, name="factor-change"),
]
