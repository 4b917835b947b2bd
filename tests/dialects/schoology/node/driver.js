// Lets a published client make calls for a test: reads one call in JSON from each line of its input, prints what came of it as one line.
//
//     node driver.js ADAPTER MODULES KEY SECRET BASE [TOKEN TOKEN_SECRET]
//
// MODULES is the folder of packages that holds the client, BASE the address of the server without a path. A call is
// {"do": "request", "verb": "GET", "path": "/messages/inbox", "body": {…}}, or what else the adapter can do. An answer is
// {"status": 200, "content": …}; what the client did not show of the status is null.

const path = require("node:path");
const readline = require("node:readline");
const { createRequire } = require("node:module");

const [, , name, modules, key, secret, base, token, tokenSecret] = process.argv;
const load = createRequire(path.join(modules, "index.js"));
const adapter = require(`./${name}.js`)({ load, key, secret, base, token, tokenSecret });

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const call = JSON.parse(line);
    let told;
    try {
      told = await adapter[call.do](call);
    } catch (error) {
      told = { failure: String(error.stack ?? error) };
    }
    process.stdout.write(JSON.stringify(told) + "\n");
  }
}

main();
