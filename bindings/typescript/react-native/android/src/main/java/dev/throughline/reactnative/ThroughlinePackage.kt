package dev.throughline.reactnative

import com.facebook.react.BaseReactPackage
import com.facebook.react.bridge.NativeModule
import com.facebook.react.bridge.ReactApplicationContext
import com.facebook.react.module.model.ReactModuleInfo
import com.facebook.react.module.model.ReactModuleInfoProvider

/** Tells React Native of the native module. Autolinking finds it. */
public class ThroughlinePackage : BaseReactPackage() {
    override fun getModule(name: String, reactContext: ReactApplicationContext): NativeModule? =
        if (name == NativeThroughlineSpec.NAME) ThroughlineModule(reactContext) else null

    override fun getReactModuleInfoProvider(): ReactModuleInfoProvider = ReactModuleInfoProvider {
        mapOf(
            NativeThroughlineSpec.NAME to ReactModuleInfo(
                NativeThroughlineSpec.NAME,
                ThroughlineModule::class.java.name,
                false, // It overrides no other module,
                false, // is made when JavaScript asks for it,
                false, // is not written in C++ alone,
                true, // and is a turbo module.
            ),
        )
    }
}
