#include "Door.h"

#include "JsiArguments.h"

extern "C" int64_t throughline_record(uint64_t handle, const uint8_t* draft, size_t length);

namespace throughline {
namespace {

constexpr double MALFORMED = ANSWER_MALFORMED;

/// Writes a call into a buffer and hands it over.
double record(jsi::Runtime& runtime, DraftBuffer& buffer, uint64_t handle, double timeMs, const jsi::Value* values,
              size_t count) {
  buffer.clear();
  const JsiArguments arguments(runtime, values, count);
  const bool isCall = DraftWriter<JsiArguments>(buffer, arguments).write(timeMs);
  // A short call that cannot be written is made again in full. Anything else that is no call is refused, and counted,
  // by the core.
  if (!isCall && count > 0 && values[0].isNumber() && values[0].getNumber() >= SHORT_CALL) return MALFORMED;
  return static_cast<double>(throughline_record(handle, buffer.data(), isCall ? buffer.size() : 0));
}

}  // namespace

void installDoor(jsi::Runtime& runtime, jsi::Object& to, uint64_t handle) {
  const auto buffer = std::make_shared<DraftBuffer>();
  auto define = [&](const char* name, unsigned arity, jsi::HostFunctionType function) {
    to.setProperty(runtime, name,
                   jsi::Function::createFromHostFunction(runtime, jsi::PropNameID::forAscii(runtime, name), arity,
                                                         std::move(function)));
  };
  define("record", 3,
         [buffer, handle](jsi::Runtime& runtime, const jsi::Value&, const jsi::Value* values, size_t count) {
           return jsi::Value(record(runtime, *buffer, handle, 0, values, count));
         });
  define("recordAt", 4,
         [buffer, handle](jsi::Runtime& runtime, const jsi::Value&, const jsi::Value* values, size_t count) {
           if (count == 0 || !values[0].isNumber()) return jsi::Value(MALFORMED);
           return jsi::Value(record(runtime, *buffer, handle, values[0].getNumber(), values + 1, count - 1));
         });
}

}  // namespace throughline
