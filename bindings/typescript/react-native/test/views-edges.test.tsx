import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BaseNavigationContainer,
  createNavigationContainerRef,
  createNavigatorFactory,
  StackRouter,
  TabRouter,
  useNavigationBuilder,
} from "@react-navigation/core";
import { StrictMode, type ComponentType, type ReactNode } from "react";
import { useExpoRouterViews } from "../src/expoRouter.js";
import { traceNavigation, useTracedView } from "../src/navigation.js";
import { App, dom, settle } from "./support.js";

const { createRoot } = await import("react-dom/client");

function rendered(isStrict = true) {
  const root = createRoot(dom.document.createElement("main"));
  return {
    show: (what: ReactNode) => settle(() => root.render(isStrict ? <StrictMode>{what}</StrictMode> : what)),
    end: () => settle(() => root.unmount()),
  };
}

function navigatorOf(router: typeof StackRouter | typeof TabRouter) {
  // Its types do not agree with exactOptionalPropertyTypes.
  const Navigator = (props: any) => {
    const { state, descriptors, NavigationContent } = useNavigationBuilder(router as any, props);
    // As in an app, a tab is rendered when it is first shown.
    const { key: focused } = state.routes[state.index]!;
    return (
      <NavigationContent>
        {state.routes.map(({ key }) => (key === focused ? descriptors[key]!.render() : null))}
      </NavigationContent>
    ) as ReactNode;
  };
  return createNavigatorFactory(Navigator)() as unknown as {
    Navigator: ComponentType<{ children?: ReactNode }>;
    Screen: ComponentType<{ name: string; component: ComponentType }>;
  };
}

const View = ({ name, children }: { name: string; children?: ReactNode }) => {
  useTracedView(name);
  return children;
};

test("a view that a sheet has covered is the view again when the sheet is gone", async () => {
  for (const isStrict of [false, true]) {
    const app = new App();
    const page = rendered(isStrict);
    await page.show([<View key="a" name="Cart" />]);
    await page.show([<View key="a" name="Cart" />, <View key="b" name="Sheet" />]);
    await page.show([<View key="a" name="Cart" />, <View key="b" name="Sheet" />, <View key="c" name="Alert" />]);
    await page.show([<View key="a" name="Cart" />, <View key="c" name="Alert" />]);
    await page.show([<View key="a" name="Cart" />]);
    assert.deepEqual(app.story(), ["+ Cart", "+ Sheet", "+ Alert", "+ Cart"]);
    await page.end();
    assert.deepEqual(app.story().slice(4), ["-"]);
    app.end();
  }
});

test("a hook within a screen does not end the view of its navigator", async () => {
  const app = new App();
  const Stack = navigatorOf(StackRouter);
  const ref = createNavigationContainerRef<any>();
  const page = rendered();
  const Home = () => null;
  const show = (isOpen: boolean) =>
    page.show(
      <BaseNavigationContainer ref={ref}>
        <Stack.Navigator>
          <Stack.Screen name="Home" component={Home} />
        </Stack.Navigator>
        {isOpen && <View name="Sheet" />}
      </BaseNavigationContainer>,
    );
  await show(false);
  const undo = traceNavigation(ref);
  await show(true);
  await show(false);
  assert.deepEqual(app.story(), ["+ Home", "+ Sheet", "+ Home"]);
  undo();
  await page.end();
  assert.deepEqual(app.story().slice(3), ["-"]);
  app.end();
});

test("a navigator that is shown for the first time within another one is one view", async () => {
  const app = new App();
  const Stack = navigatorOf(StackRouter);
  const Inner = navigatorOf(StackRouter);
  const Tabs = navigatorOf(TabRouter);
  const Nothing = () => null;
  const Settings = () => (
    <Tabs.Navigator>
      <Tabs.Screen name="General" component={More} />
      <Tabs.Screen name="Privacy" component={Nothing} />
    </Tabs.Navigator>
  );
  const More = () => (
    <Inner.Navigator>
      <Inner.Screen name="List" component={Nothing} />
    </Inner.Navigator>
  );
  for (const isStrict of [false, true]) {
    const ref = createNavigationContainerRef<any>();
    const undo = traceNavigation(ref);
    const page = rendered(isStrict);
    await page.show(
      <BaseNavigationContainer ref={ref}>
        <Stack.Navigator>
          <Stack.Screen name="Home" component={Nothing} />
          <Stack.Screen name="Settings" component={Settings} />
        </Stack.Navigator>
      </BaseNavigationContainer>,
    );
    const before = app.story().length;
    await settle(() => ref.navigate("Settings"));
    await settle(() => ref.navigate("Settings", { screen: "Privacy" }));
    await settle(() => ref.navigate("Home", undefined, { pop: true }));
    assert.deepEqual(app.story().slice(before), ["+ Settings/General/List", "+ Settings/Privacy", "+ Home"]);
    undo();
    await page.end();
  }
  app.end();
});

test("a container that is replaced, as when the user signs in, goes on with its own views", async () => {
  const app = new App();
  const Stack = navigatorOf(StackRouter);
  const Nothing = () => null;
  const ref = createNavigationContainerRef<any>();
  const undo = traceNavigation(ref);
  const page = rendered();
  const container = (name: string) => (
    <BaseNavigationContainer key={name} ref={ref}>
      <Stack.Navigator>
        <Stack.Screen name={name} component={Nothing} />
      </Stack.Navigator>
    </BaseNavigationContainer>
  );
  await page.show(container("SignIn"));
  await page.show(container("Home"));
  await page.show(null);
  assert.deepEqual(app.story().slice(0, 2), ["+ SignIn", "+ Home"]);
  await page.show(container("SignIn"));
  assert.equal(app.story().at(-1), "+ SignIn");
  undo();
  await page.end();
  app.end();
});

test("a value in place of a name, and segments that are none, harm nobody", async () => {
  const app = new App();
  const Odd = ({ what }: { what: unknown }) => {
    useTracedView(what as string);
    useExpoRouterViews(what as string[], what as string);
    return null;
  };
  const page = rendered(false);
  for (const what of [undefined, null, 7, {}, [undefined, Symbol("s")], Symbol("s"), "x".repeat(1_000_000)]) {
    await page.show(<Odd what={what} />);
  }
  await page.end();
  app.end();
});
