// The vendor's own browser library, unmodified, in Node with what it wants of a browser. Its host is fixed, so requests to it
// are led to ours, as a name in the hosts file would; nothing else goes anywhere.
import { createRequire } from "node:module";

const vendor = "https://auth.passage.id";
const page = new URL(process.env.LINK_URL);
const kept = new Map();
const led = globalThis.fetch;

globalThis.location = page;
globalThis.window = { location: page, isSecureContext: true };
globalThis.document = { cookie: "" };
globalThis.localStorage = {
  getItem: (name) => kept.get(name) ?? null,
  setItem: (name, value) => kept.set(name, String(value)),
  removeItem: (name) => kept.delete(name),
};
globalThis.fetch = async (url, init) => {
  if (!String(url).startsWith(vendor)) return new Response(null, { status: 204 });
  const headers = { ...init.headers, Origin: page.origin };
  return led(String(url).replace(vendor, process.env.PASSAGE_BASE_URL), { ...init, headers });
};

const require = createRequire(`${process.env.NODE_FOLDER}/package.json`);
const { Passage, PassageError } = require("@passageidentity/passage-js");
const passage = new Passage(process.env.PASSAGE_APP_ID);

const refusal = (error) => ({
  isPassageError: error instanceof PassageError,
  statusCode: error.statusCode,
  message: error.message,
});

const told = {};
const text = page.searchParams.get("psg_magic_link");
const [, id] = text.split(".");
told.early = await passage.magicLink.status(id).catch(refusal);
told.activated = await passage.magicLink.activate(text);
told.isSignedIn = await passage.session.authGuard();
told.again = await passage.magicLink.activate(text).catch(refusal);
told.refreshed = await passage.session.refresh();
told.waited = await passage.magicLink.status(id);
told.app = await passage.app.info();
told.signedOut = await passage.session.signOut();
told.kept = [...kept.keys()];
process.stdout.write(JSON.stringify(told));
