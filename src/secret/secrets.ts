// The secrets of a node: those in its file, and those its configuration says where to find.
// It must never keep a value longer than it is used, nor show one to anybody but the command it is for.
// Next: store.ts is the file, resolve.ts reads references; contract/services.ts lends this to capabilities.

import { OperonError, toOperonError } from "../error.ts";
import { filePathsOf, kindOf, type SecretKind, type SecretReference } from "./reference.ts";
import { type Environment, readReference, toValue } from "./resolve.ts";
import { changeStore, readStore } from "./store.ts";

/** Where secrets are kept; as the configuration in force says. */
export interface SecretSources {
  /** Host path of the store. */
  readonly file: string;
  readonly names: Readonly<Record<string, SecretReference>>;
}

/** A secret as it may be shown. */
export interface SecretInfo {
  readonly name: string;
  readonly kind: SecretKind;
}

/** Secrets by name. */
export class Secrets {
  readonly #sources: () => SecretSources;
  readonly #env: Environment;

  constructor(sources: () => SecretSources, env: Environment) {
    this.#sources = sources;
    this.#env = env;
  }

  /** Host paths of what holds secrets: whoever may read there needs nobody's leave to have them. */
  get paths(): readonly string[] {
    const { file, names } = this.#sources();
    const credentials = this.#env.CREDENTIALS_DIRECTORY;
    return [file, ...filePathsOf(names), ...(credentials ? [credentials] : [])];
  }

  /** All there are, by name. @throws OperonError `identity.file_*`, `secret.store_invalid` */
  async list(): Promise<readonly SecretInfo[]> {
    const { file, names } = this.#sources();
    const kinds = new Map<string, SecretKind>();
    for (const name of (await readStore(file)).keys()) kinds.set(name, "store");
    for (const [name, reference] of Object.entries(names)) kinds.set(name, kindOf(reference));
    return [...kinds]
      .map(([name, kind]) => ({ name, kind }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The value as it is now. @throws OperonError `secret.unknown`, `secret.unusable` */
  async value(name: string): Promise<string> {
    const { file, names } = this.#sources();
    try {
      const reference = Object.hasOwn(names, name) ? names[name] : undefined;
      if (reference !== undefined)
        return toValue(await readReference(reference, { env: this.#env }));
      const stored = (await readStore(file)).get(name);
      if (stored === undefined) throw unknown(name);
      return toValue(new TextEncoder().encode(stored));
    } catch (error) {
      throw named(name, error);
    }
  }

  /** Keeps a value in the store. @throws OperonError `secret.unusable`, `secret.configured` */
  async set(name: string, bytes: Uint8Array): Promise<void> {
    const { file, names } = this.#sources();
    if (Object.hasOwn(names, name)) throw configured(name);
    let value: string;
    try {
      value = toValue(bytes);
    } catch (error) {
      throw named(name, error);
    }
    await changeStore(file, (values) => values.set(name, value));
  }

  /** Takes a value out of the store. @throws OperonError `secret.unknown`, `secret.configured` */
  async remove(name: string): Promise<void> {
    const { file, names } = this.#sources();
    if (Object.hasOwn(names, name)) throw configured(name);
    await changeStore(file, (values) => {
      if (!values.delete(name)) throw unknown(name);
    });
  }
}

const ANONYMOUS = "The secret ";

/** The same error with the secret's name in it. */
function named(name: string, error: unknown): OperonError {
  const { code, kind, message, hint } = toOperonError(error);
  if (code === "secret.unknown") return error as OperonError;
  return new OperonError({
    code: "secret.unusable",
    kind,
    message: message.startsWith(ANONYMOUS)
      ? message.replace(ANONYMOUS, `The secret ${name} `)
      : `The secret ${name} cannot be used: ${message}`,
    ...(hint === undefined ? {} : { hint }),
    data: { name },
  });
}

function unknown(name: string): OperonError {
  return new OperonError({
    code: "secret.unknown",
    kind: "not_found",
    message: `There is no secret ${name}`,
    hint: "operon secret list NODE shows those there are, operon secret set NODE NAME adds one",
    data: { name },
  });
}

function configured(name: string): OperonError {
  return new OperonError({
    code: "secret.configured",
    kind: "failed_precondition",
    message: `The configuration says where ${name} is found`,
    hint: "Change it there, or take it out of secrets.names first",
    data: { name },
  });
}
