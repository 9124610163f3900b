/** Tells server.ts where this server listens. */
export function announce({ port }: { readonly port: number | undefined }): void {
  process.stdout.write(`${JSON.stringify({ port })}\n`);
}
