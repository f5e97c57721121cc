// Signs deliveries with the vendors' own npm packages.
//
// stdin, one JSON object a line:
//   {"provider", "secret", "method", "url", "headers", "body_base64", "now_unix", "id"}
// stdout, one a line, in the same order:
//   {"provider", "sdk": "name@version", "headers": {…}}   the headers given plus the signature's;
//                                                         "body_base64" too, where the SDK made the body or signed in it
//   {"provider", "unsupported": true}                     no npm package here signs for this provider
//
// WEBHOOKS_TEST_NODE_MODULES names the node_modules folder that holds the packages.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const require = createRequire(import.meta.url);

const signers = {
  async stripe({ secret, body, now_unix }) {
    const { module, sdk } = await load("stripe");
    const stripe = new module.default("sk_test_unused");
    const header = stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp: now_unix });
    return { sdk, headers: { "Stripe-Signature": header } };
  },

  async github({ secret, body, id }) {
    const { module, sdk } = await load("@octokit/webhooks-methods");
    return {
      sdk,
      headers: { "X-GitHub-Delivery": id, "X-Hub-Signature-256": await module.sign(secret, body) },
    };
  },

  async "standard-webhooks"({ secret, body, id, now_unix }) {
    const { module, sdk } = await load("standardwebhooks");
    const signature = new module.Webhook(secret).sign(id, new Date(now_unix * 1000), body);
    return {
      sdk,
      headers: { "webhook-id": id, "webhook-timestamp": String(now_unix), "webhook-signature": signature },
    };
  },

  async twilio({ secret, url, body, id }) {
    const { module, sdk } = await load("twilio");
    const signature = module.default.getExpectedTwilioSignature(secret, url, formParameters(body));
    return { sdk, headers: { "I-Twilio-Idempotency-Token": id, "X-Twilio-Signature": signature } };
  },

  async svix({ secret, body, id, now_unix }) {
    const { module, sdk } = required("svix");
    const signature = new module.Webhook(secret).sign(id, new Date(now_unix * 1000), body);
    return { sdk, headers: { "svix-id": id, "svix-timestamp": String(now_unix), "svix-signature": signature } };
  },

  // The signature stands in the notification that it is of; the body has a place for it.
  async adyen({ secret, body }) {
    const { module, sdk } = required("@adyen/api-library");
    const item = JSON.parse(body).notificationItems[0].NotificationRequestItem;
    const signature = new module.hmacValidator().calculateHmac(item, secret);
    return { sdk, headers: {}, body: body.replace("{signature}", signature) };
  },

  async "adyen-platform"({ secret, body }) {
    const { module, sdk } = required("@adyen/api-library");
    return { sdk, headers: { HmacSignature: new module.hmacValidator().calculateHmac(body, secret) } };
  },

  async braintree({ secret, id }) {
    const { module, sdk } = required("braintree");
    const [publicKey, privateKey] = secret.split(":");
    const environment = module.Environment.Sandbox;
    const gateway = new module.BraintreeGateway({ environment, merchantId: "merchant", publicKey, privateKey });
    const sample = gateway.webhookTesting.sampleNotification("subscription_went_past_due", id);
    return { sdk, headers: {}, body: new URLSearchParams(sample).toString() };
  },

  async pusher({ secret, body }) {
    const { module: Token, sdk } = required("pusher", "lib/token");
    const token = new Token(...secret.split(":"));
    return { sdk, headers: { "X-Pusher-Key": token.key, "X-Pusher-Signature": token.sign(body) } };
  },

  async hubspot({ secret, method, url, body: requestBody, now_unix }) {
    const { module, sdk } = required("@hubspot/api-client");
    const timestamp = now_unix * 1000;
    const signature = module.Signature.getSignature(method, "v3", { clientSecret: secret, url, requestBody, timestamp });
    return {
      sdk,
      headers: { "X-HubSpot-Request-Timestamp": String(timestamp), "X-HubSpot-Signature-V3": signature },
    };
  },

  async box({ secret, body, id, now_unix }) {
    const { module, sdk } = required("box-node-sdk", "lib/internal/utilsNode");
    const headers = boxHeaders(now_unix);
    const signature = await module.computeWebhookSignature(body, headers, secret);
    return { sdk, headers: { ...headers, "box-delivery-id": id, "box-signature-primary": signature } };
  },

  async "coinbase-commerce"({ secret, body }) {
    const { module, sdk } = required("coinbase-commerce-node");
    return { sdk, headers: { "X-CC-Webhook-Signature": module.Webhook.computeSignature(body, secret) } };
  },

  async contentful({ secret, method, url, headers, body, now_unix }) {
    const { module, sdk } = required("@contentful/node-apps-toolkit");
    const path = new URL(url).pathname;
    return { sdk, headers: module.signRequest(secret, { method, path, headers, body }, now_unix * 1000) };
  },

  async shopify({ secret, body }) {
    const { module, sdk } = required("@shopify/shopify-api", "test-helpers");
    return { sdk, headers: { "X-Shopify-Hmac-Sha256": module.getHmac(body, secret) } };
  },
  // It builds the delivery, in the mode that the event's data names; the token beside it is anybody's to add.
  async cloudevents({ secret, body, id }) {
    const { module, sdk } = required("cloudevents");
    const data = JSON.parse(body);
    const event = new module.CloudEvent({ id, source: "/interop", type: "com.example.created", data });
    const message = module.HTTP[data.mode](event);
    return { sdk, headers: { ...message.headers, Authorization: `Bearer ${secret}` }, body: message.body };
  },
};

// These send through Svix, or sign as it does.
signers.clerk = signers.resend = signers.svix;
signers.openai = signers["standard-webhooks"];

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === "") continue;
  const request = JSON.parse(line);
  const { provider, headers } = request;
  const sign = signers[provider];
  if (!sign) {
    write({ provider, unsupported: true });
    continue;
  }
  const signed = await sign({ ...request, body: Buffer.from(request.body_base64, "base64").toString("utf8") });
  const body_base64 = signed.body === undefined ? undefined : Buffer.from(signed.body).toString("base64");
  write({ provider, sdk: signed.sdk, headers: { ...headers, ...signed.headers }, body_base64 });
}

function write(reply) {
  process.stdout.write(JSON.stringify(reply) + "\n");
}

/** A form as the SDK wants it: a repeated name becomes an array. */
function formParameters(body) {
  const parameters = {};
  for (const [name, value] of new URLSearchParams(body)) {
    const known = parameters[name];
    parameters[name] = known === undefined ? value : [].concat(known, value);
  }
  return parameters;
}

function boxHeaders(now_unix) {
  return {
    "box-delivery-timestamp": new Date(now_unix * 1000).toISOString(),
    "box-signature-algorithm": "HmacSHA256",
    "box-signature-version": "1",
  };
}

/**
 * Imports a package from WEBHOOKS_TEST_NODE_MODULES, which need not be above this file:
 * node itself looks for modules only there.
 */
async function load(name) {
  const folder = resolve(process.env.WEBHOOKS_TEST_NODE_MODULES, name);
  const manifest = JSON.parse(readFileSync(resolve(folder, "package.json"), "utf8"));
  const entry = manifest.exports ? resolve(folder, entryPoint(manifest.exports["."] ?? manifest.exports)) : require.resolve(folder);
  const module = await import(pathToFileURL(entry));
  return { module, sdk: `${name}@${manifest.version}` };
}

/** The same for packages that can be required, and for files in them. */
function required(name, file = "") {
  const folder = process.env.WEBHOOKS_TEST_NODE_MODULES;
  const manifest = JSON.parse(readFileSync(resolve(folder, name, "package.json"), "utf8"));
  const module = createRequire(resolve(folder, "beside.js"))(file ? `${name}/${file}` : name);
  return { module, sdk: `${name}@${manifest.version}` };
}

/** The file that a package's `exports` names for an `import` in node. */
function entryPoint(target) {
  if (typeof target === "string") return target;
  const condition = Object.keys(target).find((key) => ["node", "import", "default"].includes(key));
  return entryPoint(target[condition]);
}
