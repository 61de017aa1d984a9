package androidx.work;

import android.content.Context;

public abstract class ListenableWorker {
    private final Context context;
    private volatile boolean stopped;

    public ListenableWorker(Context appContext, WorkerParameters workerParams) {
        context = appContext;
    }

    public final Context getApplicationContext() {
        return context;
    }

    public final boolean isStopped() {
        return stopped;
    }

    public final void stop(int reason) {
        stopped = true;
        onStopped();
    }

    public void onStopped() {}

    public abstract static class Result {
        public static Result success() {
            return new Success();
        }

        public static Result retry() {
            return new Retry();
        }

        public static Result failure() {
            return new Failure();
        }

        public static final class Success extends Result {}

        public static final class Retry extends Result {}

        public static final class Failure extends Result {}
    }
}
