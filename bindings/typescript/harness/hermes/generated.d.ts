// The generated code, of which the package uses only a part: see `options.mjs`.

declare module "generated-for-the-benchmark" {
  export function recordTap(client: number, name: string, attributes: Map<string, string>): boolean;
}
