// What the tests use of `node:assert/strict`, for Hermes.
class AssertionError extends Error {}

const shown = (value) => {
  try {
    return typeof value === "bigint" ? `${value}n` : (JSON.stringify(value) ?? String(value));
  } catch {
    return String(value);
  }
};

function same(actual, expected) {
  if (Object.is(actual, expected)) return true;
  if (typeof actual !== "object" || typeof expected !== "object" || actual === null || expected === null) return false;
  if (Array.isArray(actual) !== Array.isArray(expected)) return false;
  const keys = Object.keys(actual);
  return (
    keys.length === Object.keys(expected).length &&
    keys.every((key) => Object.hasOwn(expected, key) && same(actual[key], expected[key]))
  );
}

const fail = (text) => {
  throw new AssertionError(text);
};
const check = (isRight, text, message) => void (isRight || fail(message ? `${message}: ${text}` : text));

export default {
  fail,
  ok: (value, message) => check(value, `${shown(value)} is not true`, message),
  equal: (actual, expected, message) =>
    check(Object.is(actual, expected), `${shown(actual)} is not ${shown(expected)}`, message),
  notEqual: (actual, other, message) => check(!Object.is(actual, other), `it is ${shown(actual)}`, message),
  deepEqual: (actual, expected, message) =>
    check(same(actual, expected), `${shown(actual)} is not ${shown(expected)}`, message),
  match: (text, pattern, message) => check(pattern.test(text), `${shown(text)} does not match ${pattern}`, message),
};
