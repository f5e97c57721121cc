// Signs deliveries with the vendors' own npm packages.
//
// stdin, one JSON object a line:
//   {"provider", "secret", "method", "url", "headers", "body_base64", "now_unix", "id"}
// stdout, one a line, in the same order:
//   {"provider", "sdk": "name@version", "headers": {…}}   the headers given plus the signature's
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
};

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
  write({ provider, sdk: signed.sdk, headers: { ...headers, ...signed.headers } });
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

/** The file that a package's `exports` names for an `import` in node. */
function entryPoint(target) {
  if (typeof target === "string") return target;
  const condition = Object.keys(target).find((key) => ["node", "import", "default"].includes(key));
  return entryPoint(target[condition]);
}
