#include "Door.h"

#include "JsiArguments.h"

extern "C" int64_t throughline_record(uint64_t handle, const uint8_t* draft, size_t length);

namespace throughline {
namespace {

constexpr double MALFORMED = ANSWER_MALFORMED;

/// The buffer of a door, which its calls share.
struct Shared {
  DraftBuffer buffer;
  bool isBusy = false;
};

/// Writes a call into a buffer and hands it over.
double recordWith(jsi::Runtime& runtime, DraftBuffer& buffer, uint64_t handle, double timeMs, const jsi::Value* values,
                  size_t count) {
  const JsiArguments arguments(runtime, values, count);
  const bool isCall = DraftWriter<JsiArguments>(buffer, arguments).write(timeMs);
  // A short call that cannot be written is made again in full. Anything else that is no call is refused, and counted,
  // by the core.
  if (!isCall && count > 0 && values[0].isNumber() && values[0].getNumber() >= SHORT_CALL) return MALFORMED;
  return static_cast<double>(throughline_record(handle, buffer.data(), isCall ? buffer.size() : 0));
}

/// Records a call. A getter that runs while it is written may record another, which gets a buffer of its own.
double record(jsi::Runtime& runtime, Shared& shared, uint64_t handle, double timeMs, const jsi::Value* values,
              size_t count) {
  if (shared.isBusy) {
    DraftBuffer own;
    return recordWith(runtime, own, handle, timeMs, values, count);
  }
  struct Busy {
    Shared& of;
    explicit Busy(Shared& of) : of(of) { of.isBusy = true; }
    ~Busy() {
      of.buffer.clear();
      of.isBusy = false;
    }
  } busy(shared);
  return recordWith(runtime, shared.buffer, handle, timeMs, values, count);
}

}  // namespace

void installDoor(jsi::Runtime& runtime, jsi::Object& to, uint64_t handle) {
  const auto shared = std::make_shared<Shared>();
  auto define = [&](const char* name, unsigned arity, jsi::HostFunctionType function) {
    to.setProperty(runtime, name,
                   jsi::Function::createFromHostFunction(runtime, jsi::PropNameID::forAscii(runtime, name), arity,
                                                         std::move(function)));
  };
  define("record", 3,
         [shared, handle](jsi::Runtime& runtime, const jsi::Value&, const jsi::Value* values, size_t count) {
           return jsi::Value(record(runtime, *shared, handle, 0, values, count));
         });
  define("recordAt", 4,
         [shared, handle](jsi::Runtime& runtime, const jsi::Value&, const jsi::Value* values, size_t count) {
           if (count == 0 || !values[0].isNumber()) return jsi::Value(MALFORMED);
           return jsi::Value(record(runtime, *shared, handle, values[0].getNumber(), values + 1, count - 1));
         });
}

}  // namespace throughline
