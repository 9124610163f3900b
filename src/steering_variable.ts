// Environment variables that make a loader, a shell or an interpreter run or read something else than it would.
// It must never be shortened for convenience: whoever sets one of these may run what they like.
// Next: capabilities/exec/environment.ts refuses them from callers, secret/reference.ts as names of secrets.

/** Families of loaders, and of this process. */
const LOADER_PREFIXES = ["LD_", "DYLD_", "BUN_", "OPERON_", "MSGPACKR_"];

/** Families of tools that run or read what such a variable names. */
const TOOL_PREFIXES = ["BASH_", "GIT_", "GLIBC_", "MALLOC_", "NODE_", "NPM_CONFIG_", "PERL"];

/** Variables that make shells, interpreters and common tools run or read what they name. */
const STEERING = new Set([
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

/** Whether nobody but this machine's own user may set this variable of a process. */
export function steersProcess(name: string): boolean {
  const upper = name.toUpperCase();
  return (
    STEERING.has(upper) ||
    steersLoader(name) ||
    TOOL_PREFIXES.some((prefix) => upper.startsWith(prefix))
  );
}

/** Whether a variable belongs to loaders or to operon itself: no command inherits one. */
export function steersLoader(name: string): boolean {
  const upper = name.toUpperCase();
  return LOADER_PREFIXES.some((prefix) => upper.startsWith(prefix));
}
