// Functions of ours in the place of a platform's.

import { guarded } from "./recorder.js";

/**
 * Puts functions into an object, unless they are there already. They ask whether they are in force, and else only pass
 * calls on.
 *
 * @returns a function that ends it. What others have put in their place meanwhile stays.
 */
type Patch = <T extends object>(target: T, make: (isInForce: () => boolean) => Partial<T>) => () => void;

/** Makes a {@link Patch}. Each knows of its own functions alone: the global object has several that are patched. */
export function patcher(): Patch {
  /** What is in force, by object. Others may have wrapped earlier functions, which only pass calls on. */
  const inForce = new WeakMap<object, { isThere(): boolean; undo(): void }>();
  return (target, make) => {
    const known = inForce.get(target);
    if (known?.isThere()) return known.undo;
    const isInForce = (): boolean => inForce.get(target) === mine;
    const ours = make(isInForce);
    const before = { ...ours };
    const keys = Object.keys(ours) as (keyof typeof target)[];
    const mine = {
      isThere: () => keys.every((key) => target[key] === ours[key]),
      undo: () => {
        if (isInForce()) inForce.delete(target);
        guarded(() => {
          for (const key of keys) if (target[key] === ours[key]) target[key] = before[key]!;
        });
      },
    };
    guarded(() => {
      for (const key of keys) before[key] = target[key];
      Object.assign(target, ours);
      inForce.set(target, mine);
    });
    return mine.undo;
  };
}
