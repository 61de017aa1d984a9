#include "Install.h"

#include "Door.h"
#if __has_include("generated/throughline.hpp")
#include "generated/throughline.hpp"
#define THROUGHLINE_GENERATED 1
#endif

namespace throughline {

namespace jsi = facebook::jsi;

void install(jsi::Runtime& runtime, const std::shared_ptr<facebook::react::CallInvoker>& invoker) {
#ifdef THROUGHLINE_GENERATED
  NativeThroughline::registerModule(runtime, invoker);
#else
  static_cast<void>(invoker);
#endif
  const char* name = "throughlineDoor";
  auto door = [](jsi::Runtime& runtime, const jsi::Value&, const jsi::Value* values, size_t count) {
    jsi::Object door(runtime);
    // A handle that is none is one of a client that does not run.
    const double handle = count > 0 && values[0].isNumber() ? values[0].getNumber() : 0;
    installDoor(runtime, door, handle > 0 && handle <= 9007199254740991.0 ? static_cast<uint64_t>(handle) : 0);
    return jsi::Value(std::move(door));
  };
  auto function = jsi::Function::createFromHostFunction(runtime, jsi::PropNameID::forAscii(runtime, name), 1, door);
  runtime.global().setProperty(runtime, name, std::move(function));
}

}  // namespace throughline
