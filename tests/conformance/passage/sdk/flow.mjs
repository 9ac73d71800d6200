// One real flow through the official Node SDK, unmodified: `fetchApi` is its own constructor's option.
// JWTs are not validated here: the SDK's JWKS address is fixed (VENDORS §0.2).
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_FOLDER}/package.json`);
const { default: Passage, PassageError } = require("@passageidentity/passage-node");

const vendor = "https://api.passage.id";
const passage = new Passage({
  appID: process.env.PASSAGE_APP_ID,
  apiKey: process.env.PASSAGE_API_KEY,
  fetchApi: (url, init) => fetch(url.replace(vendor, process.env.PASSAGE_BASE_URL), init),
});

const told = {};
const user = await passage.user.create({ email: process.env.EMAIL, user_metadata: { plan: "pro" } });
told.user = user;
told.found = await passage.user.getByIdentifier(process.env.EMAIL.toUpperCase());
told.app = await passage.getApp();
told.magicLink = await passage.auth.createMagicLink(
  { userId: user.id, channel: "email", type: "login", send: false },
  { redirectUrl: "/reports/1", ttl: 30 },
);
told.devices = await passage.user.listDevices(user.id);
told.refusal = await passage.user.get("nobody").catch((error) => ({
  isPassageError: error instanceof PassageError,
  errorCode: error.errorCode,
  statusCode: error.statusCode,
}));
told.signedOut = await passage.user.revokeRefreshTokens(user.id);
told.deleted = await passage.user.delete(user.id);
process.stdout.write(JSON.stringify(told));
