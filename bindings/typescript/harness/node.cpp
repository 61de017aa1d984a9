// The door in Node, for tests: the same writer of drafts as in JSI.

#include <node_api.h>

#include <memory>
#include <string>

#include "../react-native/cpp/Draft.h"

extern "C" {
int64_t throughline_record(uint64_t handle, const uint8_t* draft, size_t length);
char* throughline_harness(const char* request);
void throughline_harness_free(char* answer);
}

namespace {
using throughline::DraftBuffer;
using throughline::DraftWriter;
using throughline::Kind;

Kind kindOf(napi_env env, napi_value value) {
  napi_valuetype type;
  napi_typeof(env, value, &type);
  switch (type) {
    case napi_number: return Kind::Number;
    case napi_string: return Kind::Text;
    case napi_boolean: return Kind::Bool;
    case napi_object: {
      bool isArray = false;
      napi_is_array(env, value, &isArray);
      return isArray ? Kind::List : Kind::Bytes;
    }
    case napi_undefined:
    case napi_null: return Kind::None;
    default: return Kind::Other;
  }
}

/// Values of Node's, by index.
class Values {
 public:
  Values(napi_env env, const napi_value* values, size_t size) : env_(env), values_(values), size_(size) {}
  Values(napi_env env, napi_value array) : env_(env), array_(array) {
    uint32_t length = 0;
    napi_get_array_length(env, array, &length);
    size_ = length;
  }

  size_t size() const { return size_; }
  Kind kind(size_t at) const { return kindOf(env_, value(at)); }
  bool boolean(size_t at) const {
    bool flag = false;
    napi_get_value_bool(env_, value(at), &flag);
    return flag;
  }
  double number(size_t at) const {
    double number = 0;
    napi_get_value_double(env_, value(at), &number);
    return number;
  }
  std::string text(size_t at) const {
    size_t length = 0;
    napi_get_value_string_utf8(env_, value(at), nullptr, 0, &length);
    std::string text(length + 1, '\0');
    napi_get_value_string_utf8(env_, value(at), text.data(), text.size(), &length);
    text.resize(length);
    return text;
  }
  void textInto(size_t at, DraftBuffer& out) const { out.text(text(at)); }
  Values list(size_t at) const { return {env_, value(at)}; }
  template <class Visit>
  void bytes(size_t at, Visit visit) const {
    size_t length = 0;
    void* data = nullptr;
    if (napi_get_typedarray_info(env_, value(at), nullptr, &length, &data, nullptr, nullptr) != napi_ok) length = 0;
    visit(static_cast<const uint8_t*>(data), length);
  }

 private:
  napi_value value(size_t at) const {
    if (values_ != nullptr) return values_[at];
    napi_value element;
    napi_get_element(env_, array_, static_cast<uint32_t>(at), &element);
    return element;
  }

  napi_env env_;
  const napi_value* values_ = nullptr;
  napi_value array_ = nullptr;
  size_t size_ = 0;
};

constexpr size_t MOST = 4096;

/// `draft(time, …)`: the bytes of a call, or `undefined` when it is none.
napi_value draft(napi_env env, napi_callback_info info) {
  size_t count = MOST;
  static napi_value values[MOST];
  napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  DraftBuffer buffer;
  const Values arguments(env, values + 1, count - 1);
  napi_value answer;
  napi_get_undefined(env, &answer);
  if (DraftWriter<Values>(buffer, arguments).write(Values(env, values, count).number(0))) {
    napi_create_buffer_copy(env, buffer.size(), buffer.data(), nullptr, &answer);
  }
  return answer;
}

/// `record(handle, time, …)`.
napi_value record(napi_env env, napi_callback_info info) {
  size_t count = MOST;
  static napi_value values[MOST];
  napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  static DraftBuffer buffer;
  buffer.clear();
  const Values all(env, values, count);
  const Values arguments(env, values + 2, count < 2 ? 0 : count - 2);
  const bool isCall = DraftWriter<Values>(buffer, arguments).write(all.number(1));
  const auto handle = throughline::whole<uint64_t>(all.number(0));
  // What is no call is counted by the core.
  const int64_t answer = throughline_record(handle, buffer.data(), isCall ? buffer.size() : 0);
  napi_value number;
  napi_create_double(env, static_cast<double>(answer), &number);
  return number;
}

/// `harness(json)`: the client and the backend of the tests.
napi_value harness(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value value;
  napi_get_cb_info(env, info, &count, &value, nullptr, nullptr);
  char* answer = throughline_harness(Values(env, &value, 1).text(0).c_str());
  napi_value text;
  napi_create_string_utf8(env, answer, NAPI_AUTO_LENGTH, &text);
  throughline_harness_free(answer);
  return text;
}

napi_value define(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      {"draft", nullptr, draft, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"record", nullptr, record, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"harness", nullptr, harness, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, 3, functions);
  return exports;
}
}  // namespace

NAPI_MODULE(throughline_harness, define)
