// What ThroughlineModule.kt calls.

#include <ReactCommon/CallInvokerHolder.h>
#include <fbjni/fbjni.h>
#include <jsi/jsi.h>

#include "Module.h"

extern "C" JNIEXPORT jboolean JNICALL Java_dev_throughline_reactnative_ThroughlineModule_nativeInstall(
    JNIEnv*, jobject, jlong runtime, jobject invoker) {
  using Holder = facebook::react::CallInvokerHolder;
  if (runtime == 0 || invoker == nullptr) return JNI_FALSE;
  try {
    const auto holder = facebook::jni::static_ref_cast<Holder::javaobject>(facebook::jni::make_local(invoker));
    throughline::installModule(*reinterpret_cast<facebook::jsi::Runtime*>(runtime), holder->cthis()->getCallInvoker());
    return JNI_TRUE;
  } catch (const std::exception&) {
    // The runtime has refused it, for example because a global cannot be set.
    return JNI_FALSE;
  }
}
