// A promise and what settles it, where Promise.withResolvers is not: the SDK also runs on Node.js 20.
// It must never do more than that.

/** A promise with its two ends. */
export interface Deferred<Value> {
  readonly promise: Promise<Value>;
  readonly resolve: (value: Value | PromiseLike<Value>) => void;
  readonly reject: (reason?: unknown) => void;
}

/** As `Promise.withResolvers()`. */
export function deferred<Value>(): Deferred<Value> {
  let ends: Pick<Deferred<Value>, "resolve" | "reject"> | undefined;
  const promise = new Promise<Value>((resolve, reject) => {
    ends = { resolve, reject };
  });
  return { promise, ...(ends as Pick<Deferred<Value>, "resolve" | "reject">) };
}
