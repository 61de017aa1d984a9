// Runs bundles of JavaScript in Hermes, with what a test needs of the platform: timers, microtasks,
// calls from other threads, a console, the native module, and what is behind `throughline_harness`.

#include <hermes/hermes.h>
#include <jsi/jsi.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <condition_variable>
#include <deque>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

#include "../react-native/cpp/Door.h"
#include "../react-native/cpp/JsiArguments.h"
#include "../react-native/cpp/Module.h"

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

/// Calls into a runtime from any thread: they wait for the runtime's own thread.
class Calls : public facebook::react::CallInvoker {
 public:
  void invokeAsync(facebook::react::CallFunc&& call) noexcept override {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(call));
    arrived_.notify_one();
  }
  void invokeSync(facebook::react::CallFunc&&) override { throw std::runtime_error("nothing here may wait"); }

  /// Runs what waits. Returns whether something did.
  bool run(jsi::Runtime& runtime) {
    std::deque<facebook::react::CallFunc> calls;
    {
      const std::lock_guard lock(mutex_);
      calls.swap(waiting_);
    }
    for (auto& call : calls) {
      call(runtime);
      runtime.drainMicrotasks();
    }
    return !calls.empty();
  }

  /// Waits for a call, or until a time.
  void wait(Clock::time_point until) {
    std::unique_lock lock(mutex_);
    arrived_.wait_until(lock, until, [this] { return !waiting_.empty(); });
  }

  /// How many threads have not called yet. Of the runtime's own thread.
  int expected = 0;

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<facebook::react::CallFunc> waiting_;
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

/// Asks the harness. The answer is JSON.
std::string ask(const std::string& request) {
  char* answer = throughline_harness(request.c_str());
  std::string text(answer);
  throughline_harness_free(answer);
  return text;
}

/// What the tests get as `throughlineHost`.
jsi::Object host(jsi::Runtime& runtime, const std::string& repository, const std::shared_ptr<Calls>& calls) {
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
    return jsi::Value(jsi::String::createFromUtf8(runtime, ask(values[0].getString(runtime).utf8(runtime))));
  });
  define(runtime, host, "background",
         [calls](jsi::Runtime& runtime, const jsi::Value&, const jsi::Value* values, size_t) {
           auto request = values[0].getString(runtime).utf8(runtime);
           auto callback = std::make_shared<jsi::Function>(values[1].getObject(runtime).getFunction(runtime));
           ++calls->expected;
           std::thread([calls, request = std::move(request), callback = std::move(callback)]() mutable {
             calls->invokeAsync(
                 [calls = calls.get(), answer = ask(request), callback = std::move(callback)](jsi::Runtime& runtime) {
                   --calls->expected;
                   callback->call(runtime, jsi::String::createFromUtf8(runtime, answer));
                 });
           }).detach();
           return jsi::Value();
         });
  define(runtime, host, "install", [calls](jsi::Runtime& runtime, const jsi::Value&, const jsi::Value*, size_t) {
    throughline::installModule(runtime, calls);
    return jsi::Value(true);
  });
  define(runtime, host, "write", [](jsi::Runtime& runtime, const jsi::Value&, const jsi::Value* values, size_t) {
    const auto text = values[0].getString(runtime).utf8(runtime);
    return jsi::Value(static_cast<double>(::write(STDOUT_FILENO, text.data(), text.size())));
  });
  define(runtime, host, "readFile",
         [repository](jsi::Runtime& runtime, const jsi::Value&, const jsi::Value* values, size_t) {
           return jsi::Value(jsi::String::createFromUtf8(
               runtime, readFile(repository + "/" + values[0].getString(runtime).utf8(runtime))));
         });
  return host;
}

/// Ends the process as native code of an app's does that is wrong. The names are found in reports.
[[noreturn, gnu::noinline]] void dieOfNull(volatile int* address) {
  *address = 7;
  std::abort();
}
[[noreturn, gnu::noinline]] void dieOfAbort() { std::abort(); }
[[noreturn, gnu::noinline]] void dieOfTrap() { __builtin_trap(); }
[[noreturn, gnu::noinline]] void dieOfDivision(int divisor) {
  volatile int known = divisor;
  std::cout << 1000 / known;
  std::abort();
}
[[gnu::noinline]] void refuse() { throw std::runtime_error("nobody catches this"); }
/// As what a native module throws and nobody catches.
[[noreturn, gnu::noinline]] void dieOfException() noexcept {
  refuse();
  std::abort();
}

[[noreturn]] void die(const std::string& kind) {
  if (kind == "null") dieOfNull(nullptr);
  if (kind == "trap") dieOfTrap();
  if (kind == "division") dieOfDivision(0);
  if (kind == "exception") dieOfException();
  dieOfAbort();
}

/// What ends the process from JavaScript.
void deaths(jsi::Runtime& runtime, jsi::Object& host) {
  define(runtime, host, "die",
         [](jsi::Runtime& runtime, const jsi::Value&, const jsi::Value* values, size_t) -> jsi::Value {
           die(values[0].getString(runtime).utf8(runtime));
         });
  define(runtime, host, "dieElsewhere", [](jsi::Runtime& runtime, const jsi::Value&, const jsi::Value* values, size_t) {
    std::thread(die, values[0].getString(runtime).utf8(runtime)).detach();
    return jsi::Value();
  });
  define(runtime, host, "exit", [](jsi::Runtime&, const jsi::Value&, const jsi::Value* values, size_t) -> jsi::Value {
    ::_exit(static_cast<int>(values[0].getNumber()));
  });
  // Which signals have a handler: a line of `proc(5)`.
  define(runtime, host, "caughtSignals", [](jsi::Runtime& runtime, const jsi::Value&, const jsi::Value*, size_t) {
    const auto status = readFile("/proc/self/status");
    const auto at = status.find("SigCgt:") + 7;
    return jsi::Value(jsi::String::createFromUtf8(runtime, status.substr(at, status.find('\n', at) - at)));
  });
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
void pump(jsi::Runtime& runtime, Timers& timers, Calls& calls) {
  runtime.drainMicrotasks();
  while (!timers.due.empty() || calls.expected > 0) {
    const auto never = Clock::now() + std::chrono::seconds(1);
    calls.wait(timers.due.empty() ? never : timers.due.begin()->first.first);
    if (calls.run(runtime)) continue;
    const auto next = timers.due.begin();
    if (next == timers.due.end() || next->first.first > Clock::now()) continue;
    const auto callback = next->second;
    timers.due.erase(next);
    callback->call(runtime);
    runtime.drainMicrotasks();
  }
}

/// Runs a bundle in a runtime of its own. Returns the `exitCode` that it has set, or 0.
int runBundle(const std::string& repository, const std::string& bundle, int reload) {
  const auto config = ::hermes::vm::RuntimeConfig::Builder().withMicrotaskQueue(true).build();
  const auto runtime = facebook::hermes::makeHermesRuntime(config);
  Timers timers;
  const auto calls = std::make_shared<Calls>();
  platform(*runtime, timers);
  auto host = ::host(*runtime, repository, calls);
  deaths(*runtime, host);
  host.setProperty(*runtime, "reload", reload);
  runtime->global().setProperty(*runtime, "throughlineHost", host);
  runtime->evaluateJavaScript(std::make_shared<jsi::StringBuffer>(readFile(bundle)), bundle);
  pump(*runtime, timers, *calls);
  const auto code = runtime->global().getProperty(*runtime, "exitCode");
  return code.isNumber() ? static_cast<int>(code.getNumber()) : 0;
}

}  // namespace

/// `hermes REPOSITORY BUNDLE [RELOADS]`: exits with 1 when the bundle throws, or has set `exitCode`.
/// With `RELOADS`, the bundle runs that often, each time in a new runtime of the same process.
int main(int count, char** arguments) {
  if (count != 3 && count != 4) {
    std::cerr << "usage: hermes REPOSITORY BUNDLE [RELOADS]" << std::endl;
    return 2;
  }
  const int reloads = count == 4 ? std::atoi(arguments[3]) : 1;
  try {
    for (int reload = 0; reload < reloads; ++reload) {
      if (const int code = runBundle(arguments[1], arguments[2], reload)) return code;
    }
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << std::endl;
    return 1;
  }
}
