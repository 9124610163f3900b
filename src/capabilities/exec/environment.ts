// The environment of a command: cleared, then what policy sets, then what the caller may set.
// It must never pass on a variable that makes a loader, a shell or an interpreter run something
// else.
// Next: facts.ts refuses such variables, run.ts hands the result to the process.

import type { ExecSettings } from "./schema.ts";

/** Where commands are looked up when policy names no folders. */
export const SEARCH_PATH_DEFAULT: readonly string[] = [
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
];

/**
 * Families no caller may set and no command inherits: they belong to loaders, or to this process.
 */
const NEVER_PREFIXES = ["LD_", "DYLD_", "BUN_", "OPERON_", "MSGPACKR_"];

/** Families no caller may set, whatever policy allows. */
const CALLER_NEVER_PREFIXES = [
  "BASH_",
  "GIT_",
  "GLIBC_",
  "MALLOC_",
  "NODE_",
  "NPM_CONFIG_",
  "PERL",
];

/** Variables that make shells, interpreters and common tools run or read what they name. */
const CALLER_NEVER = new Set([
  ...["PATH", "IFS", "ENV", "SHELLOPTS", "BASHOPTS", "PS1", "PS4", "PROMPT_COMMAND", "ZDOTDIR"],
  ...["CDPATH", "GLOBIGNORE", "FPATH", "HOME", "SHELL", "USER", "LOGNAME", "PWD", "OLDPWD"],
  ...["GCONV_PATH", "LOCPATH", "NLSPATH", "HOSTALIASES", "RES_OPTIONS", "LOCALDOMAIN"],
  ...["TERMINFO", "TERMCAP", "TMPDIR", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"],
  ...["PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONUSERBASE"],
  ...["PYTHONWARNINGS", "PYTHONBREAKPOINT", "PYTHONEXECUTABLE", "PYTHONPLATLIBDIR"],
  ...["RUBYOPT", "RUBYLIB", "GEM_PATH", "GEM_HOME", "BUNDLE_GEMFILE", "LUA_PATH", "LUA_CPATH"],
  ...["LUA_INIT", "PHPRC", "PHP_INI_SCAN_DIR", "TCLLIBPATH", "R_PROFILE", "R_PROFILE_USER"],
  ...["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH", "MAKEFLAGS"],
  ...["MAKEFILES", "MFLAGS", "GNUMAKEFLAGS", "RUSTC_WRAPPER", "RUSTFLAGS", "CC", "CXX"],
  ...["PAGER", "MANPAGER", "EDITOR", "VISUAL", "BROWSER", "LESSOPEN", "LESSCLOSE", "LESS"],
  ...["SSH_ASKPASS", "SUDO_ASKPASS", "SSH_AUTH_SOCK", "RSYNC_RSH", "CVS_RSH", "TAR_OPTIONS"],
  ...["OPENSSL_CONF", "OPENSSL_MODULES", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_HOME", "WGETRC"],
]);

/** Whether a caller may set this variable: policy allows it, and it can redirect nothing. */
export function callerMaySet(name: string, settings: ExecSettings): boolean {
  const upper = name.toUpperCase();
  if (CALLER_NEVER.has(upper)) return false;
  if ([...NEVER_PREFIXES, ...CALLER_NEVER_PREFIXES].some((p) => upper.startsWith(p))) return false;
  return settings.env.allow.includes(name);
}

/**
 * The folders commands are looked up in: policy's, or the daemon's own PATH when policy lets it
 * through.
 */
export function searchPath(
  settings: ExecSettings,
  own: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  if (settings.path) return settings.path;
  const inherited = settings.env.allow.includes("PATH") ? own.PATH : undefined;
  // An empty or relative entry would mean the working directory, which the caller chooses.
  const folders = inherited?.split(":").filter((folder) => folder.startsWith("/")) ?? [];
  return folders.length > 0 ? folders : SEARCH_PATH_DEFAULT;
}

/**
 * Builds the whole environment of a command. The caller's part must have passed {@link
 * callerMaySet}.
 */
export function buildEnvironment(
  settings: ExecSettings,
  own: Readonly<Record<string, string | undefined>>,
  asked: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of settings.env.allow) {
    const value = own[name];
    if (value !== undefined && !isNever(name)) environment[name] = value;
  }
  environment.PATH = searchPath(settings, own).join(":");
  for (const [name, value] of Object.entries(settings.env.set)) environment[name] = value;
  for (const [name, value] of Object.entries(asked)) {
    if (callerMaySet(name, settings)) environment[name] = value;
  }
  return environment;
}

function isNever(name: string): boolean {
  const upper = name.toUpperCase();
  return NEVER_PREFIXES.some((prefix) => upper.startsWith(prefix));
}
