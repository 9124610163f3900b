// Reads one source text with TypeScript's parser and says what it imports and touches.
// It must never miss an import form: what it cannot read is reported as unseen, not left out.
// Next: architecture.ts judges what is found here.

import ts from "typescript";

/** One import, however it is written. */
export interface Import {
  readonly specifier: string;
  /** From 1. */
  readonly line: number;
  /** Whether it is gone when the program runs (`import type`, `import("x")` as a type). */
  readonly is_type: boolean;
  /** Whether it is loaded only when the code gets there: `await import("x")`. */
  readonly is_dynamic: boolean;
}

/** What the checks need to know of one source; lines from 1. */
export interface SourceFacts {
  readonly imports: readonly Import[];
  /** `import(variable)`, `require` as a value: imports that cannot be told from the text. */
  readonly unseen_lines: readonly number[];
  /** `export * from`. */
  readonly export_all_lines: readonly number[];
  /** `process.argv`, `process.exit`. */
  readonly entry_lines: readonly number[];
  /** Uses of the globals `process`, `Bun`, `fetch`, `WebSocket`. */
  readonly runtime_lines: readonly number[];
  /** String literals that are not import specifiers. */
  readonly texts: readonly { readonly text: string; readonly line: number }[];
}

interface Found extends Partial<Pick<Import, "is_type" | "is_dynamic">> {
  readonly specifier: ts.Node | undefined;
}

const RUNTIME_GLOBALS = new Set(["process", "Bun", "fetch", "WebSocket"]);

/** What `text` imports and touches. */
export function importsOf(path: string, text: string): SourceFacts {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.ESNext, true, ts.ScriptKind.TS);
  const facts = {
    imports: [] as Import[],
    unseen_lines: [] as number[],
    export_all_lines: [] as number[],
    entry_lines: [] as number[],
    runtime_lines: [] as number[],
    texts: [] as { text: string; line: number }[],
  };
  const lineOf = (node: ts.Node) =>
    source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
  const add = (node: ts.Node, at: Found) => {
    const line = lineOf(node);
    if (!at.specifier || !ts.isStringLiteralLike(at.specifier)) facts.unseen_lines.push(line);
    else
      facts.imports.push({
        specifier: at.specifier.text,
        line,
        is_type: at.is_type ?? false,
        is_dynamic: at.is_dynamic ?? false,
      });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const is_type = node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
      add(node, { specifier: node.moduleSpecifier, is_type });
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier) {
      add(node, { specifier: node.moduleSpecifier, is_type: node.isTypeOnly });
      if (!node.exportClause) facts.export_all_lines.push(lineOf(node));
    } else if (ts.isImportTypeNode(node)) {
      const literal = ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined;
      add(node, { specifier: literal, is_type: true });
    } else if (ts.isExternalModuleReference(node)) {
      add(node, { specifier: node.expression });
    } else if (isCallTo(node, ts.SyntaxKind.ImportKeyword)) {
      add(node, { specifier: node.arguments[0], is_dynamic: true });
    } else if (isRequire(node)) {
      add(node, { specifier: node.arguments[0], is_dynamic: true });
    } else if (ts.isIdentifier(node)) {
      const isLoose = node.text === "require" && !isRequire(node.parent);
      if (isLoose && isFree(node)) facts.unseen_lines.push(lineOf(node));
      if (RUNTIME_GLOBALS.has(node.text) && isFree(node)) facts.runtime_lines.push(lineOf(node));
    } else if (ts.isStringLiteralLike(node) && !isSpecifier(node)) {
      facts.texts.push({ text: node.text, line: lineOf(node) });
    }
    if (isProcessMember(node)) facts.entry_lines.push(lineOf(node));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return facts;
}

function isSpecifier({ parent }: ts.Node): boolean {
  return ts.isImportDeclaration(parent) || ts.isExportDeclaration(parent);
}

function isRequire(node: ts.Node): node is ts.CallExpression {
  if (!ts.isCallExpression(node) || !ts.isIdentifier(node.expression)) return false;
  return node.expression.text === "require";
}

function isCallTo(node: ts.Node, kind: ts.SyntaxKind): node is ts.CallExpression {
  return ts.isCallExpression(node) && node.expression.kind === kind;
}

/** Whether the name stands for a variable, and is not a member, a key, or a declaration. */
function isFree(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isPropertyAssignment(parent)) return parent.initializer === node;
  return !ts.isPropertySignature(parent) && !ts.isMethodDeclaration(parent);
}

function isProcessMember(node: ts.Node): boolean {
  return (
    ts.isPropertyAccessExpression(node) &&
    ts.isIdentifier(node.expression) &&
    node.expression.text === "process" &&
    ["argv", "argv0", "exit"].includes(node.name.text)
  );
}
