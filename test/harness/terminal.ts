// A program on a real terminal: keys in, what the screen was sent out.

/** Longest wait for something to appear (ms). */
const WAIT_MS = 10_000;

/** What runs. */
export interface TerminalProgram {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** A program on a pseudo-terminal of 100 columns. Dispose of it to kill it. */
export class TypedTerminal implements AsyncDisposable {
  /** Everything the program wrote. */
  text = "";
  readonly child: Bun.Subprocess;
  #seen = 0;
  #changed = Promise.withResolvers<void>();

  constructor({ argv, env }: TerminalProgram) {
    const decoder = new TextDecoder();
    this.child = Bun.spawn([...argv], {
      env: { TERM: "xterm", ...env },
      terminal: {
        cols: 100,
        rows: 40,
        data: (_terminal, data) => {
          this.text += decoder.decode(data, { stream: true });
          this.#changed.resolve();
          this.#changed = Promise.withResolvers<void>();
        },
      },
    });
  }

  type(keys: string): void {
    this.child.terminal?.write(keys);
  }

  /** Takes the terminal away, as closing its window does. */
  hangUp(): void {
    this.child.terminal?.close();
  }

  /** Waits for a text after the one that was waited for last; resolves to what came up to its end. */
  async until(expected: string): Promise<string> {
    const start = this.#seen;
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () =>
        late.reject(
          new Error(`No ${JSON.stringify(expected)} in ${JSON.stringify(this.text.slice(start))}`),
        ),
      WAIT_MS,
    );
    try {
      for (;;) {
        const found = this.text.indexOf(expected, start);
        if (found >= 0) {
          this.#seen = found + expected.length;
          return this.text.slice(start, this.#seen);
        }
        await Promise.race([this.#changed.promise, late.promise]);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.exited;
    this.child.terminal?.close();
  }
}
