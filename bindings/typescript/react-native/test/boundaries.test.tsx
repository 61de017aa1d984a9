import assert from "node:assert/strict";
import { test } from "node:test";
import { StrictMode, type ReactNode } from "react";
import type { Root } from "react-dom/client";
import { traceConsoleErrors } from "../src/console.js";
import { ErrorBoundary } from "../src/ErrorBoundary.js";
import { TouchBoundary, type RawEvents } from "../src/TouchBoundary.js";
import { App, consoleErrors, dom, settle } from "./support.js";

const { createRoot } = await import("react-dom/client");

/** Renders into a document, as an app is rendered. */
async function shown(what: ReactNode): Promise<{ main: HTMLElement; root: Root }> {
  const main = dom.document.createElement("main");
  dom.document.body.append(main);
  const root = createRoot(main);
  await settle(() => root.render(what));
  return { main, root };
}

function Throws({ what }: { what: unknown }): ReactNode {
  throw what;
}

test("an error of a component is recorded once, with the components that it went through", async () => {
  for (const isStrict of [false, true]) {
    for (const isConsoleTraced of [false, true]) {
      const app = new App();
      const thrown = new TypeError(`broken ${isStrict} ${isConsoleTraced}`);
      const told: unknown[] = [];
      const boundary = (
        <ErrorBoundary name="cart" fallback="sorry" onError={(error) => void told.push(error)}>
          <p>
            <Throws what={thrown} />
          </p>
        </ErrorBoundary>
      );
      let text: string | null = "";
      const written = await consoleErrors(async () => {
        const undo = isConsoleTraced ? traceConsoleErrors() : () => {};
        const { main, root } = await shown(isStrict ? <StrictMode>{boundary}</StrictMode> : boundary);
        text = main.textContent;
        await settle(() => root.unmount());
        undo();
      });
      assert.equal(text, "sorry");
      assert.deepEqual(app.messages(), [thrown.message]);
      const [{ type, attributes }] = app.errors() as [ReturnType<App["errors"]>[number]];
      assert.equal(type, "TypeError");
      assert.equal(attributes["error.boundary"], "cart");
      assert.match(String(attributes["error.component_stack"]), /Throws|at /);
      assert.deepEqual(told, [thrown]);
      assert.equal(written.length, 1, "React's own report goes on to the console");
      app.end();
    }
  }
});

test("what a component throws may be anything, and is recorded once", async () => {
  for (const thrown of [undefined, null, "a text", 7]) {
    const app = new App();
    await consoleErrors(async () => {
      const undo = traceConsoleErrors();
      const { main, root } = await shown(
        <ErrorBoundary fallback={(error) => `sorry: ${String(error)}`}>
          <Throws what={thrown} />
        </ErrorBoundary>,
      );
      assert.equal(main.textContent, `sorry: ${String(thrown)}`);
      await settle(() => root.unmount());
      undo();
    });
    assert.equal(app.messages().filter((message) => message === String(thrown)).length, 1, String(thrown));
    app.end();
  }
});

test("after a reset, or with another key, the children are tried again", async () => {
  const app = new App();
  let isBroken = true;
  let reset: () => void = () => assert.fail("the fallback was not shown");
  const Child = (): ReactNode => {
    if (isBroken) throw new Error("broken");
    return "whole";
  };
  const boundary = (key: number) => (
    <ErrorBoundary
      resetKey={key}
      fallback={(_, again) => {
        reset = again;
        return "sorry";
      }}
    >
      <Child />
    </ErrorBoundary>
  );
  await consoleErrors(async () => {
    const { main, root } = await shown(boundary(1));
    assert.equal(main.textContent, "sorry");
    isBroken = false;
    await settle(() => root.render(boundary(1)));
    assert.equal(main.textContent, "sorry", "the key is the same");
    await settle(() => root.render(boundary(2)));
    assert.equal(main.textContent, "whole");
    isBroken = true;
    await settle(() => root.render(boundary(2)));
    assert.equal(main.textContent, "sorry");
    isBroken = false;
    await settle(() => reset());
    assert.equal(main.textContent, "whole");
    await settle(() => root.unmount());
  });
  assert.deepEqual(app.messages(), ["broken", "broken"]);
  app.end();
});

/** Whether events have the component that was touched at their target, as since React Native 0.88, or themselves. */
let isAtTarget = false;

/** A view whose events have the component that was touched, as those of React Native's renderer have. */
const View = ({ children, style: _, ...handlers }: { children?: ReactNode; style?: unknown }) => {
  const given = Object.entries(handlers as Record<string, (event: object) => void>).map(([name, handler]) => [
    name,
    ({ target, nativeEvent }: { target: Element; nativeEvent: object }) => {
      const key = Object.keys(target).find((known) => known.startsWith("__reactFiber$"))!;
      const fiber = (target as unknown as Record<string, unknown>)[key];
      handler({
        nativeEvent,
        ...(isAtTarget ? { target: { __internalInstanceHandle: fiber } } : { _targetInst: fiber }),
      });
    },
  ]);
  return <div {...Object.fromEntries(given)}>{children}</div>;
};

/** Touches an element as a finger does. */
async function touch(target: Element, steps: readonly [type: string, x: number, fingers?: number][]): Promise<void> {
  await settle(() => {
    for (const [type, x, fingers = 1] of steps) {
      const at = { pageX: x, pageY: 0 };
      const event = new dom.Event(type, { bubbles: true, cancelable: true });
      Object.assign(event, { touches: Array(fingers).fill(at), changedTouches: [at] });
      target.dispatchEvent(event);
    }
  });
}

const tap: [string, number][] = [
  ["touchstart", 5],
  ["touchend", 5],
];

/** A component as React Native's `Pressable` is: its `onPress` is called as the touch ends. */
const Pressable = ({ onPress, children, ...more }: Record<string, unknown> & { children?: ReactNode }) => (
  <div {...{ onTouchEnd: onPress as () => void }} data-id={more["testID"] as string}>
    {children}
  </div>
);

const SaveButton = ({ children }: { children?: ReactNode }) => <Pressable onPress={() => {}}>{children}</Pressable>;
const Screen = ({ children }: { children?: ReactNode; testID?: string }) => <section>{children}</section>;
const Icon = () => <i>i</i>;
const Named = ({ children }: { throughlineName: string; children?: ReactNode }) => <div>{children}</div>;

test("a tap is named by what the app says of the component, and never by what is shown", async () => {
  const cases: [ReactNode, string, string?][] = [
    [<Pressable key="a" testID="save" onPress={() => {}} children={<i>Ada Lovelace</i>} />, "save"],
    [<Named key="b" throughlineName="buy" children={<Pressable onPress={() => {}} children={<i>x</i>} />} />, "buy"],
    [<Screen key="c" testID="home" children={<SaveButton children={<Icon />} />} />, "SaveButton"],
    [<Screen key="d" testID="home" children={<i>background</i>} />, "home"],
    [<Pressable key="e" accessibilityLabel="Ada Lovelace" onPress={() => {}} children={<i>x</i>} />, "unknown"],
    [<Pressable key="f" testID="" throughlineName={7} onPress={() => {}} children={<i>x</i>} />, "unknown"],
  ];
  for (const [what, name] of cases) {
    const app = new App();
    const { main, root } = await shown(<TouchBoundary view={View}>{what}</TouchBoundary>);
    await touch(main.querySelector("i")!, tap);
    assert.deepEqual(app.story(), [`tap ${name}`]);
    await settle(() => root.unmount());
    app.end();
  }
});

test("an accessibility label names a tap only if the app says so", async () => {
  const app = new App();
  const { main, root } = await shown(
    <TouchBoundary view={View} usesAccessibilityLabels>
      <Pressable accessibilityLabel="Save" onPress={() => {}} children={<i>x</i>} />
    </TouchBoundary>,
  );
  await touch(main.querySelector("i")!, tap);
  assert.deepEqual(app.story(), ["tap Save"]);
  await settle(() => root.unmount());
  app.end();
});

test("a tap begins before the app's handler runs, and there is one for each touch", async () => {
  const app = new App();
  let seen: string[] = [];
  const { main, root } = await shown(
    <StrictMode>
      <TouchBoundary view={View}>
        <Pressable testID="save" onPress={() => void (seen = app.story())} children={<i>x</i>} />
      </TouchBoundary>
    </StrictMode>,
  );
  await touch(main.querySelector("i")!, tap);
  assert.deepEqual(seen, ["tap save"]);
  await touch(main.querySelector("i")!, tap);
  assert.deepEqual(app.story(), ["tap save", "tap save"]);
  await settle(() => root.unmount());
  app.end();
});

test("where the renderer tells the responder first, the tap begins as the event is announced", async () => {
  const app = new App();
  const listeners = new Set<() => void>();
  const rawEvents: RawEvents = {
    addListener(type, listener) {
      assert.equal(type, "topTouchEnd");
      listeners.add(listener);
      return { remove: () => void listeners.delete(listener) };
    },
  };
  const { main, root } = await shown(
    <StrictMode>
      <TouchBoundary view={View} rawEvents={rawEvents}>
        <Pressable testID="save" onPress={() => {}} children={<i>x</i>} />
      </TouchBoundary>
    </StrictMode>,
  );
  assert.equal(listeners.size, 1);
  const target = main.querySelector("i")!;
  await touch(target, [["touchstart", 5]]);
  for (const listener of listeners) listener();
  assert.deepEqual(app.story(), ["tap save"], "nobody has been told of the end yet");
  await touch(target, [["touchend", 5]]);
  assert.deepEqual(app.story(), ["tap save"]);
  await settle(() => root.unmount());
  assert.equal(listeners.size, 0);
  app.end();
});

test("a scroll, a second finger and a touch that is taken away are no taps", async () => {
  const app = new App();
  const { main, root } = await shown(
    <TouchBoundary view={View}>
      <i>x</i>
    </TouchBoundary>,
  );
  const target = main.querySelector("i")!;
  await touch(target, [
    ["touchstart", 5],
    ["touchmove", 25],
    ["touchmove", 5],
    ["touchend", 5],
  ]);
  await touch(target, [
    ["touchstart", 5],
    ["touchstart", 50, 2],
    ["touchend", 5],
  ]);
  await touch(target, [
    ["touchstart", 5],
    ["touchcancel", 5],
    ["touchend", 5],
  ]);
  await touch(target, [["touchend", 5]]);
  assert.deepEqual(app.story(), []);
  await touch(target, [
    ["touchstart", 5],
    ["touchmove", 9],
    ["touchend", 9],
  ]);
  assert.deepEqual(app.story(), ["tap unknown"]);
  await settle(() => root.unmount());
  app.end();
});

test("events that lack everything, and components whose props throw, harm nobody", async () => {
  const app = new App();
  let handlers: Record<string, (event: unknown) => void> = {};
  const Kept = ({ children, ...props }: { children?: ReactNode }) => {
    handlers = props as typeof handlers;
    return children;
  };
  const { main, root } = await shown(<TouchBoundary view={Kept}>content</TouchBoundary>);
  assert.equal(main.textContent, "content");
  const { onTouchStartCapture: start, onTouchEndCapture: end, onTouchMoveCapture: move } = handlers;
  const loop: Record<string, unknown> = { type: {}, memoizedProps: null };
  loop["return"] = loop;
  const hostile = {
    get memoizedProps() {
      throw new Error("do not look");
    },
  };
  for (const event of [undefined, null, {}, { nativeEvent: null }, { _targetInst: loop }, { _targetInst: hostile }]) {
    start!(event);
    move!(event);
    end!(event);
  }
  assert.deepEqual(app.story(), ["tap unknown", "tap unknown", "tap unknown"]);
  await settle(() => root.unmount());
  app.end();
});

test("a tap has its name in every form in which React Native says what was touched", async () => {
  for (isAtTarget of [true, false]) {
    const app = new App();
    const Button = ({ onPress: _ }: { onPress: () => void; testID: string }) => <button />;
    const { main, root } = await shown(
      <TouchBoundary view={View}>
        <Button testID="buy" onPress={() => undefined} />
      </TouchBoundary>,
    );
    await touch(main.querySelector("button")!, [
      ["touchstart", 0],
      ["touchend", 0],
    ]);
    assert.deepEqual(app.story(), ["tap buy"]);
    await settle(() => root.unmount());
    app.end();
  }
});

test("without React Native the boundary shows its children and nothing else", async () => {
  const { main, root } = await shown(<TouchBoundary>content</TouchBoundary>);
  assert.equal(main.innerHTML, "content");
  await settle(() => root.unmount());
});
