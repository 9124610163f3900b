// The one error class of operon and what its `kind` decides: exit code, HTTP status, retryability.
// It must never carry a secret: `message`, `hint` and `data` travel to the peer, `cause` stays local.
// Next: each folder raises its own `<owner>.<name>` codes; contract/operation.ts declares those of capabilities.

/** gRPC's closed list of status codes, which alone decides how a caller reacts to an error. */
export const ERROR_KINDS = [
  "cancelled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
  "unauthenticated",
] as const;

/** One of {@link ERROR_KINDS}. */
export type ErrorKind = (typeof ERROR_KINDS)[number];

interface KindFacts {
  readonly exitCode: number;
  readonly httpStatus: number;
  readonly retryable: boolean;
}

const KIND_FACTS: Record<ErrorKind, KindFacts> = {
  cancelled: { exitCode: 130, httpStatus: 499, retryable: false },
  unknown: { exitCode: 1, httpStatus: 500, retryable: false },
  invalid_argument: { exitCode: 2, httpStatus: 400, retryable: false },
  deadline_exceeded: { exitCode: 124, httpStatus: 504, retryable: false },
  not_found: { exitCode: 3, httpStatus: 404, retryable: false },
  already_exists: { exitCode: 4, httpStatus: 409, retryable: false },
  permission_denied: { exitCode: 5, httpStatus: 403, retryable: false },
  resource_exhausted: { exitCode: 6, httpStatus: 429, retryable: true },
  failed_precondition: { exitCode: 7, httpStatus: 412, retryable: false },
  aborted: { exitCode: 8, httpStatus: 409, retryable: true },
  out_of_range: { exitCode: 9, httpStatus: 416, retryable: false },
  unimplemented: { exitCode: 10, httpStatus: 501, retryable: false },
  internal: { exitCode: 70, httpStatus: 500, retryable: false },
  unavailable: { exitCode: 255, httpStatus: 503, retryable: true },
  data_loss: { exitCode: 74, httpStatus: 500, retryable: false },
  unauthenticated: { exitCode: 77, httpStatus: 401, retryable: false },
};

/** What crosses the wire and reaches `--json` of an error; `data` is JSON-safe and holds no secret. */
export interface ErrorDocument {
  readonly code: string;
  readonly kind: ErrorKind;
  readonly message: string;
  readonly hint?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** The parts of an {@link OperonError}. */
export interface ErrorParts extends ErrorDocument {
  /** Kept in this process only: never sent, never printed without `--verbose`. */
  readonly cause?: unknown;
}

/** The only error class: `code` says who raised it, `kind` what to do about it. */
export class OperonError extends Error {
  override readonly name = "OperonError";
  readonly code: string;
  readonly kind: ErrorKind;
  readonly hint: string | undefined;
  readonly data: Readonly<Record<string, unknown>> | undefined;

  constructor(parts: ErrorParts) {
    super(parts.message, parts.cause === undefined ? undefined : { cause: parts.cause });
    this.code = parts.code;
    this.kind = parts.kind;
    this.hint = parts.hint;
    this.data = parts.data;
  }

  /** Process exit code of this error's kind (a remote command's own exit code is passed through elsewhere). */
  get exitCode(): number {
    return KIND_FACTS[this.kind].exitCode;
  }

  /** HTTP status of this error's kind. */
  get httpStatus(): number {
    return KIND_FACTS[this.kind].httpStatus;
  }

  /** Whether the same call may succeed when it is simply tried again. */
  get retryable(): boolean {
    return KIND_FACTS[this.kind].retryable;
  }

  /** What may be shown to a peer: never the cause, never a stack. */
  toDocument(): ErrorDocument {
    return {
      code: this.code,
      kind: this.kind,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(this.data === undefined ? {} : { data: this.data }),
    };
  }

  toJSON(): ErrorDocument {
    return this.toDocument();
  }
}

/**
 * Turns anything thrown into an {@link OperonError}; what is not one becomes `node.internal` with the original as cause.
 * Of a failure and a clean-up that failed after it, the first counts.
 */
export function toOperonError(thrown: unknown): OperonError {
  if (thrown instanceof OperonError) return thrown;
  if (thrown instanceof Error && thrown.name === "SuppressedError" && "suppressed" in thrown)
    return toOperonError(thrown.suppressed);
  if (thrown instanceof Error && thrown.name === "AbortError") {
    return new OperonError({
      code: "node.cancelled",
      kind: "cancelled",
      message: "The call was cancelled",
      cause: thrown,
    });
  }
  return new OperonError({
    code: "node.internal",
    kind: "internal",
    message: "The node failed while it handled this",
    hint: "The node's own log has the details",
    cause: thrown,
  });
}

/** Rebuilds an error received from a peer; unknown kinds become `unknown`, over-long texts are cut. */
export function fromErrorDocument(document: ErrorDocument): OperonError {
  const kind = ERROR_KINDS.includes(document.kind) ? document.kind : "unknown";
  return new OperonError({ ...document, kind });
}
