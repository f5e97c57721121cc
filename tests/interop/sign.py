"""Signs deliveries with the vendors' own PyPI packages.

stdin, one JSON object a line:
  {"provider", "secret", "method", "url", "headers", "body_base64", "now_unix", "id"}
stdout, one a line, in the same order:
  {"provider", "sdk": "name@version", "headers": {…}}   the headers given plus the signature's
  {"provider", "unsupported": true}                     no package here signs for this provider
"""

import base64
import json
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from urllib.parse import parse_qsl


def stripe(request, body):
    from stripe import WebhookSignature

    header = WebhookSignature.generate_signature_header(body, request["secret"], request["now_unix"])
    return "stripe", {"Stripe-Signature": header}


def standard_webhooks(request, body):
    from standardwebhooks import Webhook

    sent_at = datetime.fromtimestamp(request["now_unix"], tz=timezone.utc)
    signature = Webhook(request["secret"]).sign(request["id"], sent_at, body)
    return "standardwebhooks", {
        "webhook-id": request["id"],
        "webhook-timestamp": str(request["now_unix"]),
        "webhook-signature": signature,
    }


def slack(request, body):
    from slack_sdk.signature import SignatureVerifier

    timestamp = str(request["now_unix"])
    signature = SignatureVerifier(request["secret"]).generate_signature(timestamp=timestamp, body=body)
    return "slack_sdk", {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": signature}


def twilio(request, body):
    from multidict import MultiDict
    from twilio.request_validator import RequestValidator

    parameters = MultiDict(parse_qsl(body, keep_blank_values=True))
    signature = RequestValidator(request["secret"]).compute_signature(request["url"], parameters)
    return "twilio", {"I-Twilio-Idempotency-Token": request["id"], "X-Twilio-Signature": signature}


SIGNERS = {
    "stripe": stripe,
    "standard-webhooks": standard_webhooks,
    "slack": slack,
    "twilio": twilio,
}


def reply_to(request):
    provider = request["provider"]
    sign = SIGNERS.get(provider)
    if sign is None:
        return {"provider": provider, "unsupported": True}
    body = base64.b64decode(request["body_base64"]).decode("utf-8")
    package, headers = sign(request, body)
    return {
        "provider": provider,
        "sdk": f"{package}@{version(package)}",
        "headers": {**request["headers"], **headers},
    }


for line in sys.stdin:
    if line.strip():
        print(json.dumps(reply_to(json.loads(line))), flush=True)
