#import "ThroughlineModule.h"

#import "Module.h"

#if __has_include(<ThroughlineReactNative/ThroughlineReactNative-Swift.h>)
#import <ThroughlineReactNative/ThroughlineReactNative-Swift.h>
#else
#import "ThroughlineReactNative-Swift.h"
#endif

namespace {

namespace jsi = facebook::jsi;
namespace react = facebook::react;

/// The module as JavaScript has it. Only here `install` gets the runtime: React Native has handed it
/// to Objective-C in two ways since 0.76, and this works with both.
class InstallingModule final : public react::NativeThroughlineSpecJSI {
 public:
  explicit InstallingModule(const react::ObjCTurboModule::InitParams &params)
      : react::NativeThroughlineSpecJSI(params) {
    methodMap_["install"] = MethodMetadata{0, &install};
  }

 private:
  static jsi::Value install(jsi::Runtime &runtime, react::TurboModule &module, const jsi::Value *, size_t) {
    try {
      throughline::installModule(runtime, static_cast<InstallingModule &>(module).jsInvoker_);
      return jsi::Value(true);
    } catch (const std::exception &) {
      // The runtime has refused it, for example because a global cannot be set.
      return jsi::Value(false);
    }
  }
};

}  // namespace

@implementation ThroughlineModule

RCT_EXPORT_MODULE(Throughline)

+ (BOOL)requiresMainQueueSetup {
  return NO;
}

/// C++ answers instead. See `InstallingModule`.
- (NSNumber *)install {
  return @NO;
}

- (NSString *)start:(NSString *)config {
  return [ThroughlineStarter start:config];
}

- (NSNumber *)processStart {
  return @([ThroughlineStarter processStart]);
}

- (void)flush:(double)timeoutMs resolve:(RCTPromiseResolveBlock)resolve reject:(RCTPromiseRejectBlock)reject {
  [ThroughlineStarter flush:timeoutMs
                   answered:^(NSString *answer) {
                     resolve(answer);
                   }];
}

- (void)shutdown:(double)timeoutMs resolve:(RCTPromiseResolveBlock)resolve reject:(RCTPromiseRejectBlock)reject {
  [ThroughlineStarter shutdown:timeoutMs
                      answered:^(NSString *answer) {
                        resolve(answer);
                      }];
}

- (std::shared_ptr<facebook::react::TurboModule>)getTurboModule:
    (const facebook::react::ObjCTurboModule::InitParams &)params {
  return std::make_shared<InstallingModule>(params);
}

@end
