package com.example;

import dev.throughline.ActionType;
import dev.throughline.Consent;
import dev.throughline.Environment;
import dev.throughline.JavaTime;
import dev.throughline.Throughline;
import dev.throughline.ThroughlineException;
import java.io.File;
import java.time.Duration;

/** Starts, records and sends, in Java 8. */
public final class Adopter {
    private Adopter() {}

    /** The arguments: the collector, and a directory. */
    public static void main(String[] arguments) throws ThroughlineException {
        Throughline.start(Consent.GRANTED, configuration -> {
            configuration.setServiceName("adopter-gradle");
            configuration.setEnvironment(Environment.TEST);
            configuration.setDataDir(new File(arguments[1]));
            configuration.setStartJitter(false);
            configuration.endpoint(arguments[0]);
        });
        Throughline.action("hello", ActionType.TAP, attributes -> attributes.put("count", 1));
        System.out.println("adopted: complete " + JavaTime.flush(Throughline.INSTANCE, Duration.ofSeconds(20)).isComplete());
        JavaTime.shutdown(Throughline.INSTANCE, Duration.ofSeconds(5));
    }
}
