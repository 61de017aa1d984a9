// What the native module of a platform puts into a JavaScript runtime.
#pragma once

#include <ReactCommon/CallInvoker.h>
#include <jsi/jsi.h>

#include <memory>

namespace throughline {

/// Puts the generated code, under the global name that it chooses, and the door into a runtime. The
/// global function `throughlineDoor` takes the handle of a client, and returns an object with the
/// functions of `Door.h`.
///
/// Call it on the runtime's own thread. A second call for the same runtime changes nothing that
/// JavaScript can see. Throws what JSI throws.
void install(facebook::jsi::Runtime& runtime, const std::shared_ptr<facebook::react::CallInvoker>& invoker);

}  // namespace throughline
