package com.example;

import android.app.Application;
import dev.throughline.Consent;
import dev.throughline.JavaTime;
import dev.throughline.Throughline;
import dev.throughline.ThroughlineException;
import dev.throughline.android.ThroughlineAndroid;
import dev.throughline.android.UploadService;
import java.time.Duration;

/** Calls everything of the Android module that a Java app can call. It is compiled, but not run. */
public class JavaAndroidApp extends Application {
    private static final Throughline TELEMETRY = Throughline.INSTANCE;

    @Override
    public void onCreate() {
        super.onCreate();
        ThroughlineAndroid.start(TELEMETRY, this, Consent.PENDING, configuration -> {
            configuration.setServiceName("shop");
            configuration.endpoint("https://otlp.example.com");
            configuration.traceHost("api.example.com");
            configuration.resource("process.name", ThroughlineAndroid.processName());
        });
    }

    /** Each option, in each form of the start. */
    public void startWithOptions() {
        ThroughlineAndroid.start(
            TELEMETRY,
            this,
            Consent.GRANTED,
            options -> {
                options.setScreens(options.getScreens());
                options.setFrames(!options.getFrames());
                options.setTaps(!options.getTaps());
                options.setCrashes(options.getCrashes());
                options.setExitReasons(options.getExitReasons());
                options.setConditions(options.getConditions());
                options.setUploadJobId(options.getUploadJobId() == null ? 4711 : null);
                options.setScreenName(activity -> activity.isTaskRoot() ? "Root" : null);
                options.setFragments(!options.getFragments());
                options.setFragmentName(fragment -> fragment.getClass().getSimpleName());
            },
            configuration -> configuration.whenStarted(() -> Throughline.event("started")));
        ThroughlineAndroid.start(
            TELEMETRY,
            this,
            Consent.DENIED,
            options -> options.setTaps(true),
            JavaAndroidApp::refused,
            configuration -> configuration.setServiceName("shop"));
    }

    private static void refused(ThroughlineException failure) {
        System.err.println(failure.getMessage());
    }

    /** The service of the upload job, for a manifest of the app's own. */
    public static Class<?> service() {
        JavaTime.awaitStart(TELEMETRY, Duration.ofSeconds(1));
        return UploadService.class;
    }
}
