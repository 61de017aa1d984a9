// What a developer should know, for `health()`.

/** How many problems are kept. The oldest is dropped first. */
const PROBLEMS = 16;

const known: string[] = [];

/** Keeps a text, once. */
export function addProblem(text: string): void {
  if (known.includes(text)) return;
  if (known.length >= PROBLEMS) known.shift();
  known.push(text);
}

/** What a developer should know, the latest last. */
export const problems = (): readonly string[] => [...known];
