// A `TelemetryService` as connect-node serves it. It prints its port, and then a line of JSON for every request that it
// has answered. The path of a request may begin with what goes wrong: `/small/throughline…`.

import http from "node:http";
import { create, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  RejectedEventSchema,
  ReportErrorRequestSchema,
  ReportEventRequestSchema,
  TelemetryService,
} from "./build/throughline/telemetry/v1/telemetry_pb.js";

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** Adds the service: `fault` says what goes wrong in its handlers. */
const routes = (fault) => (router) => {
  const answer = (schema, list) => (request, context) => {
    if (fault) {
      throw fault();
    }
    const rejected = request[list]
      .filter((event) => event.header.attributes.reject !== undefined)
      .map((event) => create(RejectedEventSchema, { eventId: event.header.eventId }));
    const encoding = context.requestHeader.get("content-encoding");
    const timeout = context.timeoutMs();
    print({ method: context.method.name, encoding, timeout, request: toJson(schema, request) });
    return { accepted: request[list].length - rejected.length, rejected };
  };
  router.service(TelemetryService, {
    reportEvent: answer(ReportEventRequestSchema, "events"),
    reportError: answer(ReportErrorRequestSchema, "errors"),
  });
};

const codes = Object.entries(Code).filter(([, code]) => typeof code === "number");
const faults = codes.map(([name, code]) => [name, { routes: routes(() => new ConnectError("no", code)) }]);
const kinds = Object.fromEntries([
  ["ok", { routes: routes(undefined) }],
  ["small", { routes: routes(undefined), readMaxBytes: 4096 }],
  ["hasty", { routes: routes(undefined), maxTimeoutMs: 5000 }],
  ["plain", { routes: routes(undefined), acceptCompression: [] }],
  ["strict", { routes: routes(undefined), requireConnectProtocolHeader: true }],
  ...faults,
]);

const adapters = Object.fromEntries(
  Object.entries(kinds).map(([kind, options]) => [
    kind,
    connectNodeAdapter({ ...options, requestPathPrefix: `/${kind}` }),
  ]),
);

const server = http.createServer((request, response) => {
  const adapter = adapters[request.url.split("/")[1]] ?? adapters.ok;
  adapter(request, response);
});
server.listen(0, "127.0.0.1", () => print({ port: server.address().port }));
// It ends with the test.
process.stdin.resume().on("end", () => process.exit());
