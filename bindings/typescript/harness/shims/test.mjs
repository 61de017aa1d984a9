// `node:test` for Hermes: runs tests one after the other and prints what CI counts.
const tests = [];

export function test(name, work) {
  tests.push([name, work]);
  if (tests.length === 1) setTimeout(run, 0);
}

async function run() {
  let failed = 0;
  for (const [at, [name, work]] of tests.entries()) {
    try {
      await work();
      console.log(`ok ${at + 1} - ${name}`);
    } catch (error) {
      failed++;
      console.log(`not ok ${at + 1} - ${name}\n${error?.stack ?? error}`);
    }
  }
  console.log(`${tests.length - failed} passed, ${failed} failed`);
  globalThis.exitCode = failed > 0 ? 1 : 0;
}
