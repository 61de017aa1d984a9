package androidx.work;

import java.util.concurrent.TimeUnit;

public final class PeriodicWorkRequest extends WorkRequest {
    private PeriodicWorkRequest(Builder asked) {
        super(asked);
    }

    public static final class Builder extends WorkRequest.Builder<Builder, PeriodicWorkRequest> {
        public final long everyMillis;

        public Builder(Class<? extends ListenableWorker> workerClass, long repeatInterval, TimeUnit repeatIntervalTimeUnit) {
            super(workerClass);
            everyMillis = repeatIntervalTimeUnit.toMillis(repeatInterval);
        }

        @Override
        PeriodicWorkRequest made() {
            return new PeriodicWorkRequest(this);
        }
    }
}
