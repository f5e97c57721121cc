"""Verifies and decodes one request again and again with its vendor's package on PyPI.

Argument: how often. stdin: the request. stdout: nanoseconds each.
"""

import json
import sys
import time


def stripe(request):
    import stripe

    return lambda: stripe.Webhook.construct_event(request["body"], request["signature"], request["secret"]).id


def standard_webhooks(request):
    from standardwebhooks import Webhook

    webhook, headers = Webhook(request["secret"]), dict(request["headers"])
    return lambda: webhook.verify(request["body"], headers)["type"]


request, count = json.load(sys.stdin), int(sys.argv[1])
receive = {"stripe": stripe, "standard-webhooks": standard_webhooks}[request["provider"]](request)
receive()
began = time.perf_counter_ns()
for _ in range(count):
    receive()
print((time.perf_counter_ns() - began) / count)
