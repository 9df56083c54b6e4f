"""A Django project that has dj-stripe's webhook endpoint, and nothing else: settings, URLs and WSGI application.

It runs in the environment of the peers, which knows nothing of this project. Run as a program it makes the tables, the endpoint and its
secret. What flatters it: there is hardly any middleware, the log is silent, and connections to the database are kept.
"""

import os

import django
from django.conf import settings

#: The endpoint, and the secret with which its deliveries are signed.
ENDPOINT, SECRET = "6f1d7b0a-95a5-4a3f-9c0c-3f0c7b1f8a11", "whsec_a_secret_to_measure_by"
API_KEY, ACCOUNT = "sk_test_0123456789abcdefghijklmnop", "acct_0123456789ABCDEF"

settings.configure(
    SECRET_KEY="a key to measure by",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "djstripe"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": os.environ["PEER_DATABASE_HOST"],
            "NAME": os.environ["PEER_DATABASE"],
            "USER": "standing",
            "CONN_MAX_AGE": None,
        }
    },
    # The tables as the models have them: going through all migrations takes minutes.
    MIGRATION_MODULES={"auth": None, "contenttypes": None, "djstripe": None},
    # It says how long an answer is.
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    USE_TZ=True,
    LOGGING_CONFIG=None,
    STRIPE_LIVE_MODE=False,
    STRIPE_TEST_SECRET_KEY=API_KEY,
    DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import include, path  # noqa: E402

urlpatterns = [path("stripe/", include("djstripe.urls", namespace="djstripe")), path("healthz", lambda _request: HttpResponse(b"{}"))]
application = get_wsgi_application()


def prepare():
    """Make the tables, the account whose API key is configured, and the endpoint."""
    from djstripe.models import Account, APIKey, WebhookEndpoint

    call_command("migrate", run_syncdb=True, verbosity=0)
    account = Account.objects.create(id=ACCOUNT)
    APIKey.objects.create(secret=API_KEY, type="secret", livemode=False, djstripe_owner_account=account)
    WebhookEndpoint.objects.create(
        id="we_1", secret=SECRET, djstripe_uuid=ENDPOINT, livemode=False, djstripe_owner_account=account, enabled_events=["*"]
    )


if __name__ == "__main__":
    prepare()
