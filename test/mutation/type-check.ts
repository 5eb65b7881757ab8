/** Whether a changed source file still compiles; a compiler that reads all others only once. */
import { join } from 'node:path';
import ts from 'typescript';

export class TypeCheck {
  private readonly versions = new Map<string, number>();
  private changed?: { path: string; text: string };
  private readonly service: ts.LanguageService;

  constructor(
    private readonly root: string,
    files: readonly string[],
  ) {
    const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
    const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
    this.service = ts.createLanguageService({
      fileExists: ts.sys.fileExists,
      readFile: ts.sys.readFile,
      getCompilationSettings: () => options,
      getCurrentDirectory: () => root,
      getDefaultLibFileName: (settings) => ts.getDefaultLibFilePath(settings),
      getScriptFileNames: () => files.map((file) => join(root, file)),
      getScriptVersion: (path) => String(this.versions.get(path) ?? 0),
      getScriptSnapshot: (path) => {
        const text = path === this.changed?.path ? this.changed.text : ts.sys.readFile(path);
        return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
      },
    });
  }

  /** Whether `file` compiles with `text` in the place of what it holds. */
  accepts(file: string, text: string): boolean {
    const path = join(this.root, file);
    this.changed = { path, text };
    this.versions.set(path, (this.versions.get(path) ?? 0) + 1);
    const errors = [
      ...this.service.getSyntacticDiagnostics(path),
      ...this.service.getSemanticDiagnostics(path),
    ];
    this.changed = undefined;
    this.versions.set(path, (this.versions.get(path) ?? 0) + 1);
    return errors.length === 0;
  }
}
