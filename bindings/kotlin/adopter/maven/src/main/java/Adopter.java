package com.example;

import dev.throughline.ActionType;
import dev.throughline.Consent;
import dev.throughline.Environment;
import dev.throughline.FlushOutcome;
import dev.throughline.JavaTime;
import dev.throughline.Throughline;
import dev.throughline.ThroughlineException;
import java.io.File;
import java.time.Duration;

/** Starts, records, uses other libraries, and sends, in Java 8. */
public final class Adopter {
    private Adopter() {}

    /** The arguments: the collector, a directory, another Rust library. */
    public static void main(String[] arguments) throws ThroughlineException {
        Throughline.start(Consent.GRANTED, configuration -> {
            configuration.setServiceName("adopter-maven");
            configuration.setEnvironment(Environment.TEST);
            configuration.setDataDir(new File(arguments[1]));
            configuration.setStartJitter(false);
            configuration.endpoint(arguments[0]);
        });
        String sqlite = Flow.INSTANCE.sqlite();
        Throughline.action("hello", ActionType.TAP, attributes -> attributes.put("count", 1));
        Flow.INSTANCE.record();
        int other = Flow.INSTANCE.rust(arguments[2]);
        if (other <= 0 || sqlite.isEmpty()) throw new IllegalStateException("the others do not work: " + other + ", " + sqlite);
        FlushOutcome outcome = JavaTime.flush(Throughline.INSTANCE, Duration.ofSeconds(20));
        System.out.println("adopted: complete " + outcome.isComplete() + ", beside SQLite " + sqlite + " and " + other);
        JavaTime.shutdown(Throughline.INSTANCE, Duration.ofSeconds(5));
    }
}
