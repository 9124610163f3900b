// 200-byte unary calls over one grpc-js channel with TLS, in Node.
import { readFileSync } from "node:fs";
import { credentials, makeClientConstructor } from "@grpc/grpc-js";
import { service } from "./grpc_service.mjs";
import { takeOrders, timeCalls } from "./orders.mjs";

const [port, certificate] = process.argv.slice(2);
const Client = makeClientConstructor(service, "bench.Echo");
const client = new Client(`127.0.0.1:${port}`, credentials.createSsl(readFileSync(certificate)), {
  "grpc.ssl_target_name_override": "localhost",
});
const message = Buffer.alloc(200, 7);
const call = () =>
  new Promise((resolve, reject) => {
    client.call(message, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
await call();
await takeOrders((order) => timeCalls(call, order));
