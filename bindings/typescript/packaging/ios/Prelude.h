// What Apple's systems have and GNUstep's Foundation has not, as far as React Native's headers name
// it: with it, the native module for iOS is compiled on Linux, but never linked and never run.

#include <functional>
#include <memory>
#include <string>
#include <vector>

// GCC's own declarations of the runtime do not fit Clang's.
#define __objc_runtime_INCLUDE_GNU
#include <objc/objc.h>
typedef struct objc_method *Method;
typedef struct objc_ivar *Ivar;
typedef struct objc_property *Property;
#undef YES
#undef NO
#define YES __objc_yes
#define NO __objc_no

#import <Foundation/Foundation.h>
#define __deprecated_msg(reason)
#define __nullable _Nullable
#undef __nonnull
#define __nonnull _Nonnull
typedef NSObject *dispatch_queue_t;
typedef void (^dispatch_block_t)(void);
extern id kCFNull;
@interface UIView : NSObject
@end

// What Swift writes for the class of `ThroughlineStarter.swift`.
@interface ThroughlineStarter : NSObject
+ (NSString *)start:(NSString *)config;
+ (double)processStart;
+ (void)flush:(double)timeoutMs answered:(void (^)(NSString *))answered;
+ (void)shutdown:(double)timeoutMs answered:(void (^)(NSString *))answered;
@end
