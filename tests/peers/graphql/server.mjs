// A GraphQL server from a schema file, which answers any valid query with mocked values: node server.mjs PORT SCHEMA
import fs from 'node:fs';
import http from 'node:http';
import { addMocksToSchema } from '@graphql-tools/mock';
import { makeExecutableSchema } from '@graphql-tools/schema';
import { isScalarType, isSpecifiedScalarType } from 'graphql';
import { createYoga } from 'graphql-yoga';

const [port, file] = process.argv.slice(2);
const schema = makeExecutableSchema({ typeDefs: fs.readFileSync(file, 'utf8') });
// One page only, and a value for each scalar of the schema's own.
const mocks = { Boolean: () => false, Int: () => 2 };
for (const type of Object.values(schema.getTypeMap())) {
  if (isScalarType(type) && !isSpecifiedScalarType(type)) {
    mocks[type.name] = () => (/time/i.test(type.name) ? '2026-03-01T10:00:00Z' : 'mocked');
  }
}
const yoga = createYoga({ schema: addMocksToSchema({ schema, mocks }), logging: false, maskedErrors: false });
http.createServer(yoga).listen(Number(port), '127.0.0.1');
