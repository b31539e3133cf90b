"""Staff who sign in. The one Django model of the project: Django's own sign-in, sessions and password hashes want it."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


class StaffManager(BaseUserManager["Staff"]):
    """Finds staff by e-mail address, whatever its case."""

    def get_by_natural_key(self, username: str | None) -> Staff:
        """Return who signs in with this address. Raises Staff.DoesNotExist."""
        return self.get(email__iexact=(username or "").strip())


class Staff(AbstractBaseUser):
    """One person, one sign-in; shared sign-ins are not allowed (SEC-01)."""

    id = models.BigAutoField(primary_key=True)
    email = models.TextField()
    name = models.TextField(blank=True, default="")
    password = models.TextField()
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    objects: ClassVar[StaffManager] = StaffManager()
    USERNAME_FIELD = "email"

    class Meta:
        managed = False  # made by schema.sql
        db_table = "staff"

    def __str__(self) -> str:
        return self.name or self.email
