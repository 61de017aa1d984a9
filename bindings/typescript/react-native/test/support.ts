// What the tests of the instrumentation share: a sink, and a document for React.

import { JSDOM } from "jsdom";
import { close, open, type Field } from "@throughline/core";
import {
  CALL_ACTION,
  CALL_ERROR,
  CALL_LOG,
  CALL_LONG_TASK,
  CALL_START_ACTION,
  CALL_START_VIEW,
  CALL_STOP_VIEW,
  CALL_VITAL,
} from "@throughline/core/calls";
import { RecordingSink } from "@throughline/core/testing";

const { window } = new JSDOM("<main></main>");
export const isProduction = process.env["NODE_ENV"] === "production";
Object.assign(globalThis, { window, document: window.document, IS_REACT_ACT_ENVIRONMENT: !isProduction });
Object.defineProperty(globalThis, "navigator", { value: window.navigator, configurable: true });
export const dom = window;

/** An error as it was recorded. */
export interface Recorded {
  readonly time: number | undefined;
  readonly slot: number;
  readonly kind: number;
  readonly type: string;
  readonly message: string;
  readonly stack: string;
  readonly attributes: Record<string, Field>;
}

/** A sink that is open. It knows the time that a call is said to be of. */
export class App extends RecordingSink {
  private readonly times = new Map<Field[], number>();

  constructor() {
    super();
    open(this, () => {});
  }

  override recordAt(time: number, ...fields: Field[]): number {
    const answer = this.record(...fields);
    this.times.set(this.calls.at(-1)!, time);
    return answer;
  }

  errors(): Recorded[] {
    return this.calls
      .filter(([call]) => call === CALL_ERROR)
      .map((fields) => {
        const [, slot, , kind, , type, message, stack, ...pairs] = fields;
        return {
          time: this.times.get(fields),
          slot: slot as number,
          kind: kind as number,
          type: type as string,
          message: message as string,
          stack: stack as string,
          attributes: attributesOf(pairs),
        };
      });
  }

  /** What each error says. */
  messages(): string[] {
    return this.errors().map(({ message }) => message);
  }

  logs(): Record<string, Field>[] {
    return this.calls.filter(([call]) => call === CALL_LOG).map(([, , , , , , ...pairs]) => attributesOf(pairs));
  }

  /** Views that begin (`+ name`) or end (`-`), and actions (`tap name`), in their order. */
  story(): string[] {
    return this.calls.flatMap(([call, , , first, second]) => {
      if (call === CALL_START_VIEW) return [`+ ${first}`];
      if (call === CALL_STOP_VIEW) return ["-"];
      if (call === CALL_START_ACTION) return [`tap ${second}`];
      return call === CALL_ACTION ? [`did ${second}`] : [];
    });
  }

  vitals(): Field[][] {
    return this.calls.filter(([call]) => call === CALL_VITAL).map((fields) => fields.slice(3, 6));
  }

  /** ns */
  longTasks(): number[] {
    return this.calls.filter(([call]) => call === CALL_LONG_TASK).map(([, , , ns]) => ns as number);
  }

  end(): void {
    close();
  }
}

function attributesOf(pairs: Field[]): Record<string, Field> {
  const attributes: Record<string, Field> = {};
  for (let at = 0; at < pairs.length; at += 2) attributes[String(pairs[at])] = pairs[at + 1]!;
  return attributes;
}

/** Runs work that renders, until React has done all of it. */
export async function settle(work: () => unknown): Promise<void> {
  const { act } = await import("react");
  if (!isProduction) return act(async () => void (await work()));
  await work();
  // React's scheduler works in such turns.
  for (let turn = 0; turn < 50; turn++) await new Promise((done) => setImmediate(done));
}

/** Runs work with a console of its own, and returns what was written to it as errors. */
export async function consoleErrors(work: () => unknown): Promise<unknown[][]> {
  const written: unknown[][] = [];
  const before = console.error;
  console.error = (...args: unknown[]) => void written.push(args);
  try {
    await work();
  } finally {
    console.error = before;
  }
  return written;
}
