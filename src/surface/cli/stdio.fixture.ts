// A program that uses the process's own streams, for stdio.test.ts to run behind pipes, files and terminals.
import { OperonError } from "../../error.ts";
import { processStdio } from "./stdio.ts";

const { stdin, stdout, stderr } = processStdio();
const [mode, count] = process.argv.slice(2);

try {
  if (mode === "flood") {
    const block = new Uint8Array(64 * 1024).fill(65);
    for (let i = 0; i < Number(count); i++) await stdout.write(block);
  } else if (mode === "copy") {
    for await (const chunk of stdin.chunks()) await stdout.write(chunk);
  } else if (mode === "facts") {
    const facts = {
      stdin: { isTty: stdin.isTty, isPiped: stdin.isPiped },
      stdout: { isTty: stdout.isTty, columns: stdout.columns },
    };
    await stderr.write(`${JSON.stringify(facts)}\n`);
  }
} catch (error) {
  await stderr.write(error instanceof OperonError ? error.code : String(error));
  process.exit(1);
}
process.exit(0);
