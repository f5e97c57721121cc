"""Signs deliveries with the vendors' own PyPI packages.

stdin, one JSON object a line:
  {"provider", "secret", "method", "url", "headers", "body_base64", "now_unix", "id"}
stdout, one a line, in the same order:
  {"provider", "sdk": "name@version", "headers": {…}}   the headers given plus the signature's;
                                                        "body_base64" too, where the SDK made the body or signed in it
  {"provider", "unsupported": true}                     no package here signs for this provider
"""

import base64
import json
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from urllib.parse import parse_qsl, urlencode


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


def svix(request, body):
    from svix.webhooks import Webhook

    sent_at = datetime.fromtimestamp(request["now_unix"], tz=timezone.utc)
    signature = Webhook(request["secret"]).sign(request["id"], sent_at, body)
    return "svix", {
        "svix-id": request["id"],
        "svix-timestamp": str(request["now_unix"]),
        "svix-signature": signature,
    }


def adyen(request, body):
    from Adyen.util import generate_notification_sig

    # The signature stands in the notification that it is of; the body has a place for it.
    item = json.loads(body)["notificationItems"][0]["NotificationRequestItem"]
    signature = generate_notification_sig(item, request["secret"]).decode()
    return "Adyen", {}, body.replace("{signature}", signature)


def adyen_platform(request, body):
    from Adyen.util import generate_payload_sig

    signature = generate_payload_sig(body.encode(), request["secret"]).decode()
    return "Adyen", {"HmacSignature": signature}


def braintree(request, body):
    from braintree import BraintreeGateway, Configuration, Environment

    public_key, private_key = request["secret"].split(":")
    gateway = BraintreeGateway(
        Configuration(Environment.Sandbox, merchant_id="merchant", public_key=public_key, private_key=private_key)
    )
    sample = gateway.webhook_testing.sample_notification("subscription_went_past_due", request["id"])
    return "braintree", {}, urlencode(sample)


def pusher(request, body):
    from pusher.signature import sign

    key, secret = request["secret"].split(":")
    return "pusher", {"X-Pusher-Key": key, "X-Pusher-Signature": sign(secret, body)}


def hubspot(request, body):
    from hubspot.utils.signature import Signature

    timestamp = str(request["now_unix"] * 1000)
    signature = Signature.get_signature(
        request["secret"], body, "v3", request["url"], request["method"], timestamp
    )
    return "hubspot-api-client", {
        "X-HubSpot-Request-Timestamp": timestamp,
        "X-HubSpot-Signature-V3": signature,
    }


def box(request, body):
    from box_sdk_gen.internal.utils import compute_webhook_signature

    sent_at = datetime.fromtimestamp(request["now_unix"], tz=timezone.utc)
    headers = {
        "box-delivery-timestamp": sent_at.isoformat(),
        "box-signature-algorithm": "HmacSHA256",
        "box-signature-version": "1",
    }
    signature = compute_webhook_signature(body, headers, request["secret"])
    return "boxsdk", {**headers, "box-delivery-id": request["id"], "box-signature-primary": signature}


def paddle(request, body):
    from paddle_billing.Notifications import PaddleSignature

    timestamp = request["now_unix"]
    mac = PaddleSignature.calculate_hmac(request["secret"], f"{timestamp}:{body}".encode())
    return "paddle-python-sdk", {"Paddle-Signature": f"ts={timestamp};h1={mac.hexdigest()}"}


def cloudevents(request, body):
    from cloudevents.core.bindings import http
    from cloudevents.core.v1.event import CloudEvent

    # It builds the delivery, in the mode that the event's data names; the token beside it is anybody's to add.
    data = json.loads(body)
    event = CloudEvent({"id": request["id"], "source": "/interop", "type": "com.example.created"}, data)
    message = {"binary": http.to_binary_event, "structured": http.to_structured_event}[data["mode"]](event)
    headers = {**message.headers, "Authorization": f"Bearer {request['secret']}"}
    return "cloudevents", headers, message.body.decode()


SIGNERS = {
    "stripe": stripe,
    "standard-webhooks": standard_webhooks,
    "slack": slack,
    "twilio": twilio,
    "svix": svix,
    # These send through Svix, or sign as it does.
    "clerk": svix,
    "resend": svix,
    "openai": standard_webhooks,
    "adyen": adyen,
    "adyen-platform": adyen_platform,
    "braintree": braintree,
    "pusher": pusher,
    "hubspot": hubspot,
    "box": box,
    "paddle": paddle,
    "cloudevents": cloudevents,
}


def reply_to(request):
    provider = request["provider"]
    sign = SIGNERS.get(provider)
    if sign is None:
        return {"provider": provider, "unsupported": True}
    body = base64.b64decode(request["body_base64"]).decode("utf-8")
    package, headers, *made = sign(request, body)
    reply = {
        "provider": provider,
        "sdk": f"{package}@{version(package)}",
        "headers": {**request["headers"], **headers},
    }
    for body in made:
        reply["body_base64"] = base64.b64encode(body.encode()).decode()
    return reply


for line in sys.stdin:
    if line.strip():
        print(json.dumps(reply_to(json.loads(line))), flush=True)
