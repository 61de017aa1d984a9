import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BaseNavigationContainer,
  createNavigationContainerRef,
  createNavigatorFactory,
  StackRouter,
  TabRouter,
  useIsFocused,
  useNavigationBuilder,
} from "@react-navigation/core";
import { StrictMode, type ComponentType, type ReactNode } from "react";
import { CALL_MARK_INTERACTIVE } from "@throughline/core/calls";
import { markFirstRender, markInteractive, traceAppStart } from "../src/appStart.js";
import { useExpoRouterViews } from "../src/expoRouter.js";
import { traceLongTasks } from "../src/longTasks.js";
import { traceNavigation, useTracedView } from "../src/navigation.js";
import { App, dom, settle } from "./support.js";

const { createRoot } = await import("react-dom/client");

interface Rendered {
  show(what: ReactNode): Promise<void>;
  end(): Promise<void>;
}

function rendered(): Rendered {
  const root = createRoot(dom.document.createElement("main"));
  return { show: (what) => settle(() => root.render(what)), end: () => settle(() => root.unmount()) };
}

/** Navigators without anything native. They show every screen, as React Navigation's keep those below mounted. */
function navigatorOf(router: typeof StackRouter | typeof TabRouter) {
  // Its types do not agree with exactOptionalPropertyTypes.
  const Navigator = (props: any) => {
    const { state, descriptors, NavigationContent } = useNavigationBuilder(router as any, props);
    return (
      <NavigationContent>{state.routes.map(({ key }) => descriptors[key]!.render())}</NavigationContent>
    ) as ReactNode;
  };
  return createNavigatorFactory(Navigator)() as unknown as {
    Navigator: ComponentType<{ children?: ReactNode }>;
    Screen: ComponentType<{ name: string; component: ComponentType }>;
  };
}

test("a view is shown once under StrictMode, and ends with its component", async () => {
  const View = ({ name, isFocused }: { name: string; isFocused?: boolean }) => {
    useTracedView(name, isFocused);
    return null;
  };
  for (const isStrict of [false, true]) {
    const app = new App();
    const page = rendered();
    const show = (what: ReactNode) => page.show(isStrict ? <StrictMode>{what}</StrictMode> : what);
    await show(<View key="a" name="Cart" />);
    assert.deepEqual(app.story(), ["+ Cart"]);
    await show(<View key="a" name="Cart" />);
    await show(<View key="a" name="Cart/Empty" />);
    assert.deepEqual(app.story(), ["+ Cart", "+ Cart/Empty"]);
    await show(<View key="b" name="Home" />);
    assert.deepEqual(app.story(), ["+ Cart", "+ Cart/Empty", "+ Home"]);
    await show([<View key="b" name="Home" isFocused={false} />, <View key="c" name="Sheet" />]);
    await show([<View key="b" name="Home" isFocused />]);
    assert.deepEqual(app.story().slice(3), ["+ Sheet", "+ Home"]);
    await show(null);
    await page.end();
    assert.deepEqual(app.story().slice(5), ["-"]);
    app.end();
  }
});

test("React Navigation's routes are views, named from the outermost to the innermost, without params", async () => {
  const app = new App();
  const Stack = navigatorOf(StackRouter);
  const Tabs = navigatorOf(TabRouter);
  const Nothing = () => null;
  const Home = () => (
    <Tabs.Navigator>
      <Tabs.Screen name="Feed" component={Nothing} />
      <Tabs.Screen name="Profile" component={Nothing} />
    </Tabs.Navigator>
  );
  const ref = createNavigationContainerRef<any>();
  const undo = traceNavigation(ref);
  assert.deepEqual(app.story(), [], "there is no container yet");
  const page = rendered();
  await page.show(
    <StrictMode>
      <BaseNavigationContainer ref={ref}>
        <Stack.Navigator>
          <Stack.Screen name="Home" component={Home} />
          <Stack.Screen name="Details" component={Nothing} />
        </Stack.Navigator>
      </BaseNavigationContainer>
    </StrictMode>,
  );
  const go = (name: string, params?: object) => settle(() => ref.navigate(name, params));
  assert.deepEqual(app.story(), ["+ Home/Feed"]);
  await go("Profile");
  await go("Details", { id: "ada@example.org" });
  await settle(() => ref.setParams({ id: "grace@example.org" }));
  assert.deepEqual(app.story(), ["+ Home/Feed", "+ Home/Profile", "+ Details"]);
  await settle(() => ref.dispatch({ type: "PUSH", payload: { name: "Details", params: { id: "2" } } }));
  await settle(() => ref.goBack());
  await settle(() => ref.goBack());
  assert.deepEqual(app.story().slice(3), ["+ Details", "+ Details", "+ Home/Profile"]);
  assert.ok(!JSON.stringify(app.calls).includes("example.org"));
  undo();
  await settle(() => {});
  await go("Details");
  assert.deepEqual(app.story().slice(6), ["-"]);
  // Installed while the container is shown, it knows at once.
  traceNavigation(ref)();
  assert.deepEqual(app.story().slice(7), ["+ Details"]);
  await page.end();
  app.end();
});

test("a screen that stays mounted under another one is no view meanwhile", async () => {
  const app = new App();
  const Stack = navigatorOf(StackRouter);
  const Traced = ({ name }: { name: string }) => {
    useTracedView(name, useIsFocused());
    return null;
  };
  const One = () => <Traced name="One" />;
  const Two = () => <Traced name="Two" />;
  const ref = createNavigationContainerRef<any>();
  const page = rendered();
  await page.show(
    <StrictMode>
      <BaseNavigationContainer ref={ref}>
        <Stack.Navigator>
          <Stack.Screen name="One" component={One} />
          <Stack.Screen name="Two" component={Two} />
        </Stack.Navigator>
      </BaseNavigationContainer>
    </StrictMode>,
  );
  await settle(() => ref.navigate("Two"));
  await settle(() => ref.goBack());
  assert.deepEqual(app.story(), ["+ One", "+ Two", "+ One"]);
  await page.end();
  app.end();
});

test("a navigator that breaks harms nobody", () => {
  const app = new App();
  const fails = (): never => {
    throw new Error("not ready");
  };
  traceNavigation({ isReady: fails, getRootState: fails, addListener: fails })();
  const loop: Record<string, unknown> = { index: 0 };
  loop["routes"] = [{ name: "Again", state: loop }];
  for (const state of [undefined, null, {}, { routes: [] }, { index: 9, routes: [{ name: "x" }] }, 7, loop]) {
    traceNavigation({ isReady: () => true, getRootState: () => state, addListener: () => () => {} })();
  }
  assert.deepEqual(app.story(), [`+ ${Array(20).fill("Again").join("/")}`]);
  app.end();
});

test("Expo Router's views are named after files, and never after values", async () => {
  const app = new App();
  const Layout = ({ segments, path }: { segments: string[]; path: string }) => {
    useExpoRouterViews(segments, path);
    return null;
  };
  const page = rendered();
  const show = (segments: string[], path: string) =>
    page.show(
      <StrictMode>
        <Layout segments={segments} path={path} />
      </StrictMode>,
    );
  await show([], "/");
  await show(["(tabs)", "user", "[id]"], "/user/ada");
  await show(["(tabs)", "user", "[id]"], "/user/ada");
  await show(["(tabs)", "user", "[id]"], "/user/grace");
  await show(["files", "[...path]"], "/files/a/b");
  assert.deepEqual(app.story(), ["+ /", "+ /user/[id]", "+ /user/[id]", "+ /files/[...path]"]);
  await page.end();
  assert.deepEqual(app.story().at(-1), "-");
  assert.ok(!JSON.stringify(app.calls).includes("grace"));
  app.end();
});

test("long tasks come from the engine where it knows them", () => {
  const app = new App();
  const globals = globalThis as Record<string, unknown>;
  const before = globals["PerformanceObserver"];
  let isObserved = false;
  let tell: (list: { getEntries(): { duration: number }[] }) => void = () => {};
  globals["PerformanceObserver"] = class {
    static supportedEntryTypes = ["longtask"];
    constructor(listener: typeof tell) {
      tell = listener;
    }
    observe = ({ type }: { type: string }) => void (isObserved = type === "longtask");
    disconnect = () => void (isObserved = false);
  };
  try {
    const undo = traceLongTasks({ thresholdMs: 100 });
    assert.ok(isObserved);
    tell({ getEntries: () => [{ duration: 99 }, { duration: 120 }] });
    assert.deepEqual(app.longTasks(), [120e6]);
    undo();
    assert.ok(!isObserved);
  } finally {
    globals["PerformanceObserver"] = before;
    app.end();
  }
});

test("a busy thread is noticed by a timer, which rests in the background", async () => {
  const app = new App();
  let to: (state: string) => void = () => {};
  let isRemoved = false;
  const appState = {
    currentState: "active",
    addEventListener(_: "change", listener: typeof to) {
      to = listener;
      return { remove: () => void (isRemoved = true) };
    },
  };
  const busy = async (ms: number) => {
    const end = performance.now() + ms;
    while (performance.now() < end);
    await new Promise((done) => setTimeout(done, 60));
  };
  const undo = traceLongTasks({ thresholdMs: 200, appState });
  await busy(400);
  assert.ok(app.longTasks().length >= 1);
  assert.ok(app.longTasks()[0]! >= 200e6);
  to("background");
  const known = app.longTasks().length;
  await busy(400);
  assert.equal(app.longTasks().length, known);
  undo();
  assert.ok(isRemoved);
  app.end();
});

test("the app's start is measured once, and only from a start that a user waited for", () => {
  const app = new App();
  markFirstRender();
  markInteractive();
  traceAppStart(0);
  traceAppStart(NaN);
  markFirstRender();
  assert.deepEqual(app.vitals(), []);
  const end = traceAppStart(Date.now() - 500);
  traceAppStart(Date.now() - 900);
  markFirstRender();
  markFirstRender();
  markInteractive();
  markInteractive();
  assert.equal(app.calls.filter(([call]) => call === CALL_MARK_INTERACTIVE).length, 3, "each view may be complete");
  assert.deepEqual(
    app.vitals().map(([name, value, unit]) => [name, (value as number) >= 500, unit]),
    [
      ["app.start.javascript", true, "ms"],
      ["app.start.first_render", true, "ms"],
      ["app.start.interactive", true, "ms"],
    ],
  );
  end();
  traceAppStart(Date.now() - 100);
  assert.equal(app.vitals().length, 3);
  app.end();
});
