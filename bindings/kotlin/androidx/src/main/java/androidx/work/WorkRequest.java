package androidx.work;

import java.util.concurrent.TimeUnit;

public abstract class WorkRequest {
    /** What was asked for. The original keeps it in a class of its own, which is not public. */
    public final Builder<?, ?> asked;

    WorkRequest(Builder<?, ?> asked) {
        this.asked = asked;
    }

    public abstract static class Builder<B extends Builder<?, ?>, W extends WorkRequest> {
        public final Class<? extends ListenableWorker> worker;
        public Constraints constraints = new Constraints.Builder().build();
        public boolean isExpedited;
        public long backoffMillis;

        Builder(Class<? extends ListenableWorker> worker) {
            this.worker = worker;
        }

        public final B setBackoffCriteria(BackoffPolicy backoffPolicy, long backoffDelay, TimeUnit timeUnit) {
            backoffMillis = timeUnit.toMillis(backoffDelay);
            return self();
        }

        public final B setConstraints(Constraints constraints) {
            this.constraints = constraints;
            return self();
        }

        public B setExpedited(OutOfQuotaPolicy policy) {
            isExpedited = true;
            return self();
        }

        public final W build() {
            return made();
        }

        abstract W made();

        @SuppressWarnings("unchecked")
        private B self() {
            return (B) this;
        }
    }
}
