/** `node:crypto`, loaded when first used: it costs half as much as the start of the whole process, and many commands need none of it. */
export function nativeCrypto(): typeof import("node:crypto") {
  loaded ??= process.getBuiltinModule("node:crypto");
  return loaded;
}

let loaded: typeof import("node:crypto") | undefined;
