// The client of the process, as JavaScript sees it: start, attach, end, switches, health.

import {
  addProblem,
  close,
  counts,
  declareStores,
  open,
  problems,
  reportStores,
  whenUnheard,
  type FacadeCounts,
  type Sink,
} from "@throughline/core";
import type { Configuration, Consent } from "./configuration.js";
import { attempt, isObject, said } from "./found.js";
import { ThroughlineError, type ThroughlineErrorKind } from "./error.js";
import { instrument, type Instrumentation } from "./instrument.js";
import type { Client, CoreHealth, Diagnosis, Native } from "./native.js";
import { findNative } from "./turbo.js";
import { showAgain } from "./views.js";

/** How a flush ended. */
export interface FlushOutcome {
  /** Whether everything that had been recorded was delivered, or dropped and counted. */
  readonly isComplete: boolean;
  /** How many events were delivered during the flush. */
  readonly delivered: number;
  /** How many events still wait. */
  readonly waiting: number;
  /** Why events still wait. */
  readonly reason?: string | null;
}

/** The client's own condition, with what this side of it counts. */
export interface Health extends CoreHealth, Omit<FacadeCounts, "closedCalls"> {}

/** How often the client of the process is looked for while calls find none, ms. */
const SEEK_MS = 1_000;

let found: Native | undefined | string;
let client: Client | undefined;
/** What the user has decided, until a client that was not found then has been told. */
let decided: Consent | undefined;
/** Undoes what was instrumented. There is one from the time on at which the app has started or attached. */
let uninstall: (() => void) | undefined;
let hasWarned = false;
let hasMet = false;
let soughtAt = 0;

/** The native side. Undefined where there is none: in Expo Go and in tests. */
function native(): Native | undefined {
  found ??= findNative();
  if (typeof found !== "string") return found;
  // Nothing waits for a start that cannot come.
  close();
  throw new ThroughlineError("library", found);
}

/** Takes another native side from now on, for the tests of apps. A client that was attached to is left. */
export function useNative(side: Native): void {
  leave();
  found = side;
  hasMet = false;
  soughtAt = 0;
  whenUnheard(seek);
}

/**
 * Starts the client, and begins to record what {@link Instrumentation} lists. Calls that were made before are recorded
 * with the times at which they were made; the latest 100 have waited.
 *
 * When the app has started the client natively, this attaches to it, and the configuration is not used: `health()` then
 * says so. So it does when this is called again, as Fast Refresh does. Of the consent, only a refusal reaches that client:
 * {@link setConsent} says everything else. When the native start takes more than a second, calls go on waiting until it
 * is over, and {@link isRunning} says when. Where there is no native module, as in Expo Go and in tests, nothing is
 * recorded, and one warning says so.
 *
 * @throws ThroughlineError when the configuration cannot work, or when the native library is of another version, which
 * JavaScript that is updated over the air may meet.
 */
export function start(consent: Consent, configuration: Configuration, instrumentation: Instrumentation = {}): void {
  const side = native();
  if (!side) return warn(NO_MODULE);
  const config = json(configuration, consent);
  const answer = read<{ attached?: boolean }>(asking(() => side.start(config)));
  if (answer.attached) {
    addProblem("the client ran already: the configuration of `start` in JavaScript was not used");
  }
  // A client that this has started knows the decision. One that ran already does not hear of `granted`: a reload says
  // again what the app says at its start, which must not take a refusal back.
  if (!answer.attached && consent !== "pending") decided = undefined;
  else if (consent === "denied") decided = consent;
  join(side, instrumentation);
}

/**
 * Attaches to the client that the app has started natively, in Swift or Kotlin. It never throws.
 *
 * @returns false when none runs yet. Then calls go on waiting, and the client is found when it runs. Also false when
 * the native library is missing or of another version: then nothing is recorded, and one warning says so.
 */
export function attach(instrumentation: Instrumentation = {}): boolean {
  try {
    const side = native();
    if (side) return join(side, instrumentation);
    warn(NO_MODULE);
  } catch {
    if (typeof found === "string") warn(found);
    else counts.failures++;
  }
  return false;
}

function join(side: Native, instrumentation: Instrumentation): boolean {
  const isNew = reach(side);
  // A second call, as Fast Refresh makes one, finds everything done.
  if (isNew || !uninstall) {
    uninstall?.();
    uninstall = instrument(instrumentation, () => side.processStart());
  }
  whenUnheard(seek);
  return client?.isRunning() ?? false;
}

/** Lets calls go to the client that runs, if that is another one than before. Returns whether it is. */
function reach(side: Native): boolean {
  const running = asking(() => side.running());
  if (running && decided) {
    const consent = decided;
    if (asking(() => running.setConsent(consent) || running.isRunning())) decided = undefined;
  }
  if (!running || running.handle === client?.handle) return false;
  const { record, recordAt } = asking(() => side.door(running.handle));
  client = running;
  const sink: Sink = {
    record,
    recordAt,
    traceHeaders: (...of) => running.traceHeaders(...of) ?? {},
    traceId: (slot) => running.traceId(slot),
  };
  open(sink, () => {
    declareStores();
    // The view began in the client before.
    if (hasMet) showAgain();
  });
  // Only looks that find none are rare.
  soughtAt = 0;
  return (hasMet = true);
}

/** Looks for a client, which native code may have started or replaced in the meantime. */
function seek(): boolean {
  const now = Date.now();
  if (!uninstall || Math.abs(now - soughtAt) < SEEK_MS) return false;
  soughtAt = now;
  try {
    return typeof found === "object" && reach(found);
  } catch {
    counts.failures++;
    return false;
  }
}

/**
 * Sends everything that was recorded, as far as the conditions and the destinations allow it, for at most `timeoutMs`.
 * The JavaScript thread does not wait.
 *
 * @throws ThroughlineError (by the promise) when the client does not run.
 */
export async function flush(timeoutMs = 10_000): Promise<FlushOutcome> {
  const side = native();
  if (!side) return { isComplete: false, delivered: 0, waiting: 0, reason: NO_MODULE };
  reportStores();
  return read<FlushOutcome>(await answered(() => side.flush(milliseconds(timeoutMs))));
}

/**
 * Says in plain words what keeps data from arriving, or explains what is missing. First it sends what waits, for at most
 * `timeoutMs`. It never fails, also where there is no native module and before the start: print its `text` while the
 * app is built.
 */
export async function diagnose(timeoutMs = 5_000): Promise<Diagnosis> {
  let [cause, seen] = ["not_started", "the client was not started"];
  let reason: string | null | undefined;
  try {
    ({ reason } = await flush(timeoutMs));
    if (!native()) [cause, seen] = ["native_library", NO_MODULE];
  } catch (error) {
    if (typeof found === "string") [cause, seen] = ["native_library", found];
    else if (!isRunning()) seen = said(error);
  }
  const diagnosis = asked("diagnose", reason ?? null);
  if (diagnosis) return diagnosis;
  const advice = cause === "not_started" ? "Call `start` once, when the app starts." : "Build the app again.";
  const text = `Data does not arrive.\n[${cause}] ${seen}. ${advice}`;
  return { findings: [{ cause, blocks: true, seen, advice }], delivered: 0, waiting: 0, text };
}

/**
 * Ends the client, also for the native side: writes what was recorded to the database, and closes it, for at most
 * `timeoutMs`. What was not sent waits for the next start. What was patched is as before. Later calls are only counted.
 *
 * @returns false when that took longer.
 * @throws ThroughlineError (by the promise) when the client does not run.
 */
export async function shutdown(timeoutMs = 5_000): Promise<boolean> {
  const side = native();
  if (!side) return true;
  if (client) leave();
  return read<{ complete: boolean }>(await answered(() => side.shutdown(milliseconds(timeoutMs)))).complete;
}

/** Undoes what {@link attach} has done. */
function leave(): void {
  uninstall?.();
  uninstall = undefined;
  reportStores();
  close();
  client = undefined;
}

/** Whether the client runs, and this JavaScript is attached to it. */
export const isRunning = (): boolean => asked("isRunning") ?? false;

/** The client's own condition. Undefined while it does not run. */
export function health(): Health | undefined {
  reportStores();
  const report = asked("health");
  return attempt(
    () =>
      report && {
        ...report,
        ...counts,
        closedCalls: report.closedCalls + counts.closedCalls,
        problems: [...report.problems, ...problems()],
      },
  );
}

/** The id of the session. Undefined while the client does not run. */
export const sessionId = (): string | undefined => asked("sessionId");

/** The id of the installation. Undefined while the client does not run, and when the configuration wants none. */
export const installationId = (): string | undefined => asked("installationId");

/**
 * Sets what the user has decided. With `denied`, nothing is recorded from now on, and what was recorded is erased.
 *
 * @returns false when the client does not run: it is told when it does. Also false when the decision could not be
 * carried out: `health()` then says why.
 */
export function setConsent(consent: Consent): boolean {
  const isDone = asked("setConsent", consent) ?? false;
  decided = isDone || isRunning() ? undefined : consent;
  return isDone;
}

/** Switches recording on or off, and keeps that for later starts. Returns false when it could not be kept. */
export const setEnabled = (enabled: boolean): boolean => asked("setEnabled", !!enabled) ?? false;

/** Sets the share of sessions that is recorded, 0 to 1. Returns false for anything else. */
export const setSessionSampleRate = (rate: number): boolean => asked("setSessionSampleRate", share(rate)) ?? false;

/** Sets the share of traces that is recorded, 0 to 1. Returns false for anything else. */
export const setTraceSampleRate = (rate: number): boolean => asked("setTraceSampleRate", share(rate)) ?? false;

/**
 * Sends nothing to the destination with a name until {@link resumeDestination}. What is recorded for it is kept, crashes
 * too, as far as ages and quotas allow; other destinations go on. It is not kept for the next start.
 *
 * @returns false when no destination has that name, and while the client does not run.
 */
export const pauseDestination = (name: string): boolean => asked("pauseDestination", named(name)) ?? false;

/** Sends to the destination with a name again. Returns false as {@link pauseDestination} does. */
export const resumeDestination = (name: string): boolean => asked("resumeDestination", named(name)) ?? false;

/** A name. What cannot even be converted is none. */
const named = (name: unknown): string => attempt(() => String(name)) ?? "";

/** A share. What cannot even be converted is none. */
const share = (rate: unknown): number => attempt(() => Number(rate)) ?? NaN;

/** Asks the client. A failure of the native side is counted, and is no failure of the app's. */
function asked<Question extends Exclude<keyof Client, "handle">>(
  question: Question,
  ...values: Parameters<Client[Question]>
): ReturnType<Client[Question]> | undefined {
  try {
    if (!client?.isRunning()) seek();
    return (client as Record<string, (...values: unknown[]) => never> | undefined)?.[question]?.(...values);
  } catch {
    counts.failures++;
    return undefined;
  }
}

const NO_MODULE =
  "there is no native module, as in Expo Go and in tests: else install the pods and build the app again";

function warn(why: string): void {
  // Calls are only counted: nothing waits for a start that cannot come.
  close();
  if (hasWarned) return;
  hasWarned = true;
  console.warn(`Throughline records nothing: ${why}`);
}

function json(configuration: Configuration, consent: Consent): string {
  let why = "undefined";
  try {
    // The app's own object may have getters and a `toJSON`, which may do anything.
    const text: unknown = JSON.stringify({ ...(typeof configuration === "object" && configuration), consent });
    if (typeof text === "string") return text;
  } catch (error) {
    why = said(error);
  }
  throw new ThroughlineError("invalidConfig", `the configuration is no JSON: ${why}`);
}

/** An app catches one type of error, in whatever way the native side fails. */
function failed(error: unknown): never {
  throw new ThroughlineError("library", `the native module has failed: ${said(error)}`);
}

/** Asks the native side. */
function asking<T>(question: () => T): T {
  try {
    return question();
  } catch (error) {
    return failed(error);
  }
}

/** As {@link asking}, for an answer that comes later. */
const answered = async (question: () => Promise<string>): Promise<string> => {
  try {
    return await question();
  } catch (error) {
    return failed(error);
  }
};

/** What the native side answers. An error becomes one of ours. */
function read<T>(answer: string): T {
  const known = asking(() => {
    const value: unknown = JSON.parse(answer);
    if (!isObject(value)) throw new Error("it has given no answer");
    return value as T & { error?: ThroughlineErrorKind; reason?: string };
  });
  if (known.error !== undefined) throw new ThroughlineError(known.error, known.reason ?? known.error);
  return known;
}

const milliseconds = (value: number): number => (value > 0 ? Math.min(value, 3_600_000) : 0);
