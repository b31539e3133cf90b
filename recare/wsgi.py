"""The WSGI application for the web server."""

import os
from datetime import UTC, datetime

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recare.settings")

application = get_wsgi_application()

from recare.compliance.warm import warm_beside  # noqa: E402 (settings first: they set up the log)
from recare.reports import charts  # noqa: E402

warm_beside(datetime.now(UTC), charts.warm)
