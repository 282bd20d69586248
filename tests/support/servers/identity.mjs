// A real identity provider for tests (oidc-provider, OpenID Certified) on http://localhost:PORT: whoever types a name at its
// door is that subject; where one is given on the command line, everybody is that one without being asked.
//
//   node identity.mjs PORT REDIRECT-ADDRESS CLIENT-SECRET [SUBJECT], in a directory whose node_modules hold oidc-provider

import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [port, redirect, secret, subject] = process.argv.slice(2);
const require = createRequire(path.join(process.cwd(), 'package.json'));
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

const provider = new Provider(`http://localhost:${port}`, {
  clients: [{ client_id: 'station 1', client_secret: secret, redirect_uris: [redirect], grant_types: ['authorization_code'], response_types: ['code'] }],
  features: { devInteractions: { enabled: false } },
  pkce: { required: () => true },
  cookies: { keys: ['of tests'] },
  findAccount: (_, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  interactions: { url: (_, interaction) => `/door/${interaction.uid}` },
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope('openid profile');
    await grant.save();
    return grant;
  },
});
provider.on('server_error', (_, error) => console.error(error));

const form = `<!doctype html><html lang="en"><title>Identity provider</title><h1>Identity provider</h1>
<form method="post"><label>Who are you? <input name="who" autofocus></label><button>Go on</button><button name="no" value="1">No</button></form></html>`;

async function door(request, response) {
  if (request.method === 'GET' && !subject) return response.setHeader('content-type', 'text/html').end(form);
  let body = '';
  for await (const chunk of request) body += chunk;
  const typed = new URLSearchParams(body);
  const result = typed.get('no') ? { error: 'access_denied' } : { login: { accountId: subject ?? typed.get('who') } };
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

const serve = provider.callback();
http.createServer((request, response) => {
  if (!request.url.startsWith('/door/')) return serve(request, response);
  return door(request, response).catch((error) => response.writeHead(500).end(String(error)));
}).listen(Number(port), '127.0.0.1');
