// One real flow through the official Node SDK, unmodified: its host is a constructor's argument.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_FOLDER}/package.json`);
const { FusionAuthClient } = require("@fusionauth/typescript-client");

const { FUSIONAUTH_KEY, FUSIONAUTH_URL, APPLICATION_ID, EMAIL } = process.env;
const client = new FusionAuthClient(FUSIONAUTH_KEY, FUSIONAUTH_URL);
const refused = (error) => ({ statusCode: error.statusCode, exception: error.exception });

const told = {};
const registration = { applicationId: APPLICATION_ID, roles: ["user"] };
told.registered = (await client.register(undefined, { user: { email: EMAIL }, registration })).response;
const started = await client.startPasswordlessLogin({
  applicationId: APPLICATION_ID,
  loginId: EMAIL,
  state: { cart: 7 },
});
told.sent = (await client.sendPasswordlessCode({ code: started.response.code })).statusCode;
const login = { code: started.response.code, applicationId: APPLICATION_ID };
const done = await client.passwordlessLogin(login);
told.login = { statusCode: done.statusCode, ...done.response };
told.validated = (await client.validateJWT(done.response.token)).response;
told.refreshed = (await client.exchangeRefreshTokenForJWT({ refreshToken: done.response.refreshToken })).response;
told.usedTwice = await client.passwordlessLogin(login).catch(refused);
told.badRequest = await client.startPasswordlessLogin({}).catch(refused);
told.badKey = await new FusionAuthClient("garbage", FUSIONAUTH_URL).retrieveUserByEmail(EMAIL).catch(refused);
process.stdout.write(JSON.stringify(told));
