"""Verifies and decodes one request again and again with its vendor's package on PyPI.

Arguments: the package, how often. stdin: the request. stdout: nanoseconds each.
"""

import json
import sys
import time


def stripe(request):
    import stripe

    return lambda: stripe.Webhook.construct_event(request["body"], request["signature"], request["secret"]).id


def standardwebhooks(request):
    from standardwebhooks import Webhook

    webhook, headers = Webhook(request["secret"]), dict(request["headers"])
    return lambda: webhook.verify(request["body"], headers)["type"]


request, name, count = json.load(sys.stdin), sys.argv[1], int(sys.argv[2])
receive = {"stripe": stripe, "standardwebhooks": standardwebhooks}[name](request)
receive()
began = time.perf_counter_ns()
for _ in range(count):
    receive()
print((time.perf_counter_ns() - began) / count)
