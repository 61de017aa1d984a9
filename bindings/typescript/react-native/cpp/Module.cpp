#include "Module.h"

#include "Door.h"
#include "Draft.h"
#include "generated/throughline_attach.hpp"

extern "C" uint64_t throughline_version();

namespace throughline {

void installModule(jsi::Runtime& runtime, std::shared_ptr<facebook::react::CallInvoker> callInvoker) {
  auto global = runtime.global();
  if (global.hasProperty(runtime, "throughlineDoor")) return;
  NativeThroughlineAttach::registerModule(runtime, std::move(callInvoker));
  global.setProperty(runtime, "throughlineVersion", static_cast<double>(throughline_version()));
  global.setProperty(runtime, "throughlineDoor",
                     jsi::Function::createFromHostFunction(
                         runtime, jsi::PropNameID::forAscii(runtime, "throughlineDoor"), 1,
                         [](jsi::Runtime& runtime, const jsi::Value&, const jsi::Value* values, size_t count) {
                           jsi::Object door(runtime);
                           const bool isNumber = count > 0 && values[0].isNumber();
                           // A handle that is none leads to a door whose calls are answered with "closed".
                           installDoor(runtime, door, isNumber ? whole<uint64_t>(values[0].getNumber()) : 0);
                           return jsi::Value(std::move(door));
                         }));
}

}  // namespace throughline
