// The screen's state, and what happens when its name is edited. Nothing here is written for telemetry
// but the store's name, and what of it is no action of its own.

import { error } from "@throughline/react-native";
import { createTracedState } from "@throughline/core/valtio";

/** Valtio's own proxy. `useSnapshot` takes it. */
export const profile = createTracedState(
  { displayName: "", isLoading: false, error: "" },
  { name: "UserProfile", policy: { transient: ["isLoading"] } },
);

/** The server has refused a request. */
class Refused extends Error {
  override readonly name = "Refused";
}

/** Saves a name. The request, and what it changes, belong to the tap that called this. */
export async function rename(backend: string, displayName: string): Promise<void> {
  profile.isLoading = true;
  try {
    const answer = await fetch(`${backend}/api/me`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ displayName }),
    });
    if (!answer.ok) throw new Refused(`the server says ${answer.status}`);
    profile.displayName = displayName;
  } catch (refused) {
    error(refused);
    profile.error = String(refused);
  } finally {
    profile.isLoading = false;
  }
}
