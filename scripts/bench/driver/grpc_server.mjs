// A grpc-js server with TLS, in Node.
import { readFileSync } from "node:fs";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { service } from "./grpc_service.mjs";

const [certificate, key] = process.argv.slice(2);
const credentials = ServerCredentials.createSsl(null, [
  { cert_chain: readFileSync(certificate), private_key: readFileSync(key) },
]);
const server = new Server();
server.addService(service, { call: (call, reply) => reply(null, call.request) });
server.bindAsync("127.0.0.1:0", credentials, (error, port) => {
  if (error) throw error;
  process.stdout.write(`${JSON.stringify({ port })}\n`);
});
