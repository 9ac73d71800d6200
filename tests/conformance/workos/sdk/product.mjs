// A product on WorkOS's Node SDK: each function is one thing that it does. Speaks JSON lines as `sdk_driver.py` does.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.env.NODE_FOLDER}/package.json`);
const { WorkOS } = require("@workos-inc/node");

const base = new URL(process.env.BASE_URL);
const clientId = process.env.CLIENT_ID;
const workos = new WorkOS(process.env.API_KEY, {
  apiHostname: base.hostname,
  https: base.protocol === "https:",
  port: Number(base.port),
  clientId,
});

const functions = {
  createSession: (asked) => workos.passwordless.createSession({ type: "MagicLink", ...asked }),
  sendSession: ({ id }) => workos.passwordless.sendSession(id),
  getProfileAndToken: ({ code }) => workos.sso.getProfileAndToken({ code, clientId }),
  getProfile: ({ accessToken }) => workos.sso.getProfile({ accessToken }),
  createMagicAuth: (asked) => workos.userManagement.createMagicAuth(asked),
  authenticate: (asked) => workos.userManagement.authenticateWithMagicAuth({ clientId, ...asked }),
  refresh: (asked) => workos.userManagement.authenticateWithRefreshToken({ clientId, ...asked }),
  listUsers: async (asked) => (await workos.userManagement.listUsers(asked)).data,
  constructEvent: ({ body, signature, secret }) =>
    workos.webhooks.constructEvent({ payload: JSON.parse(body), sigHeader: signature, secret }),
};

async function run({ call, args }) {
  try {
    return { result: await functions[call](args) };
  } catch (error) {
    const { status, code, requestID, rawData } = error;
    const fields = { status, code, error: error.error, requestID, rawData };
    return { error: { type: error.constructor.name, bases: [], text: String(error), fields, trace: error.stack } };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const told = await run(asked);
  process.stdout.write(`${JSON.stringify({ id: asked.id, ...told })}\n`);
}
