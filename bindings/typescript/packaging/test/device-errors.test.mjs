import assert from "node:assert/strict";
import { test } from "node:test";
import { Device } from "../device.mjs";

/** A device whose app has started, with a console that is traced, too. */
async function started(instrumentation = { consoleErrors: true }) {
  const device = await Device.start();
  const { Component, createElement: element } = device.React;
  const telemetry = device.recordTelemetry();
  device.throughline.start("granted", { serviceName: "shop" }, instrumentation);
  /** What was recorded of errors: what each says, and whether it was fatal. */
  const errors = () => telemetry.of("error").map(({ name, attributes }) => [name, attributes["error.fatal"] ?? false]);
  const Throws = ({ what }) => {
    throw what;
  };
  /** A boundary of another library's. */
  class Other extends Component {
    state = {};
    static getDerivedStateFromError = () => ({ hasFailed: true });
    render = () => (this.state.hasFailed ? null : this.props.children);
  }
  return { device, telemetry, errors, element, Throws, Other, ...device.throughline };
}

test("what a component throws within a boundary is recorded once, whatever it is", async () => {
  for (const says of ["an error", "a text", 7, null]) {
    for (const consoleErrors of [false, true]) {
      const { device, telemetry, errors, element, Throws, ErrorBoundary } = await started({ consoleErrors });
      const what = says === "an error" ? new device.TypeError(says) : says;
      await device.show(() => element(ErrorBoundary, { name: "cart" }, element(Throws, { what })));
      assert.deepEqual([...errors()], [[String(says), false]]);
      const [{ attributes }] = telemetry.of("error");
      assert.equal(attributes["error.boundary"], "cart");
      assert.match(attributes["error.component_stack"], /Throws/);
    }
  }
});

test("an error that no boundary catches is recorded once, as what ends the app", async () => {
  for (const isError of [true, false]) {
    const { device, errors, element, Throws } = await started();
    const what = isError ? new device.TypeError("broken") : "broken";
    await device.show(() => element(Throws, { what }));
    assert.deepEqual([...errors()], [["broken", true]]);
    assert.equal(device.exceptions.length, 1);
  }
});

test("an error that another library's boundary catches is recorded once", async () => {
  const { device, telemetry, errors, element, Throws, Other } = await started();
  await device.show(() => element(Other, null, element(Throws, { what: new device.Error("theirs") })));
  assert.deepEqual([...errors()], [["theirs", false]]);
  assert.match(telemetry.of("error")[0].attributes["error.component_stack"], /Throws/);
});

test("an error that a fallback throws on is recorded once, by whoever catches it in the end", async () => {
  for (const isOurs of [true, false]) {
    const { device, errors, element, Throws, Other, ErrorBoundary } = await started();
    const fallback = (error) => {
      throw error;
    };
    const what = new device.Error("thrown on");
    const inner = element(ErrorBoundary, { name: "inner", fallback }, element(Throws, { what }));
    await device.show(() => element(isOurs ? ErrorBoundary : Other, null, inner));
    await device.settle();
    assert.deepEqual([...errors()], [["thrown on", false]]);
  }
});

test("one error that fails many boundaries is recorded once", async () => {
  const { device, errors, element, Throws, ErrorBoundary } = await started();
  const what = new device.Error("shared");
  const rows = Array.from({ length: 20 }, (_, key) => element(ErrorBoundary, { key }, element(Throws, { what })));
  await device.show(() => rows);
  assert.deepEqual([...errors()], [["shared", false]]);
});

test("errors of timers, and those that React Native is told of, are recorded once", async () => {
  const { device, errors } = await started();
  const { ErrorUtils, console } = device.globals;
  ErrorUtils.reportError(new device.Error("reported"));
  ErrorUtils.applyWithGuard(() => {
    throw new device.Error("guarded");
  });
  console.error(new device.Error("written"));
  ErrorUtils.reportFatalError("a text");
  assert.deepEqual(
    [...errors()],
    [
      ["reported", false],
      ["guarded", false],
      ["written", false],
      ["a text", true],
    ],
  );
});
