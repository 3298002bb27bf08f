/** What source files import, found by their text: prettier keeps the form of an import the same. */
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { filesBelow, readText, repositoryRoot } from './repository.js';

/** Where programs and packages begin: what these don't reach is dead. */
export const entryFiles = ['index.ts', 'cli/main.ts', 'cli/start.ts'];
export const sourceFolders = ['proto', 'server', 'client', 'cli'];

export interface Import {
  /** A path from the root for the project's own files, otherwise the name of a module. */
  readonly target: string;
  readonly own: boolean;
  readonly typeOnly: boolean;
}

export function sourceFiles(): string[] {
  return ['index.ts', ...sourceFolders.flatMap((folder) => filesBelow(folder, '.ts'))];
}

/** The text without comments; lines stay where they are. */
export function codeOf(text: string): string {
  return text
    .replace(/\/\*[^]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/^\s*\/\/.*$/gm, '');
}

/** The imports, re-exports and dynamic imports in a file's text; `path` is from the root. */
export function importsIn(path: string, text: string): Import[] {
  const statement =
    /^(?:import|export)\s+(?<words>[^;'"=(]*?)\s+from\s+'(?<from>[^']+)'|^import\s+'(?<bare>[^']+)'|\bimport\('(?<dynamic>[^']+)'\)/gm;
  return [...codeOf(text).matchAll(statement)].map(({ groups = {} }) => {
    const name = groups['from'] ?? groups['bare'] ?? groups['dynamic'] ?? '';
    const own = name.startsWith('.');
    const target = own ? normalize(join(dirname(path), name)).replace(/\.js$/, '.ts') : name;
    return { target, own, typeOnly: isTypeOnly(groups['words'] ?? '') };
  });
}

function isTypeOnly(words: string): boolean {
  if (words.startsWith('type ')) return true;
  const braces = /^\{(?<names>[^}]*)\}$/.exec(words)?.groups?.['names'];
  if (braces === undefined) return false;
  const names = braces.split(',').map((name) => name.trim());
  return names.every((name) => name === '' || name.startsWith('type '));
}

/** Every source file and what it imports. */
export function importGraph(): Map<string, Import[]> {
  return new Map(sourceFiles().map((path) => [path, importsIn(path, readText(path))]));
}

/** Own files that are imported and do not exist. */
export function danglingImports(graph: ReadonlyMap<string, readonly Import[]>): string[] {
  return [...graph].flatMap(([path, imports]) =>
    imports
      .filter(({ own, target }) => own && !existsSync(join(repositoryRoot, target)))
      .map(({ target }) => `${path} imports ${target}`),
  );
}

/** Every own file that is reached from `entries`, these included. */
export function reachable(
  graph: ReadonlyMap<string, readonly Import[]>,
  entries: readonly string[],
): Set<string> {
  const found = new Set<string>();
  const waiting = [...entries];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (found.has(path)) continue;
    found.add(path);
    for (const { own, target } of graph.get(path) ?? []) if (own) waiting.push(target);
  }
  return found;
}

/** Files that import themselves by way of others, each with what it shares the cycle with. */
export function cycles(graph: ReadonlyMap<string, readonly Import[]>): string[] {
  const reaches = new Map(
    [...graph].map(([path, imports]) => {
      const own = imports.filter((each) => each.own).map(({ target }) => target);
      return [path, reachable(graph, own)];
    }),
  );
  return [...graph.keys()].filter((path) => reaches.get(path)?.has(path) === true);
}
