// Lets a published client make calls for a test: reads one call in JSON from each line of its input, prints what came of it as one line.
//
//     node driver.js ADAPTER MODULES OPTIONS
//
// ADAPTER is a file, MODULES the folder of packages that holds the client, OPTIONS what the adapter wants to know, in JSON. A call is
// {"do": "request", …}, or what else the adapter can do. An answer is {"status": 200, "content": …}; what the client did not show of the
// status is null.

const path = require("node:path");
const readline = require("node:readline");
const { createRequire } = require("node:module");

const [, , name, modules, options] = process.argv;
const load = createRequire(path.join(modules, "index.js"));
const adapter = require(path.resolve(name))({ load, ...JSON.parse(options) });

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
