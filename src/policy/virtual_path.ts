// The one spelling of a virtual path. A path that could mean two things is refused, never repaired.
// It must never look at a disk, nor accept `.`, `..`, empty components, NUL or other control characters.
// Next: mount_table.ts finds the mount of a path.

import { OperonError } from "../error.ts";
import { PATH_BYTES_MAX, PATH_COMPONENT_BYTES_MAX } from "../limits.ts";

/**
 * The canonical spelling of an absolute virtual path. The one liberty: a single trailing slash is dropped (`/a/` is `/a`),
 * because people type it and it cannot mean anything else.
 * @throws OperonError `fs.path_invalid`
 */
export function parseVirtualPath(path: string): string {
  if (!path.startsWith("/")) throw invalid(path, "does not start with a slash");
  if (path === "/") return path;
  if (!path.isWellFormed()) throw invalid(path, "is not valid Unicode");
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) {
    throw invalid(path, `is longer than ${PATH_BYTES_MAX} bytes`);
  }
  const trimmed = path.endsWith("/") ? path.slice(0, -1) : path;
  for (const component of trimmed.slice(1).split("/")) assertComponent(component, path);
  return trimmed;
}

function assertComponent(component: string, path: string): void {
  if (component === "") throw invalid(path, "has an empty component");
  if (component === "." || component === "..")
    throw invalid(path, `has a component "${component}"`);
  if (component.length * 3 > PATH_COMPONENT_BYTES_MAX) {
    if (Buffer.byteLength(component) > PATH_COMPONENT_BYTES_MAX) {
      throw invalid(path, `has a component longer than ${PATH_COMPONENT_BYTES_MAX} bytes`);
    }
  }
  for (let i = 0; i < component.length; i++) {
    const code = component.charCodeAt(i);
    if (code < 0x20 || code === 0x7f || (code >= 0x80 && code < 0xa0)) {
      throw invalid(path, "has a control character");
    }
  }
}

function invalid(path: string, why: string): OperonError {
  const shown = JSON.stringify(path.length > 120 ? `${path.slice(0, 120)}…` : path);
  return new OperonError({
    code: "fs.path_invalid",
    kind: "invalid_argument",
    message: `The path ${shown.toWellFormed()} ${why}`,
    hint: "Use an absolute path such as /src/a.ts, without `.`, `..`, `//` or control characters",
  });
}
