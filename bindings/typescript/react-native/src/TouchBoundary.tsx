// What the user taps.
//
// React Native hands a touch that ends to the component that has become its responder, which calls
// `onPress`, and only then to those who listen to touches. So the end is taken from where the
// renderer announces every event before anybody gets it.

import { startAction } from "@throughline/core";
import { createElement, Fragment, useEffect, useState, type ElementType, type ReactNode } from "react";
import { markFirstRender } from "./appStart.js";
import { attempt, isObject, quietly } from "./found.js";

/** So many components are looked at, from the touched one outwards. */
const DEPTH = 60;

/** A finger that moves further does not tap, in points. Android's touch slop is 8. */
const SLOP = 10;

/** How long React Native's components wait until a press is a long one, ms, unless they are told otherwise. */
const LONG_MS = 500;

/** Components of React Native's own, whose names say nothing. */
const NAMELESS =
  /^((RCT|RN|Animated|Touchable|ScrollView|VirtualizedList).*|View|Text|Image|Pressable|FlatList|Modal|Anonymous|.)$/;

/** See {@link TouchBoundary}. */
export interface TouchBoundaryProps {
  readonly children?: ReactNode;
  /** The style of the view around the children. Default: it fills its place. */
  readonly style?: unknown;
  /**
   * Whether taps may be named after `accessibilityLabel`. Default: false, because what is read aloud is often what the
   * user sees, such as the name of a person.
   */
  readonly usesAccessibilityLabels?: boolean;
  /** The component that gets the touches. Default: React Native's `View`. */
  readonly view?: ElementType;
  /** Where the renderer announces events. Default: React Native's own `RawEventEmitter`. */
  readonly rawEvents?: RawEvents;
}

/** React Native's `RawEventEmitter`, as far as it is used. */
export interface RawEvents {
  addListener(type: string, listener: () => void): { remove(): void };
}

interface Fiber {
  readonly type?: unknown;
  readonly memoizedProps?: Readonly<Record<string, unknown>> | null;
  readonly return?: Fiber | null;
}

/** A touch, as React Native and browsers describe it. */
interface Touch {
  readonly pageX?: number;
  readonly pageY?: number;
}

interface TouchEventLike {
  /** What was touched. React Native 0.88 has it at the element instead. */
  readonly _targetInst?: Fiber | null;
  readonly target?: { readonly __internalInstanceHandle?: Fiber | null } | null;
  readonly nativeEvent?: Touch & { readonly touches?: ArrayLike<Touch>; readonly changedTouches?: ArrayLike<Touch> };
}

/**
 * Stands around the whole app and records each tap as an action that begins before the app's own `onPress` runs, so
 * that what follows belongs to it. Nothing of the app is wrapped or replaced.
 *
 * A tap is named after the nearest component, from the touched one outwards, that has a prop `throughlineName`, or up
 * to the one with `onPress` a `testID` (or `accessibilityLabel`, see `usesAccessibilityLabels`), else after the nearest
 * component of the app's own. In a production build the names of components are shortened, so give those that matter
 * one of these props, and no personal data in them. What a component shows as text is never read.
 *
 * A touch that moves more than 10 points, is taken over by a scroll view, is joined by another finger, or is held until
 * `onLongPress` is called is no tap. Of boundaries within one another, the innermost names it. What a screen reader
 * activates comes without a touch and is not seen.
 */
export function TouchBoundary({
  children,
  style = { flex: 1 },
  usesAccessibilityLabels = false,
  view: givenView,
  rawEvents,
}: TouchBoundaryProps): ReactNode {
  const [view] = useState(() => givenView ?? platformView());
  useEffect(() => markFirstRender(), []);
  useEffect(() => {
    let listener: { remove(): void } | undefined;
    quietly(() => {
      listener = (rawEvents ?? platformEvents())?.addListener("topTouchEnd", end);
    });
    return () => quietly(() => listener?.remove());
  }, [rawEvents]);
  if (!view) return createElement(Fragment, null, children);
  return createElement(
    view,
    {
      style,
      onTouchStartCapture: (event: TouchEventLike) => start(event, usesAccessibilityLabels),
      onTouchMoveCapture: move,
      onTouchEndCapture: end,
      onTouchCancelCapture: cancel,
    },
    children,
  );
}

/** The touch that may become a tap, whichever boundaries see it. It holds nothing of the app's. */
let touch: { readonly name: string; readonly x: number; readonly y: number; readonly until: number } | undefined;

const start = (event: TouchEventLike, usesLabels: boolean): void =>
  quietly(() => {
    touch = undefined;
    if ((event.nativeEvent?.touches?.length ?? 1) > 1) return;
    const [x, y] = place(event);
    const [name, longMs] = nameOf(event._targetInst ?? event.target?.__internalInstanceHandle, usesLabels);
    touch = { name, x, y, until: Date.now() + longMs };
  });

const move = (event: TouchEventLike): void =>
  quietly(() => {
    if (!touch) return;
    const [x, y] = place(event);
    if (Math.hypot(x - touch.x, y - touch.y) > SLOP) touch = undefined;
  });

const end = (): void =>
  quietly(() => {
    const tap = touch;
    touch = undefined;
    if (tap && Date.now() < tap.until) startAction(tap.name, undefined, "tap");
  });

const cancel = (): void => void (touch = undefined);

function place({ nativeEvent }: TouchEventLike): [x: number, y: number] {
  const touch = nativeEvent?.changedTouches?.[0] ?? nativeEvent;
  return [touch?.pageX ?? 0, touch?.pageY ?? 0];
}

/** What the app calls the component that was pressed, or one around it, and after how many ms its press is a long one. */
function nameOf(touched: Fiber | null | undefined, usesLabels: boolean): [name: string, longMs: number] {
  let name: unknown;
  let component: string | undefined;
  let isPressed = false;
  let longMs = Infinity;
  let fiber = touched;
  for (let depth = 0; fiber && depth < DEPTH && !(name && isPressed); depth++, fiber = fiber.return) {
    const { type, memoizedProps } = fiber;
    if (type === TouchBoundary) break;
    const props = memoizedProps ?? {};
    const isLong = typeof props["onLongPress"] === "function";
    const isPressable = isLong || typeof props["onPress"] === "function";
    // Beyond what was pressed, a `testID` is that of a list or a screen.
    const ids = isPressed && !isPressable ? [] : ["testID", usesLabels ? "accessibilityLabel" : ""];
    for (const key of ["throughlineName", ...ids]) name ||= typeof props[key] === "string" && props[key];
    if (isPressable && !isPressed) {
      isPressed = true;
      if (isLong) longMs = (props["delayLongPress"] as number | undefined) ?? LONG_MS;
      // What lies within a button, such as an icon, is not what was pressed.
      component = undefined;
    }
    component ??= displayName(type);
  }
  return [String(name || component || "unknown"), longMs];
}

function displayName(type: unknown, depth = 0): string | undefined {
  if (!isObject(type)) return undefined;
  const { displayName: given, name, render, type: inner } = type as Record<string, unknown>;
  const found = typeof given === "string" ? given : typeof name === "string" ? name : "";
  if (found !== "") return NAMELESS.test(found) ? undefined : found;
  // What `memo` and `forwardRef` make has the component inside.
  return depth < 2 ? displayName(render ?? inner, depth + 1) : undefined;
}

/** In Node and in a browser there is no React Native, and `require` may be missing. */
const platformView = (): ElementType | undefined =>
  attempt(() => (require("react-native") as { View?: ElementType }).View);

/** Metro leaves out what is missing if `require` stands in a `try`. */
function platformEvents(): RawEvents | undefined {
  try {
    return (require("react-native/Libraries/Core/RawEventEmitter") as { default?: RawEvents }).default;
  } catch {
    return undefined;
  }
}
