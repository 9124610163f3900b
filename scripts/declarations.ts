// One declaration file out of many: what an entry exports and all that is mentioned by it, and nothing else.
// Every export of the files it goes through has its type written down, so none is inferred and no checker is needed.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import ts from "typescript";

/** A name of a file. */
interface Place {
  readonly path: string;
  readonly name: string;
}

interface FileFacts {
  readonly declared: ReadonlyMap<string, ts.Statement>;
  /** Names that other files declare: imports and `export … from`. */
  readonly foreign: ReadonlyMap<string, Place>;
  readonly exported: readonly string[];
  readonly source: ts.SourceFile;
}

/**
 * Declarations of everything `entry` exports, but for what is `@internal`.
 * @param replaced sources to take instead of files, by path
 */
export function bundleDeclarations(entry: string, replaced: ReadonlyMap<string, string>): string {
  const files = new Map<string, FileFacts>();
  const read = (path: string) => {
    const facts =
      files.get(path) ?? factsOf(path, replaced.get(path) ?? readFileSync(path, "utf8"));
    files.set(path, facts);
    return facts;
  };
  const resolve = ({ path, name }: Place): Place => {
    const found = read(path).foreign.get(name);
    return found ? resolve(found) : { path, name };
  };
  const texts = new Map<string, { path: string; text: string }>();
  const add = (place: Place) => {
    const { path, name } = resolve(place);
    const known = texts.get(name);
    if (known?.path === path) return;
    if (known) throw new Error(`${name} is declared in ${known.path} and in ${path}`);
    const { declared, foreign, source } = read(path);
    const statement = declared.get(name);
    if (!statement) throw new Error(`${path} does not declare ${name}`);
    texts.set(name, { path, text: withoutExport(statement, source) });
    for (const mentioned of namesIn(statement))
      if (declared.has(mentioned) || foreign.has(mentioned)) add({ path, name: mentioned });
  };
  const isPublic = (name: string) => {
    const { path, name: own } = resolve({ path: entry, name });
    const statement = read(path).declared.get(own);
    return (
      !statement || !ts.getJSDocTags(statement).some(({ tagName }) => tagName.text === "internal")
    );
  };
  const names = read(entry).exported.filter(isPublic);
  for (const name of names) add({ path: entry, name });
  const body = [...texts.values()].map(({ text }) => text).join("\n\n");
  return `${body}\n\nexport { ${names.join(", ")} };\n`;
}

function factsOf(path: string, text: string): FileFacts {
  const compilerOptions = { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext };
  const { outputText, diagnostics } = ts.transpileDeclaration(text, {
    fileName: path,
    compilerOptions,
    reportDiagnostics: true,
  });
  const [problem] = diagnostics ?? [];
  if (problem)
    throw new Error(`${path}: ${ts.flattenDiagnosticMessageText(problem.messageText, "\n")}`);
  const source = ts.createSourceFile(path, outputText, ts.ScriptTarget.ESNext, true);
  const declared = new Map<string, ts.Statement>();
  const foreign = new Map<string, Place>();
  const exported: string[] = [];
  for (const statement of source.statements) {
    if (ts.isImportDeclaration(statement)) {
      const bindings = statement.importClause?.namedBindings;
      if (bindings && ts.isNamedImports(bindings)) link(statement, bindings.elements, foreign);
    } else if (ts.isExportDeclaration(statement)) {
      if (!statement.exportClause || !ts.isNamedExports(statement.exportClause)) continue;
      link(statement, statement.exportClause.elements, foreign);
      exported.push(...statement.exportClause.elements.map(({ name }) => name.text));
    } else {
      const name = nameOf(statement);
      if (name === undefined) continue;
      declared.set(name, statement);
      if (isExported(statement)) exported.push(name);
    }
  }
  return { declared, foreign, exported, source };

  function link(
    { moduleSpecifier }: ts.ImportDeclaration | ts.ExportDeclaration,
    elements: readonly (ts.ImportSpecifier | ts.ExportSpecifier)[],
    into: Map<string, Place>,
  ): void {
    if (!moduleSpecifier || !ts.isStringLiteral(moduleSpecifier)) return;
    const target = join(dirname(path), moduleSpecifier.text);
    for (const { name, propertyName } of elements)
      into.set(name.text, { path: target, name: (propertyName ?? name).text });
  }
}

function nameOf(statement: ts.Statement): string | undefined {
  if (ts.isVariableStatement(statement)) {
    const [declaration] = statement.declarationList.declarations;
    return declaration && ts.isIdentifier(declaration.name) ? declaration.name.text : undefined;
  }
  const { name } = statement as ts.DeclarationStatement;
  return name && ts.isIdentifier(name) ? name.text : undefined;
}

function isExported(statement: ts.Statement): boolean {
  const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined;
  return modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false;
}

/** Its text with the comment before it; a declaration file declares also without `export`. */
function withoutExport(statement: ts.Statement, source: ts.SourceFile): string {
  const text = statement.getText(source).replace(/^export (?:declare )?/, "");
  const isType = ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement);
  const [doc] = ts.getJSDocCommentsAndTags(statement).filter(ts.isJSDoc);
  const comment = doc ? `${doc.getText(source)}\n` : "";
  return `${comment}${isType || text.startsWith("declare ") ? "" : "declare "}${text}`;
}

/** Names it may refer to; too many do no harm. */
function namesIn(statement: ts.Statement): Set<string> {
  const names = new Set<string>();
  const visit = (node: ts.Node) => {
    if (ts.isTypeReferenceNode(node) || ts.isTypeQueryNode(node)) addFirst(node);
    if (ts.isExpressionWithTypeArguments(node) && ts.isIdentifier(node.expression))
      names.add(node.expression.text);
    ts.forEachChild(node, visit);
  };
  const addFirst = (node: ts.TypeReferenceNode | ts.TypeQueryNode) => {
    let name = ts.isTypeReferenceNode(node) ? node.typeName : node.exprName;
    while (ts.isQualifiedName(name)) name = name.left;
    names.add(name.text);
  };
  visit(statement);
  return names;
}
