// Arguments of JSI, as the writer of drafts reads them.
#pragma once

#include <jsi/jsi.h>

#include "Draft.h"

namespace throughline {
namespace jsi = facebook::jsi;

inline Kind kindOf(jsi::Runtime& runtime, const jsi::Value& value) {
  if (value.isNumber()) return Kind::Number;
  if (value.isString()) return Kind::Text;
  if (value.isBool()) return Kind::Bool;
  if (value.isObject()) return value.getObject(runtime).isArray(runtime) ? Kind::List : Kind::Bytes;
  return value.isUndefined() || value.isNull() ? Kind::None : Kind::Other;
}

/// Writes a text into a draft. Of what is ASCII, which nearly all names and keys are, the engine's own
/// bytes are copied, where JSI can lend them: React Native 0.76 cannot yet.
template <class Text>
void textInto(jsi::Runtime& runtime, const Text& text, DraftBuffer& out) {
  auto lend = [](bool, const void*, size_t) {};
  if constexpr (requires { text.getStringData(runtime, lend); }) {
    const size_t mark = out.mark();
    out.number(uint32_t{0});
    bool isAscii = true;
    auto copy = [&](bool ascii, const void* data, size_t size) {
      isAscii = isAscii && ascii;
      if (isAscii) out.part(data, size);
    };
    text.getStringData(runtime, copy);
    if (isAscii) return out.patch(mark, static_cast<uint32_t>(out.mark() - mark - sizeof(uint32_t)));
    out.cut(mark);
  }
  out.text(text.utf8(runtime));
}

/// The elements of an array, which this package's own code has made.
class JsiElements {
 public:
  JsiElements(jsi::Runtime& runtime, jsi::Array array)
      : runtime_(runtime), array_(std::move(array)), size_(array_.size(runtime)) {}

  size_t size() const { return size_; }
  Kind kind(size_t at) const { return kindOf(runtime_, value(at)); }
  bool boolean(size_t at) const { return value(at).getBool(); }
  double number(size_t at) const { return value(at).getNumber(); }
  std::string text(size_t at) const { return value(at).getString(runtime_).utf8(runtime_); }
  void textInto(size_t at, DraftBuffer& out) const {
    throughline::textInto(runtime_, value(at).getString(runtime_), out);
  }
  JsiElements list(size_t at) const { return {runtime_, value(at).getObject(runtime_).getArray(runtime_)}; }
  template <class Visit>
  void bytes(size_t at, Visit visit) const;

 private:
  jsi::Value value(size_t at) const { return array_.getValueAtIndex(runtime_, at); }

  jsi::Runtime& runtime_;
  jsi::Array array_;
  size_t size_;
};

/// Calls a function with the bytes of a `Uint8Array`; with none, if it is anything else.
template <class Visit>
void bytesOf(jsi::Runtime& runtime, const jsi::Value& value, Visit visit) {
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
void JsiElements::bytes(size_t at, Visit visit) const {
  bytesOf(runtime_, value(at), visit);
}

/// The arguments of a call.
class JsiArguments {
 public:
  JsiArguments(jsi::Runtime& runtime, const jsi::Value* values, size_t size)
      : runtime_(runtime), values_(values), size_(size) {}

  size_t size() const { return size_; }
  Kind kind(size_t at) const { return kindOf(runtime_, values_[at]); }
  bool boolean(size_t at) const { return values_[at].getBool(); }
  double number(size_t at) const { return values_[at].getNumber(); }
  std::string text(size_t at) const { return values_[at].getString(runtime_).utf8(runtime_); }
  void textInto(size_t at, DraftBuffer& out) const {
    throughline::textInto(runtime_, values_[at].getString(runtime_), out);
  }
  JsiElements list(size_t at) const { return {runtime_, values_[at].getObject(runtime_).getArray(runtime_)}; }
  template <class Visit>
  void bytes(size_t at, Visit visit) const {
    bytesOf(runtime_, values_[at], visit);
  }

 private:
  jsi::Runtime& runtime_;
  const jsi::Value* values_;
  size_t size_;
};

}  // namespace throughline
