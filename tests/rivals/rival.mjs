// Verifies and decodes one request again and again with its vendor's npm package.
// Arguments: the package, how often. stdin: the request. stdout: nanoseconds each.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const modules = process.env.WEBHOOKS_TEST_NODE_MODULES;
const require = createRequire(import.meta.url);

async function load(name) {
  const folder = resolve(modules, name);
  const { exports } = JSON.parse(readFileSync(resolve(folder, "package.json"), "utf8"));
  const entry = exports ? resolve(folder, entryPoint(exports["."] ?? exports)) : require.resolve(folder);
  return await import(pathToFileURL(entry));
}

/** The file that a package's `exports` names for an `import` in node. */
function entryPoint(target) {
  if (typeof target === "string") return target;
  const condition = Object.keys(target).find((key) => ["node", "import", "default"].includes(key));
  return entryPoint(target[condition]);
}

const rivals = {
  async stripe({ body, signature, secret }) {
    const Stripe = (await load("stripe")).default;
    const stripe = new Stripe("sk_test_unused");
    return () => stripe.webhooks.constructEvent(body, signature, secret).id;
  },
  async "@octokit/webhooks-methods"({ body, signature, secret }) {
    const { verify } = await load("@octokit/webhooks-methods");
    return async () => (await verify(secret, body, signature)) && JSON.parse(body);
  },
  async "@octokit/webhooks"({ body, headers, signature, secret }) {
    const { Webhooks } = await load("@octokit/webhooks");
    const webhooks = new Webhooks({ secret });
    let heard;
    webhooks.on("push", ({ payload }) => { heard = payload.country; });
    const id = Object.fromEntries(headers)["x-github-delivery"];
    return async () => {
      heard = undefined;
      await webhooks.verifyAndReceive({ id, name: "push", payload: body, signature });
      return heard;
    };
  },
  async standardwebhooks({ body, headers, secret }) {
    const { Webhook } = await load("standardwebhooks");
    const webhook = new Webhook(secret);
    const given = Object.fromEntries(headers);
    return () => webhook.verify(body, given).type;
  },
};

const request = JSON.parse(readFileSync(0, "utf8"));
const [, , name, times] = process.argv;
const count = Number(times);
const receive = await rivals[name](request);
// As compiled as it gets before it is timed.
for (let i = 0; i < count / 4; i++) if (!(await receive())) throw new Error("refused");
const began = process.hrtime.bigint();
for (let i = 0; i < count; i++) if (!(await receive())) throw new Error("refused");
console.log(Number(process.hrtime.bigint() - began) / count);
