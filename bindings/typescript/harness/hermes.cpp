// Runs bundles of JavaScript in Hermes, with what a test needs of the platform: timers, a console,
// the door, and the client and the backend that are behind `throughline_harness`.

#include <hermes/hermes.h>
#include <jsi/jsi.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <thread>

#include "../react-native/cpp/Door.h"
#include "../react-native/cpp/JsiArguments.h"

extern "C" {
char* throughline_harness(const char* request);
void throughline_harness_free(char* answer);
}

namespace {
namespace jsi = facebook::jsi;
using Clock = std::chrono::steady_clock;

/// Timers of JavaScript's, by when they are due.
struct Timers {
  std::multimap<std::pair<Clock::time_point, double>, std::shared_ptr<jsi::Function>> due;
  double last = 0;
};

std::string readFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

void define(jsi::Runtime& runtime, jsi::Object& to, const char* name, jsi::HostFunctionType function) {
  to.setProperty(
      runtime, name,
      jsi::Function::createFromHostFunction(runtime, jsi::PropNameID::forAscii(runtime, name), 1, std::move(function)));
}

/// What the tests get as `throughlineHost`.
jsi::Object host(jsi::Runtime& runtime, const std::string& repository) {
  jsi::Object host(runtime);
  define(runtime, host, "draft", [](jsi::Runtime& runtime, const jsi::Value&, const jsi::Value* values, size_t count) {
    throughline::DraftBuffer buffer;
    const throughline::JsiArguments arguments(runtime, values + 1, count - 1);
    if (!throughline::DraftWriter<throughline::JsiArguments>(buffer, arguments).write(values[0].getNumber()))
      return jsi::Value();
    auto bytes = runtime.global()
                     .getPropertyAsFunction(runtime, "Uint8Array")
                     .callAsConstructor(runtime, static_cast<double>(buffer.size()))
                     .getObject(runtime);
    auto memory = bytes.getProperty(runtime, "buffer").getObject(runtime).getArrayBuffer(runtime);
    std::memcpy(memory.data(runtime), buffer.data(), buffer.size());
    return jsi::Value(std::move(bytes));
  });
  define(runtime, host, "door", [](jsi::Runtime& runtime, const jsi::Value&, const jsi::Value* values, size_t) {
    jsi::Object door(runtime);
    throughline::installDoor(runtime, door, static_cast<uint64_t>(values[0].getNumber()));
    return jsi::Value(std::move(door));
  });
  define(runtime, host, "harness", [](jsi::Runtime& runtime, const jsi::Value&, const jsi::Value* values, size_t) {
    char* answer = throughline_harness(values[0].getString(runtime).utf8(runtime).c_str());
    auto text = jsi::String::createFromUtf8(runtime, answer);
    throughline_harness_free(answer);
    return jsi::Value(std::move(text));
  });
  define(runtime, host, "readFile",
         [repository](jsi::Runtime& runtime, const jsi::Value&, const jsi::Value* values, size_t) {
           return jsi::Value(jsi::String::createFromUtf8(
               runtime, readFile(repository + "/" + values[0].getString(runtime).utf8(runtime))));
         });
  return host;
}

void platform(jsi::Runtime& runtime, Timers& timers) {
  auto global = runtime.global();
  define(runtime, global, "setTimeout",
         [&timers](jsi::Runtime& runtime, const jsi::Value&, const jsi::Value* values, size_t count) {
           const double ms = count > 1 && values[1].isNumber() ? values[1].getNumber() : 0;
           const auto at = Clock::now() + std::chrono::microseconds(static_cast<int64_t>(ms * 1000));
           timers.due.emplace(std::make_pair(at, ++timers.last),
                              std::make_shared<jsi::Function>(values[0].getObject(runtime).getFunction(runtime)));
           return jsi::Value(timers.last);
         });
  define(runtime, global, "clearTimeout",
         [&timers](jsi::Runtime&, const jsi::Value&, const jsi::Value* values, size_t count) {
           for (auto timer = timers.due.begin(); count > 0 && values[0].isNumber() && timer != timers.due.end();
                ++timer) {
             if (timer->first.second == values[0].getNumber()) {
               timers.due.erase(timer);
               break;
             }
           }
           return jsi::Value();
         });
  define(runtime, global, "queueMicrotask",
         [](jsi::Runtime& runtime, const jsi::Value&, const jsi::Value* values, size_t) {
           runtime.queueMicrotask(values[0].getObject(runtime).getFunction(runtime));
           return jsi::Value();
         });
  jsi::Object console(runtime);
  for (const char* name : {"log", "warn", "error"}) {
    define(runtime, console, name,
           [](jsi::Runtime& runtime, const jsi::Value&, const jsi::Value* values, size_t count) {
             for (size_t at = 0; at < count; ++at)
               std::cout << (at > 0 ? " " : "") << values[at].toString(runtime).utf8(runtime);
             std::cout << std::endl;
             return jsi::Value();
           });
  }
  global.setProperty(runtime, "console", console);
  jsi::Object performance(runtime);
  define(runtime, performance, "now", [](jsi::Runtime&, const jsi::Value&, const jsi::Value*, size_t) {
    return jsi::Value(std::chrono::duration<double, std::milli>(Clock::now().time_since_epoch()).count());
  });
  global.setProperty(runtime, "performance", performance);
}

/// Runs what is due until nothing waits any more.
void pump(jsi::Runtime& runtime, Timers& timers) {
  runtime.drainMicrotasks();
  while (!timers.due.empty()) {
    const auto next = timers.due.begin();
    std::this_thread::sleep_until(next->first.first);
    const auto callback = next->second;
    timers.due.erase(next);
    callback->call(runtime);
    runtime.drainMicrotasks();
  }
}

}  // namespace

/// `hermes REPOSITORY BUNDLE`: exits with 1 when the bundle throws, or has set `exitCode`.
int main(int count, char** arguments) {
  if (count != 3) {
    std::cerr << "usage: hermes REPOSITORY BUNDLE" << std::endl;
    return 2;
  }
  const auto config = ::hermes::vm::RuntimeConfig::Builder().withMicrotaskQueue(true).build();
  const auto runtime = facebook::hermes::makeHermesRuntime(config);
  Timers timers;
  try {
    platform(*runtime, timers);
    runtime->global().setProperty(*runtime, "throughlineHost", host(*runtime, arguments[1]));
    runtime->evaluateJavaScript(std::make_shared<jsi::StringBuffer>(readFile(arguments[2])), arguments[2]);
    pump(*runtime, timers);
    const auto code = runtime->global().getProperty(*runtime, "exitCode");
    return code.isNumber() ? static_cast<int>(code.getNumber()) : 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << std::endl;
    return 1;
  }
}
