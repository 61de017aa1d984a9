package androidx.work;

public final class OneTimeWorkRequest extends WorkRequest {
    private OneTimeWorkRequest(Builder asked) {
        super(asked);
    }

    public static final class Builder extends WorkRequest.Builder<Builder, OneTimeWorkRequest> {
        public Builder(Class<? extends ListenableWorker> workerClass) {
            super(workerClass);
        }

        @Override
        OneTimeWorkRequest made() {
            return new OneTimeWorkRequest(this);
        }
    }
}
