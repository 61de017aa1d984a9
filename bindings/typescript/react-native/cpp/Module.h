// Everything native that a JavaScript runtime gets.
#pragma once

#include <ReactCommon/CallInvoker.h>
#include <jsi/jsi.h>

#include <memory>

namespace throughline {

/// Puts the native parts into a runtime, as properties of its global object:
/// - `NativeThroughlineAttach`: what the generated code calls,
/// - `throughlineDoor`: a function that takes the handle of a client and returns its `record` and
///   `recordAt` (see `installDoor`),
/// - `throughlineVersion`: the version of the library, in the form of
///   `DRAFT_LAYOUT_LIBRARY_VERSION`.
///
/// Call it on the runtime's own thread. A second call changes nothing.
void installModule(facebook::jsi::Runtime& runtime, std::shared_ptr<facebook::react::CallInvoker> callInvoker);

}  // namespace throughline
