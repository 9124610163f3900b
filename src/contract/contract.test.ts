import { expect, test } from "bun:test";
import { z } from "zod";
import { OperonError } from "../error.ts";
import { capability, type Handlers } from "./capability.ts";
import { bytes, operation, values } from "./operation.ts";
import { Registry } from "./registry.ts";

const operations = {
  greet: operation({
    summary: "Greet someone",
    effect: "read",
    input: z.strictObject({ name: z.string() }),
    output: z.strictObject({ text: z.string() }),
    errors: { rude: { kind: "invalid_argument", message: "That is no name" } },
    resource: ({ name }) => `greeting:${name}`,
  }),
  count: operation({
    summary: "Count up",
    effect: "read",
    input: z.strictObject({ to: z.int() }),
    sends: values(z.int()),
    output: z.strictObject({ total: z.int() }),
    resource: () => "greeting:count",
  }),
  both: operation({
    summary: "Echo on two channels",
    effect: "execute",
    input: z.strictObject({}),
    sends: bytes(["stdout", "stderr"]),
    receives: bytes(),
    output: z.strictObject({}),
    resource: () => "greeting:both",
  }),
  take: operation({
    summary: "Take bytes",
    effect: "write",
    input: z.strictObject({}),
    receives: bytes(),
    output: z.strictObject({ size_bytes: z.int() }),
    resource: () => "greeting:take",
  }),
};

const handlers: Handlers<typeof operations> = {
  async greet({ name }, call) {
    if (name === "") throw call.fail("rude");
    return { text: `Hello ${name}` };
  },
  async *count({ to }) {
    for (let n = 1; n <= to; n++) yield n;
    return { total: to };
  },
  async *both(_input, call) {
    for await (const chunk of call.incoming) yield { channel: "stdout", bytes: chunk };
    return {};
  },
  async take(_input, call) {
    let size_bytes = 0;
    for await (const chunk of call.incoming) size_bytes += chunk.byteLength;
    return { size_bytes };
  },
};

test("the compiler refuses a missing handler", () => {
  // @ts-expect-error `take` has no handler
  const incomplete: Handlers<typeof operations> = {
    greet: handlers.greet,
    count: handlers.count,
    both: handlers.both,
  };
  expect(incomplete).toBeDefined();
});

test("the compiler refuses an undeclared error", () => {
  const wrong: Handlers<typeof operations> = {
    ...handlers,
    async greet(_input, call) {
      // @ts-expect-error `polite` is not declared
      throw call.fail("polite");
    },
  };
  expect(wrong).toBeDefined();
});

test("the compiler refuses a wrong output", () => {
  const wrong: Handlers<typeof operations> = {
    ...handlers,
    // @ts-expect-error `text` is a string
    async greet() {
      return { text: 1 };
    },
  };
  expect(wrong).toBeDefined();
});

test("the compiler refuses a wrong chunk and an unknown channel", () => {
  const wrong: Handlers<typeof operations> = {
    ...handlers,
    // @ts-expect-error `stdlog` is no channel
    async *both() {
      yield { channel: "stdlog", bytes: new Uint8Array() };
      return {};
    },
  };
  expect(wrong).toBeDefined();
});

test("the compiler refuses a service the capability did not ask for", () => {
  capability({
    id: "greeting",
    summary: "Greets",
    operations: { greet: operations.greet },
    handlers: {
      async greet(_input, call) {
        // @ts-expect-error `audit` is not in `needs`
        call.services.audit;
        return { text: "" };
      },
    },
  });
  expect(true).toBeTrue();
});

test("Registry refuses two operations of one id", () => {
  const one = capability({ id: "greeting", summary: "Greets", operations, handlers });
  expect(() => new Registry([one, one])).toThrow(OperonError);
});

test("Registry refuses an ill-formed capability id", () => {
  const one = capability({ id: "../x", summary: "Greets", operations, handlers });
  expect(() => new Registry([one])).toThrow("cannot name");
});

test("Registry describes operations as plain JSON", () => {
  const described = new Registry([
    capability({ id: "greeting", summary: "Greets", operations, handlers }),
  ]).describe();
  expect(JSON.parse(JSON.stringify(described))).toEqual(described as never);
  expect(described[0]?.operations.map((o) => o.id)).toEqual([
    "greeting.greet",
    "greeting.count",
    "greeting.both",
    "greeting.take",
  ]);
});
