#include "Door.h"

#include "Draft.h"

extern "C" int64_t throughline_record(uint64_t handle, const uint8_t *draft, size_t length);

namespace throughline {
namespace jsi = facebook::jsi;
namespace {

constexpr double MALFORMED = ANSWER_MALFORMED;

Kind kindOf(jsi::Runtime &runtime, const jsi::Value &value) {
  if (value.isNumber()) return Kind::Number;
  if (value.isString()) return Kind::Text;
  if (value.isBool()) return Kind::Bool;
  if (value.isObject()) return value.getObject(runtime).isArray(runtime) ? Kind::List : Kind::Bytes;
  return Kind::None;
}

/// The elements of an array, which this package's own code has made.
class Elements {
 public:
  Elements(jsi::Runtime &runtime, jsi::Array array) : runtime_(runtime), array_(std::move(array)), size_(array_.size(runtime)) {}

  size_t size() const { return size_; }
  Kind kind(size_t at) const { return kindOf(runtime_, value(at)); }
  bool boolean(size_t at) const { return value(at).getBool(); }
  double number(size_t at) const { return value(at).getNumber(); }
  std::string text(size_t at) const { return value(at).getString(runtime_).utf8(runtime_); }
  Elements list(size_t at) const { return {runtime_, value(at).getObject(runtime_).getArray(runtime_)}; }
  template <class Visit>
  void bytes(size_t at, Visit visit) const;

 private:
  jsi::Value value(size_t at) const { return array_.getValueAtIndex(runtime_, at); }

  jsi::Runtime &runtime_;
  jsi::Array array_;
  size_t size_;
};

/// Calls a function with the bytes of a `Uint8Array`; with none, if it is anything else.
template <class Visit>
void bytesOf(jsi::Runtime &runtime, const jsi::Value &value, Visit visit) {
  const auto object = value.getObject(runtime);
  const auto inner = object.getProperty(runtime, "buffer");
  if (!inner.isObject() || !inner.getObject(runtime).isArrayBuffer(runtime)) return visit(nullptr, 0);
  auto buffer = inner.getObject(runtime).getArrayBuffer(runtime);
  const auto offset = whole<size_t>(object.getProperty(runtime, "byteOffset").asNumber());
  const auto length = whole<size_t>(object.getProperty(runtime, "byteLength").asNumber());
  const size_t size = buffer.size(runtime);
  if (offset > size || length > size - offset) return visit(nullptr, 0);
  visit(buffer.data(runtime) + offset, length);
}

template <class Visit>
void Elements::bytes(size_t at, Visit visit) const {
  bytesOf(runtime_, value(at), visit);
}

/// The arguments of a call.
class Arguments {
 public:
  Arguments(jsi::Runtime &runtime, const jsi::Value *values, size_t size) : runtime_(runtime), values_(values), size_(size) {}

  size_t size() const { return size_; }
  Kind kind(size_t at) const { return kindOf(runtime_, values_[at]); }
  bool boolean(size_t at) const { return values_[at].getBool(); }
  double number(size_t at) const { return values_[at].getNumber(); }
  std::string text(size_t at) const { return values_[at].getString(runtime_).utf8(runtime_); }
  Elements list(size_t at) const { return {runtime_, values_[at].getObject(runtime_).getArray(runtime_)}; }
  template <class Visit>
  void bytes(size_t at, Visit visit) const {
    bytesOf(runtime_, values_[at], visit);
  }

 private:
  jsi::Runtime &runtime_;
  const jsi::Value *values_;
  size_t size_;
};

/// Writes a call into a buffer and hands it over.
double record(jsi::Runtime &runtime, DraftBuffer &buffer, uint64_t handle, double timeMs, const jsi::Value *values, size_t count) {
  buffer.clear();
  const Arguments arguments(runtime, values, count);
  if (!DraftWriter<Arguments>(buffer, arguments).write(timeMs)) return MALFORMED;
  return static_cast<double>(throughline_record(handle, buffer.data(), buffer.size()));
}

} // namespace

void installDoor(jsi::Runtime &runtime, jsi::Object &to, uint64_t handle) {
  const auto buffer = std::make_shared<DraftBuffer>();
  auto define = [&](const char *name, unsigned arity, jsi::HostFunctionType function) {
    to.setProperty(runtime, name, jsi::Function::createFromHostFunction(runtime, jsi::PropNameID::forAscii(runtime, name), arity, std::move(function)));
  };
  define("record", 3, [buffer, handle](jsi::Runtime &runtime, const jsi::Value &, const jsi::Value *values, size_t count) {
    return jsi::Value(record(runtime, *buffer, handle, 0, values, count));
  });
  define("recordAt", 4, [buffer, handle](jsi::Runtime &runtime, const jsi::Value &, const jsi::Value *values, size_t count) {
    if (count == 0 || !values[0].isNumber()) return jsi::Value(MALFORMED);
    return jsi::Value(record(runtime, *buffer, handle, values[0].getNumber(), values + 1, count - 1));
  });
}

} // namespace throughline
