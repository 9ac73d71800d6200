// A product on `stytch` 14 for Node, unmodified: one call a line on stdin, `{method, args}`, one answer a line on stdout.
import { createInterface } from "node:readline";
import stytch from "stytch";

const client = new stytch.Client({
  project_id: process.env.STYTCH_PROJECT_ID,
  secret: process.env.STYTCH_SECRET,
  env: process.env.STYTCH_BASE_URL,
});

for await (const line of createInterface({ input: process.stdin })) {
  const { method, args } = JSON.parse(line);
  const path = method.split(".");
  const name = path.pop();
  const owner = path.reduce((found, part) => found[part], client);
  try {
    process.stdout.write(JSON.stringify({ result: await owner[name](args) }) + "\n");
  } catch (error) {
    process.stdout.write(JSON.stringify({ error: { ...error, kind: error.constructor.name } }) + "\n");
  }
}
