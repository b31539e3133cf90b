"""The product's own settings, on the database of this test process."""

from tests import cluster

cluster.start()

from recare.settings import *  # noqa: E402, F403 (the database must run before its address is read)

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # hashing well takes longer than these tests
