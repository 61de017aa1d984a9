// Errors that components throw while they are rendered.

import { Component, type ErrorInfo, type ReactNode } from "react";
import { claim, claimedIsFound, quietly } from "./found.js";

/** See {@link ErrorBoundary}. */
export interface ErrorBoundaryProps {
  /** What may throw. */
  readonly children?: ReactNode;
  /** What is shown instead after an error. `reset` tries the children again. Default: nothing. */
  readonly fallback?: ReactNode | ((error: unknown, reset: () => void) => ReactNode);
  /** When it changes after an error, the children are tried again. */
  readonly resetKey?: unknown;
  /** Names the boundary, as the attribute `error.boundary`. */
  readonly name?: string;
  /** Is told of the error after it was recorded. */
  readonly onError?: (error: unknown, info: ErrorInfo) => void;
}

interface State {
  readonly failure: { readonly error: unknown } | undefined;
  readonly resetKey: unknown;
}

/**
 * Shows `fallback` in place of children that throw while they are rendered, and records the error with the component
 * stack as `error.component_stack`. Each error is recorded once, although React also gives it to `console.error`.
 */
export class ErrorBoundary extends Component<ErrorBoundaryProps, State> {
  override state: State = { failure: undefined, resetKey: this.props.resetKey };

  /** @internal */
  static getDerivedStateFromError(error: unknown): Partial<State> {
    // React tells the console before it tells the boundary, which knows more.
    quietly(() => claim(error));
    return { failure: { error } };
  }

  /** @internal */
  static getDerivedStateFromProps({ resetKey }: ErrorBoundaryProps, state: State): Partial<State> | null {
    return Object.is(resetKey, state.resetKey) ? null : { failure: undefined, resetKey };
  }

  /** @internal */
  override componentDidCatch(error: unknown, info: ErrorInfo): void {
    quietly(() => {
      const { name } = this.props;
      claimedIsFound(error, {
        ...(info?.componentStack && { "error.component_stack": info.componentStack }),
        "error.boundary": name,
      });
    });
    this.props.onError?.(error, info);
  }

  /** @internal */
  override render(): ReactNode {
    const { failure } = this.state;
    if (!failure) return this.props.children;
    const { fallback = null } = this.props;
    return typeof fallback === "function" ? fallback(failure.error, this.reset) : fallback;
  }

  private readonly reset = (): void => this.setState({ failure: undefined });
}
