// The profile, and what happens when its name is edited. Nothing here is written for telemetry but
// the store's name and what of it is no action of its own.

import { createTracedState } from "@throughline/core/valtio";

/** Valtio's own proxy. `useSnapshot` takes it. */
export const profile = createTracedState(
  { displayName: "Ada", isLoading: false, error: "" },
  { name: "UserProfile", policy: { transient: ["isLoading"] } },
);

/** Saves a name. The request, and what it changes, belong to the tap that called it. */
export async function rename(displayName: string): Promise<void> {
  profile.isLoading = true;
  try {
    const answer = await fetch("https://api.example.com/me", {
      method: "PUT",
      body: displayName,
    });
    if (!answer.ok) throw new Error(`the backend answers ${answer.status}`);
    profile.displayName = displayName;
    profile.error = "";
  } catch (error) {
    profile.error = String(error);
  } finally {
    profile.isLoading = false;
  }
}
