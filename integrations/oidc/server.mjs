// A real authorization server on loopback, as strict as they come: refresh tokens rotate, and one presented twice ends the
// grant. It prints its issuer when it listens. CODE_TTL and ACCESS_TTL are seconds.
import { createServer } from 'node:http';
import Provider, { errors } from 'oidc-provider';

const seconds = (name, usual) => Number(process.env[name] ?? usual);
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'cli',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
      response_types: [],
      redirect_uris: [],
    }],
    features: {
      deviceFlow: { enabled: true },
      revocation: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'urn:api',
        getResourceServerInfo: (_context, resource) => {
          if (!resource.startsWith('urn:')) throw new errors.InvalidTarget();
          return { scope: 'openid email offline_access', audience: resource, accessTokenFormat: 'jwt' };
        },
        useGrantedResource: () => true,
      },
    },
    claims: { email: ['email'] },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, email: `${id}@acme.dev` }) }),
    rotateRefreshToken: true,
    conformIdTokenClaims: false, // the e-mail address in the ID token, as most servers have it
    ttl: {
      DeviceCode: seconds('CODE_TTL', 300), AccessToken: seconds('ACCESS_TTL', 300), IdToken: seconds('ACCESS_TTL', 300),
      RefreshToken: 3600, Grant: 3600, Session: 3600, Interaction: 600,
    },
    cookies: { keys: ['loopback only'] },
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
