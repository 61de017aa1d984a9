package com.example;

import dev.throughline.ActionType;
import dev.throughline.Capture;
import dev.throughline.Conditions;
import dev.throughline.Consent;
import dev.throughline.Contexts;
import dev.throughline.Destination;
import dev.throughline.Environment;
import dev.throughline.ErrorKind;
import dev.throughline.Feeds;
import dev.throughline.Instrument;
import dev.throughline.JavaTime;
import dev.throughline.MeteredUploads;
import dev.throughline.MutationKind;
import dev.throughline.NetworkKind;
import dev.throughline.Operation;
import dev.throughline.Operations;
import dev.throughline.PendingUpload;
import dev.throughline.Severity;
import dev.throughline.Span;
import dev.throughline.Stores;
import dev.throughline.Throughline;
import dev.throughline.ThroughlineException;
import dev.throughline.TraceContext;
import dev.throughline.TraceHost;
import dev.throughline.TracedPath;
import dev.throughline.TracedProperty;
import dev.throughline.TracedStates;
import dev.throughline.TracedStore;
import dev.throughline.UploadResponse;
import dev.throughline.okhttp.OkHttpTransport;
import dev.throughline.okhttp.Tracing;
import dev.throughline.okhttp.WebSockets;
import java.io.File;
import java.time.Duration;
import java.util.Collections;
import java.util.Map;
import java.util.Set;
import kotlinx.coroutines.flow.MutableStateFlow;
import kotlinx.coroutines.flow.StateFlowKt;
import okhttp3.OkHttpClient;
import okhttp3.WebSocketListener;

/** Calls everything that a Java app can call. No lambda here returns Kotlin's `Unit`. */
public final class JavaApp {
    private static final Throughline TELEMETRY = Throughline.INSTANCE;

    private JavaApp() {}

    /** Starts the client with every part of the configuration. */
    public static void start(File directory) throws ThroughlineException {
        Throughline.start(Consent.GRANTED, configuration -> {
            configuration.setServiceName("consumer-java");
            configuration.setServiceVersion("1.0");
            configuration.setDataDir(directory);
            configuration.setInstallationId(true);
            configuration.setDeviceTag("device");
            configuration.setEnvironment(Environment.TEST);
            configuration.setEnabled(true);
            configuration.setSessionSampleRate(1.0);
            configuration.setTraceSampleRate(1.0);
            configuration.setFlushEvents(100L);
            configuration.setMeteredUploads(MeteredUploads.ALL);
            configuration.setDailyBytes(100_000_000L);
            configuration.setQueueBytes(8L * 1_024 * 1_024);
            configuration.setStartJitter(false);
            configuration.setSelfReport(false);
            configuration.setDebug(false);
            configuration.setDebugLog(line -> System.out.println(line));
            configuration.setPull(true);
            configuration.setTransport(new OkHttpTransport(new OkHttpClient()));
            configuration.setTransport(request -> new UploadResponse(503));
            configuration.setTransport(null);
            configuration.setAuthHeaders((destination, refresh) -> Collections.singletonMap("authorization", "token"));
            JavaTime.setFlushInterval(configuration, Duration.ofMinutes(1));
            JavaTime.setMaxAge(configuration, Duration.ofDays(1));
            configuration.endpoint("http://127.0.0.1:9");
            configuration.endpoint("http://127.0.0.1:9/second", destination -> destination.header("api-key", "key"));
            configuration.destination("third", "http://127.0.0.1:9/third");
            configuration.destination("fourth", "http://127.0.0.1:9/fourth", destination -> {
                destination.setEncoding(Destination.Encoding.JSON);
                destination.setTemporality(Destination.Temporality.DELTA);
                destination.setSignals(Set.of(Destination.Signal.LOGS, Destination.Signal.TRACES));
                destination.signalEndpoint(Destination.Signal.LOGS, "http://127.0.0.1:9/logs");
            });
            configuration.traceHost("api.example.com");
            configuration.traceHost("example.org", host -> {
                host.setFormats(Set.of(TraceHost.Format.TRACE_CONTEXT));
                host.setInjection(TraceHost.Injection.ALL);
                host.setBaggageKeys(Set.of("key"));
            });
            configuration.resource("deployment", "blue");
            configuration.redact(rules -> {
                rules.setDenyKeys(Set.of("salary"));
                rules.setAllowKeys(Set.of("token.count"));
                rules.setKeepQueries(false);
                rules.getPatterns().setEmail(true);
            });
            configuration.tailSampling();
            configuration.tailSampling(sampling -> {
                sampling.setBytes(1_048_576L);
                sampling.setAllSessions(false);
                sampling.setOnError(true);
                JavaTime.setWindow(sampling, Duration.ofMinutes(2));
                JavaTime.setSlowOperation(sampling, Duration.ofSeconds(3));
            });
        });
    }

    /** A start in the background, which fails here because the client runs already. */
    public static void startAgain() {
        Throughline.startInBackground(Consent.GRANTED, configuration -> configuration.setServiceName("again"));
        Throughline.startInBackground(
            Consent.GRANTED,
            failure -> System.out.println("refused: " + failure.getMessage()),
            configuration -> configuration.setServiceName("again"));
        JavaTime.awaitStart(TELEMETRY);
        System.out.println(JavaTime.diagnose(TELEMETRY, Duration.ZERO));
        JavaTime.awaitStart(TELEMETRY, Duration.ofSeconds(1));
    }

    /** Records everything that can be recorded. */
    public static void record() {
        Throughline.startView("Home");
        Throughline.pushView("Sheet");
        Throughline.markInteractive();
        Throughline.stopView();
        Throughline.action("checkout");
        Throughline.action("checkout", ActionType.CUSTOM);
        Throughline.action("checkout", ActionType.CUSTOM, writer -> {
            writer.put("items", 3);
            writer.put("total", 1.5);
            writer.put("gift", true);
            writer.put("coupon", "SPRING");
            writer.putAny("list", Collections.singletonList(1));
            writer.putAll(Collections.singletonMap("key", "value"));
        });
        Throughline.startAction("buy");
        Throughline.startAction("buy", ActionType.TAP);
        Throughline.startAction("buy", ActionType.TAP, writer -> writer.put("n", 1L));
        Throughline.tap("save");
        Throughline.event("seen");
        Throughline.event("seen", writer -> writer.put("n", 1));
        Throughline.reportProblem("odd");
        Throughline.error(new IllegalStateException("handled"));
        Throughline.error(new IllegalStateException("handled"), writer -> writer.put("n", 1));
        Throughline.error("Type", "message");
        Throughline.error("Type", "message", "stack");
        Throughline.error("Type", "message", "stack", ErrorKind.HANG);
        Throughline.error("Type", "message", "stack", ErrorKind.HANDLED, writer -> writer.put("n", 1));
        Throughline.captureUncaughtExceptions();
        Throughline.log(Severity.INFO, "hello");
        Throughline.log(Severity.INFO, "hello", "logger");
        Throughline.log(Severity.INFO, "hello", "logger", writer -> writer.put("n", 1));
        Throughline.measure("size", 1.0);
        Throughline.measure("size", 1.0, Instrument.COUNTER);
        Throughline.measure("size", 1.0, Instrument.COUNTER, "By");
        Throughline.measure("size", 1.0, Instrument.COUNTER, "By", writer -> writer.put("n", 1));
        Throughline.vital("vital", 1.0);
        Throughline.vital("vital", 1.0, "ms");
        Throughline.vital("vital", 1.0, "ms", writer -> writer.put("n", 1));
        Throughline.setUser("u-1");
        Throughline.setUser("u-1", "Ada");
        Throughline.setUser("u-1", "Ada", "ada@example.com");
        Throughline.setUser("u-1", "Ada", "ada@example.com", writer -> writer.put("plan", "free"));
        Throughline.clearUser();
        Throughline.renewSession();
        Throughline.setGlobalAttribute("tenant", "t-1");
        Throughline.setFeatureFlag("beta", true);
        feeds();
    }

    private static void feeds() {
        JavaTime.longTask(TELEMETRY, Duration.ofMillis(120));
        JavaTime.longTask(TELEMETRY, Duration.ofMillis(900), true);
        JavaTime.slowFrame(TELEMETRY, Duration.ofMillis(40));
        JavaTime.cpuTime(TELEMETRY, Duration.ofMillis(5));
        JavaTime.processStart(TELEMETRY, "cold", Duration.ofMillis(700));
        JavaTime.initialDisplay(TELEMETRY, Duration.ofMillis(300));
        Feeds.frames(TELEMETRY, 60);
        Feeds.memory(TELEMETRY, 4_096);
        Feeds.syncFailure(TELEMETRY, "orders.push", "unavailable", 3, true);
        Feeds.queueFlush(TELEMETRY, 12, false);
    }

    /** Spans, operations and contexts. */
    public static String trace() {
        Operation operation = Operations.startOperation(TELEMETRY, "Rename");
        operation.retry(1);
        operation.set(writer -> writer.put("n", 1));
        operation.event("half");
        operation.event("half", writer -> writer.put("n", 1));
        Span child = operation.child("decode");
        child.link(operation);
        child.fail(new IllegalStateException("no"));
        operation.child("encode", writer -> writer.put("n", 1)).fail("Type", "message");
        operation.run(() -> Throughline.log(Severity.INFO, "inside"));
        int answer = operation.run(() -> 42);
        operation.succeed();
        Operations.startOperation(TELEMETRY, "Cancelled", writer -> writer.put("n", answer)).cancel();
        Operations.startSpan(TELEMETRY, "late").timeOut();
        try (Span span = Operations.startSpan(TELEMETRY, "closed", writer -> writer.put("n", 1))) {
            span.traceHeaders("https://api.example.com/");
            span.traceHeaders("https://api.example.com/", Map.of());
        }
        String said = Operations.blockingOperation(TELEMETRY, "Blocking", running -> "said in " + running.getTraceId());
        Operations.blockingOperation(TELEMETRY, "Blocking", writer -> writer.put("n", 1), running -> 1);
        TraceContext context =
            TraceContext.from(Map.of("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        context.keep("question");
        TraceContext taken = TraceContext.take("question");
        TraceContext.current().asContextElement();
        Runnable later = Contexts.bind(TELEMETRY, () -> Throughline.event("later"));
        later.run();
        Contexts.bind(TELEMETRY, () -> 7).invoke();
        Throughline.traceHeaders("https://api.example.com/");
        Throughline.traceHeaders("https://api.example.com/", Map.of());
        return said + " " + taken.getTraceId();
    }

    /** Traced state. */
    public static void state() {
        TracedStore store = Stores.tracedStore(TELEMETRY, "JavaCart", policy -> {
            policy.allow("**");
            policy.deny("secret");
            policy.transientPaths("isLoading");
            policy.redact("iban");
            policy.capture("coupon", Capture.FULL);
            policy.setCapture(Capture.PRIMITIVE);
            policy.setMaxActionsPerSecond(100);
            JavaTime.setCoalesce(policy, Duration.ZERO);
            JavaTime.setIgnoreIfReverted(policy, Duration.ZERO);
        });
        store.context(writer -> writer.put("items", 1));
        store.record("coupon", "", "SPRING");
        store.record("items[0]", null, "tea", MutationKind.INSERT);
        TracedPath path = Stores.tracedStore(TELEMETRY, "JavaCart").path("isLoading");
        path.set(false, true);
        TracedProperty<String> property = TracedStates.traced(store, "note", "");
        property.setValue(store, null, property.getValue(store, null) + "new");
        store.updatePolicy(policy -> policy.deny("note"));
        MutableStateFlow<String> flow = TracedStates.traced(StateFlowKt.MutableStateFlow(""), "JavaFlow", paths -> {
            paths.path("length", String::length);
            paths.policy(policy -> policy.deny("nothing"));
            paths.context((writer, state) -> writer.put("state", state));
        });
        flow.setValue("changed");
    }

    /** OkHttp, and uploads that the app sends itself. */
    public static boolean network() {
        OkHttpClient client = Tracing.traced(new OkHttpClient());
        WebSockets.traced(new WebSocketListener() {}, message -> Map.of());
        PendingUpload upload = JavaTime.nextUpload(TELEMETRY, Duration.ofSeconds(5));
        return client.followRedirects() && upload != null
            && Throughline.uploadDone(upload, new UploadResponse(200, Map.of(), "{}".getBytes()))
            && !Throughline.uploadDone(upload, new UploadResponse(200, Map.of()));
    }

    /** Switches, waits, and what the client says about itself. */
    public static void end() throws ThroughlineException {
        Throughline.setSessionSampleRate(1.0);
        Throughline.setTraceSampleRate(1.0);
        Throughline.setTailSampling(sampling -> sampling.setOnError(true));
        Throughline.setTailSampling(null);
        Throughline.setConditions(new Conditions());
        Throughline.setConditions(new Conditions(true, NetworkKind.UNMETERED, 80, true, false));
        Throughline.setConsent(Consent.GRANTED);
        Throughline.setEnabled(true);
        JavaTime.drain(TELEMETRY);
        JavaTime.drain(TELEMETRY, Duration.ofSeconds(5));
        JavaTime.suspendStorage(TELEMETRY);
        JavaTime.suspendStorage(TELEMETRY, Duration.ofSeconds(1));
        JavaTime.resumeStorage(TELEMETRY);
        JavaTime.resumeStorage(TELEMETRY, Duration.ofSeconds(1));
        JavaTime.flush(TELEMETRY, Duration.ofMillis(1)).getReason();
        JavaTime.erase(TELEMETRY);
        JavaTime.erase(TELEMETRY, Duration.ofSeconds(5));
        boolean isThere = Throughline.isRunning() && Throughline.getSessionId() != null
            && Throughline.getInstallationId() != null && Throughline.health().getProblems() != null;
        JavaTime.shutdown(TELEMETRY, isThere ? Duration.ofSeconds(5) : Duration.ZERO);
    }
}
