// `@throughline/react-native`: everything that an app calls.

export {
  attach,
  diagnose,
  flush,
  health,
  installationId,
  isRunning,
  pauseDestination,
  resumeDestination,
  sessionId,
  setConsent,
  setEnabled,
  setSessionSampleRate,
  setTraceSampleRate,
  shutdown,
  start,
  type FlushOutcome,
  type Health,
} from "./client.js";
export type { Diagnosis, Finding } from "./native.js";
export type * from "./configuration.js";
export { ThroughlineError, type ThroughlineErrorKind } from "./error.js";
export type { Instrumentation } from "./instrument.js";
export { markFirstRender, markInteractive } from "./appStart.js";
export { traceConsoleErrors } from "./console.js";
export { ErrorBoundary, type ErrorBoundaryProps } from "./ErrorBoundary.js";
export { traceErrors, type ErrorOptions } from "./errors.js";
export { useExpoRouterViews } from "./expoRouter.js";
export { traceLongTasks, type LongTaskOptions } from "./longTasks.js";
export { traceNavigation, useTracedView, type NavigationRefLike } from "./navigation.js";
export { traceRejections, type RejectionOptions, type TrackerOptions } from "./rejections.js";
export { TouchBoundary, type TouchBoundaryProps } from "./TouchBoundary.js";
export {
  action,
  bind,
  changes,
  clearUser,
  error,
  event,
  log,
  longTask,
  measure,
  operation,
  Operation,
  pushView,
  recordQueueFlush,
  recordSyncFailure,
  renewSession,
  reportProblem,
  setFeatureFlag,
  setGlobalAttribute,
  setUser,
  Span,
  startAction,
  startOperation,
  startSpan,
  startView,
  stopView,
  TraceContext,
  tracedStore,
  traceHeaders,
  vital,
  type ActionType,
  type Attributes,
  type AttributeValue,
  type Capture,
  type ErrorSource,
  type Instrument,
  type Mutation,
  type MutationKind,
  type OperationOptions,
  type Severity,
  type StorePolicy,
  type TracedStore,
} from "@throughline/core";
