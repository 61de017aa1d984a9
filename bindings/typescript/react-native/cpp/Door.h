// The door in JSI: one function of JavaScript's that records a call.
#pragma once

#include <jsi/jsi.h>

#include <memory>

namespace throughline {

/// Puts `record` and `recordAt` on an object, for the client with a handle. `record` takes the code
/// of the call, the slot of its context, how many mutations were suppressed, and the fields of the
/// call; `recordAt` takes the wall time in ms before them. Both return what the core answers.
///
/// They belong to the runtime's own thread, as everything of JSI does.
void installDoor(facebook::jsi::Runtime& runtime, facebook::jsi::Object& to, uint64_t handle);

}  // namespace throughline
