// A certified OpenID provider (npm's oidc-provider) that issues JWT access tokens to one client, and whose keys can be
// swapped while it runs. See tests/real/oidc-provider.sh.
//
//   node provider.mjs keys DIRECTORY GENERATION     makes one private key for each algorithm, as JWK, mode 0600
//   node provider.mjs serve CONFIG.json             until it is killed
//
// The configuration: { port, control, tls: { key, cert } | null, log, client: { id, secret }, tenants: [{ mount, issuer,
// keys: [DIRECTORY/GENERATION], metadata: "openid" | "oauth" }] }. The first of `keys` signs; all are published.
// POST /reload on the loopback port `control` reads the file again and puts new providers behind the same listener: the
// library itself cannot change its keys. Every answer is a line of JSON in `log`: { begin, end, path, status }, in ms.

import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';

const KINDS = {
  RS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  EdDSA: ['ed25519', {}],
};

function makeKeys(directory, generation) {
  for (const [alg, [type, options]] of Object.entries(KINDS)) {
    const jwk = crypto.generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' });
    const file = path.join(directory, `${generation}.${alg}.json`);
    // Two directories have keys with the same kids: issuers that cannot be told apart by them.
    const key = { ...jwk, kid: `${alg}-${path.basename(generation)}`, alg, use: 'sig' };
    fs.writeFileSync(file, JSON.stringify(key), { mode: 0o600, flag: 'wx' });
  }
}

function readKeys(generations) {
  const files = generations.flatMap((generation) => Object.keys(KINDS).map((alg) => `${generation}.${alg}.json`));
  return { keys: files.map((file) => JSON.parse(fs.readFileSync(file, 'utf8'))) };
}

// A resource says what its tokens are like: urn:test:ES256:600:api is signed with ES256, lives 600 s, and is for `api`.
function resourceServer(_context, resource) {
  const [, , alg, seconds, audience] = resource.split(':');
  return {
    audience,
    scope: 'read write',
    accessTokenTTL: Number(seconds),
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg } },
  };
}

function makeProvider(Provider, tenant, client) {
  return new Provider(tenant.issuer, {
    jwks: readKeys(tenant.keys),
    clients: [{
      client_id: client.id,
      client_secret: client.secret,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      scope: 'read write',
    }],
    scopes: ['read', 'write'],
    ttl: { ClientCredentials: (_context, token) => token.resourceServer.accessTokenTTL },
    extraTokenClaims: () => ({ roles: ['ops', 'a,b'] }),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: { enabled: true, getResourceServerInfo: resourceServer },
    },
  });
}

const OPENID = '/.well-known/openid-configuration';
const OAUTH = '/.well-known/oauth-authorization-server';

// What the tenant's provider is to see of a path, or nothing. RFC 8414 §3.1 puts its name before the issuer's path.
function within(tenant, target) {
  if (tenant.metadata === 'oauth') {
    if (target === `${OAUTH}${tenant.mount}`) return OAUTH;
    if (target.endsWith(OPENID)) return undefined;
  }
  return target.startsWith(`${tenant.mount}/`) ? target.slice(tenant.mount.length) : undefined;
}

function handler(Provider, config) {
  const answering = (tenant) => ({ ...tenant, answer: makeProvider(Provider, tenant, config.client).callback() });
  const tenants = config.tenants.map(answering);
  tenants.sort((a, b) => b.mount.length - a.mount.length);
  return (request, response) => {
    for (const tenant of tenants) {
      const target = within(tenant, request.url);
      if (target !== undefined) {
        // As behind any router: what the provider makes URLs from.
        request.originalUrl = tenant.mount + target;
        request.url = target;
        tenant.answer(request, response);
        return;
      }
    }
    response.writeHead(404).end();
  };
}

async function serve(file) {
  // What the library takes for granted, and Node.js 18, which is in Debian 12, does not have.
  globalThis.crypto ??= crypto.webcrypto;
  URL.parse ??= (text, base) => (URL.canParse(text, base) ? new URL(text, base) : null);
  const { default: Provider } = await import('oidc-provider');

  const read = () => JSON.parse(fs.readFileSync(file, 'utf8'));
  const config = read();
  let answer = handler(Provider, config);
  const log = fs.openSync(config.log, 'a');
  const logged = (request, response) => {
    const begin = Date.now();
    const { url } = request;
    response.on('close', () => {
      const line = { begin, end: Date.now(), path: url, status: response.writableFinished ? response.statusCode : 0 };
      fs.writeSync(log, `${JSON.stringify(line)}\n`);
    });
    answer(request, response);
  };
  const server = config.tls
    ? https.createServer({ key: fs.readFileSync(config.tls.key), cert: fs.readFileSync(config.tls.cert) }, logged)
    : http.createServer(logged);
  server.listen(config.port, '127.0.0.1');

  http.createServer((request, response) => {
    if (request.method !== 'POST' || request.url !== '/reload') {
      response.writeHead(404).end();
      return;
    }
    answer = handler(Provider, read());
    response.end('reloaded\n');
  }).listen(config.control, '127.0.0.1');
}

const [command, ...rest] = process.argv.slice(2);
if (command === 'keys' && rest.length === 2) makeKeys(...rest);
else if (command === 'serve' && rest.length === 1) await serve(...rest);
else throw new Error('keys DIRECTORY GENERATION, or serve CONFIG.json');
