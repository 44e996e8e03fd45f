// A client of the local issuer, written with npm's oauth4webapi and jose. See tests/real/oauth-client.sh.
//
//   node client.mjs          reads { issuer, audience, alg, api, user, password, client: { id, secret } } from its input,
//                            and prints a line of JSON for each row: { name, ok, seen }

import fs from 'node:fs';

import * as jose from 'jose';
import * as oauth from 'oauth4webapi';

const given = JSON.parse(fs.readFileSync(0, 'utf8'));
const issuer = new URL(given.issuer);
const machine = { client_id: given.client.id };
const basic = oauth.ClientSecretBasic(given.client.secret);
const firstParty = { client_id: 'portcullis' };

function row(name, ok, seen) {
  console.log(JSON.stringify({ name, ok: Boolean(ok), seen: seen === undefined ? '' : seen }));
}

// The library throws where an answer is not as the standard has it: then the row has failed, and says so.
async function attempt(name, work) {
  try {
    const seen = await work();
    row(name, true);
    return seen;
  } catch (error) {
    row(name, false, `${error.name}: ${error.message} ${error.error ?? ''} ${JSON.stringify(error.cause ?? '')}`);
    throw error;
  }
}

// By the body (RFC 6749), by the challenge (RFC 6750), or by the body beside a challenge that has none (Basic).
async function codeOf(error) {
  if (error instanceof oauth.ResponseBodyError) return error.error;
  if (!(error instanceof oauth.WWWAuthenticateChallengeError)) return `${error.name}: ${error.message}`;
  return error.cause[0].parameters.error ?? (await error.response.json()).error;
}

// What is refused as the standard says: its error code.
async function refused(name, wanted, work) {
  try {
    row(name, false, await work());
  } catch (error) {
    const seen = await codeOf(error);
    row(`${name}: ${wanted}`, seen === wanted, seen);
  }
}

async function discover() {
  const answer = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2' });
  row('metadata may be cached', /max-age=\d+/.test(answer.headers.get('cache-control') ?? ''), answer.headers.get('cache-control'));
  const server = await oauth.processDiscoveryResponse(issuer, answer);
  const wanted = ['token_endpoint', 'jwks_uri', 'revocation_endpoint', 'introspection_endpoint', 'grant_types_supported', 'response_types_supported'];
  const missing = wanted.filter((name) => server[name] === undefined);
  row('metadata names what there is', missing.length === 0, missing);
  row('metadata names no endpoint that is not there', server.authorization_endpoint === undefined, server);
  const again = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oidc' }));
  row('the same document where OpenID clients look', JSON.stringify(again) === JSON.stringify(server), again);
  return server;
}

const keySet = (server) => jose.createRemoteJWKSet(new URL(server.jwks_uri));

async function verified(server, token) {
  const { payload, protectedHeader } = await jose.jwtVerify(token, keySet(server), {
    issuer: given.issuer, audience: given.audience, typ: 'at+jwt', algorithms: [given.alg],
    requiredClaims: ['sub', 'client_id', 'iat', 'exp', 'jti'],
  });
  // The other library has the rules of RFC 9068.
  const call = new Request(given.api, { headers: { authorization: `Bearer ${token}` } });
  await oauth.validateJwtAccessToken(server, call, given.audience, { signingAlgorithms: [given.alg] });
  if (!protectedHeader.kid) throw new Error('no kid');
  return payload;
}

async function credentials(server, authentication) {
  const answer = await oauth.clientCredentialsGrantRequest(server, machine, authentication, { scope: 'read' });
  return oauth.processClientCredentialsResponse(server, machine, answer);
}

async function refresh(server, token) {
  const answer = await oauth.refreshTokenGrantRequest(server, firstParty, oauth.None(), token);
  return oauth.processRefreshTokenResponse(server, firstParty, answer);
}

async function introspect(server, token) {
  const answer = await oauth.introspectionRequest(server, machine, basic, token);
  return oauth.processIntrospectionResponse(server, machine, answer);
}

async function revoke(server, client, authentication, token) {
  await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, authentication, token));
}

const call = (token) => oauth.protectedResourceRequest(token, 'GET', new URL(given.api));

async function signIn() {
  const answer = await fetch(`${given.issuer}/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: given.user, password: given.password }),
  });
  if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
}

async function asMachine(server) {
  const token = await attempt('client_credentials, by Basic', () => credentials(server, basic));
  await attempt('client_credentials, by the form', () => credentials(server, oauth.ClientSecretPost(given.client.secret)));
  row('its scope is what was asked for', token.scope === undefined || token.scope === 'read', token.scope);
  row('no refresh token for a machine', token.refresh_token === undefined);
  const claims = await attempt(`jose and oauth4webapi verify it: ${given.alg}`, () => verified(server, token.access_token));
  row('its sub is the client', claims.sub === machine.client_id && claims.client_id === machine.client_id, claims);
  row('it expires as was said', Math.abs(claims.exp - claims.iat - token.expires_in) <= 1, token.expires_in);
  await attempt('the API admits it', () => call(token.access_token));
  const seen = await attempt('introspection', () => introspect(server, token.access_token));
  row('introspection says what the token says', seen.active && seen.jti === claims.jti && seen.exp === claims.exp && seen.scope === 'read', seen);
  await attempt('revocation', () => revoke(server, machine, basic, token.access_token));
  await refused('the API refuses it with the next request', 'invalid_token', () => call(token.access_token));
  const after = await introspect(server, token.access_token);
  row('introspection says that it is not active, and no more', JSON.stringify(after) === '{"active":false}', after);
  const junk = await introspect(server, 'junk');
  row('introspection says the same of junk', JSON.stringify(junk) === '{"active":false}', junk);
  await attempt('revocation of junk is no error', () => revoke(server, machine, basic, 'junk'));
  await refused('a wrong secret', 'invalid_client', () => credentials(server, oauth.ClientSecretBasic('not the secret of this client')));
  await refused('an unknown grant', 'unsupported_grant_type', async () => {
    const answer = await oauth.genericTokenEndpointRequest(server, machine, basic, 'urn:example:grant', {});
    return oauth.processGenericTokenEndpointResponse(server, machine, answer);
  });
  await refused('a scope that it has not', 'invalid_scope', async () => {
    const answer = await oauth.clientCredentialsGrantRequest(server, machine, basic, { scope: 'everything' });
    return oauth.processClientCredentialsResponse(server, machine, answer);
  });
}

async function asUser(server) {
  const first = await attempt('signs in', signIn);
  const claims = await attempt(`jose and oauth4webapi verify it: ${given.alg}, of a user`, () => verified(server, first.access_token));
  row('it says of which session', typeof claims.sid === 'string' && claims.client_id === 'portcullis', claims);
  await attempt('the API admits it, too', () => call(first.access_token));
  const second = await attempt('refresh, without a password', () => refresh(server, first.refresh_token));
  row('the refresh token is another', second.refresh_token !== first.refresh_token);
  const renewed = await attempt('jose and oauth4webapi verify what it gave', () => verified(server, second.access_token));
  row('the session is the same, the token is not', renewed.sid === claims.sid && renewed.jti !== claims.jti, renewed);
  const seen = await introspect(server, second.refresh_token);
  row('introspection of another\'s refresh token says nothing', seen.active === false, seen);
  await refused('a refresh token is no access token', 'invalid_token', () => call(second.refresh_token));
  await refused('an access token is no refresh token', 'invalid_grant', () => refresh(server, second.access_token));
  await attempt('revocation of the refresh token', () => revoke(server, firstParty, oauth.None(), second.refresh_token));
  await refused('it is refused', 'invalid_grant', () => refresh(server, second.refresh_token));
  await refused('and its access token with it', 'invalid_token', () => call(second.access_token));
}

async function reuse(server) {
  const first = await signIn();
  const second = await refresh(server, first.refresh_token);
  const third = await refresh(server, second.refresh_token);
  await refused('a refresh token that was used, and its successor too', 'invalid_grant', () => refresh(server, first.refresh_token));
  await refused('has ended the family', 'invalid_grant', () => refresh(server, third.refresh_token));
  await refused('and its access token', 'invalid_token', () => call(third.access_token));
}

const server = await attempt('discovery, RFC 8414', discover);
await asMachine(server);
await asUser(server);
await reuse(server);
